"""Sessions and snapshots of an engine, in the fleet's words."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

LEAD: Final = "coordinator"
"""Name of every product's lead agent, which plans and distributes the work in any engine."""


@dataclass(frozen=True, slots=True)
class Session:
    """One agent process in the engine.

    `state` is the engine's (booting, working, in_turn, between_turns, completed, stalled, zombie).
    """

    agent: str
    capability: str
    state: str
    task: str = ""
    parent: str | None = None
    branch: str = ""
    worktree: str = ""
    started_at: datetime | None = None
    last_activity: datetime | None = None
    pid: int | None = None
    alive: bool = True
    """True if its process was found. The engine's own table can be out of date."""

    @property
    def lead(self) -> bool:
        """True for the product's lead agent."""
        return self.agent == LEAD

    @property
    def active(self) -> bool:
        """True while it runs or is about to."""
        return self.alive and self.state in {"booting", "working", "in_turn", "between_turns", "stalled"}


@dataclass(frozen=True, slots=True)
class Trouble:
    """A problem of a product or a runtime, with its fix as `hint`."""

    code: str
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """State of one product in its engine at one time."""

    product: str
    at: datetime
    engine: str = ""
    """Version as the engine prints it, such as `0.11.0 (rehearsal)`."""
    sessions: tuple[Session, ...] = ()
    coordinator: bool = False
    """True if the process of the product's coordinator runs."""
    paused: bool = False
    cost_usd_today: float = 0.0
    cost_usd_total: float = 0.0
    cpu_percent: float = 0.0
    memory_mib: float = 0.0
    trouble: Trouble | None = None
    notice: Trouble | None = None
    """A problem that stops no work, with code `not_adopted`, `overwritten` or `outdated`."""

    @property
    def active(self) -> tuple[Session, ...]:
        """Sessions that run or are about to."""
        return tuple(session for session in self.sessions if session.active)
