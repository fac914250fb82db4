"""A stand-in for the overstory engine: same commands, files, REST and WebSocket shapes; no model, no tokens, no network.

Layers, from the bottom: errors, times, dialects → database and its four stores → project, processes, worktrees, product →
worker, sling → coordinator → commands and serve → main.
"""
