"""Intervals on Discord, in seconds."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """Intervals within Discord's limits. Tests use shorter ones."""

    stream: float = 1.3
    """Between two edits of a streamed message. Discord allows five edits in five seconds per channel."""
    board: float = 5.0
    """Least time between two edits of a board."""
    guilds: float = 0.5
    """Time without a new server after which all servers count as received."""
    silence: float = 60.0
    """Time without a heartbeat response after which the connection counts as lost."""
    identify: float = 3.0
    """Before a new session replaces another, as Discord asks."""
    retry: float = 1.0
    """Factor for the pauses between two clients."""
    history: float = 5.0
    """Before a channel that could not be read is retried."""
    keep: float = 10.0
    """Between two saves of the read position."""
