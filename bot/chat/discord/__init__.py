"""The Discord adapter.

`to_…` builds messages, `from_…` reads events, and the other modules hold the connection. It imports discord.py (20 MiB, 0.2 s),
so it is imported only if a token is set.
"""
