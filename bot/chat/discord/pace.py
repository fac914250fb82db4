"""How fast things go on Discord, in seconds."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """What Discord allows and people like; a test goes faster."""

    stream: float = 1.3
    """Between two edits of a growing message; Discord allows five in five seconds for a channel."""
    board: float = 5.0
    """Between two edits of a board at least."""
    guilds: float = 0.5
    """Without a new server, after which all are taken to have come."""
    silence: float = 60.0
    """Of Discord, not even an answer to a heartbeat, after which the connection counts as dead."""
    identify: float = 3.0
    """Before a session begins anew, as Discord asks."""
    retry: float = 1.0
    """Times the pauses between two clients."""
    history: float = 5.0
    """Before channels that could not be read are tried again."""
    keep: float = 10.0
    """After which it is written down how far we have heard."""
