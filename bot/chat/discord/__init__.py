"""The Discord adapter: `to_…` makes Discord's messages, `from_…` reads its events, the rest keeps the connection.

No product logic. Everything here imports discord.py (20 MiB, 0.2 s), so it is imported only where there is a token.
"""
