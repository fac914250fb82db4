"""A stand-in for the overstory engine, without model, tokens or network.

It has the same commands, files, REST and WebSocket shapes. Layers, from the bottom: errors, times, dialects → database and its
four stores → project, processes, worktrees, product → worker, sling → coordinator → commands → server → main.
"""
