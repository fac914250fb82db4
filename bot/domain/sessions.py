"""Engine state as the fleet sees it: sessions and snapshots."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

LEAD: Final = "coordinator"
"""Name of every product's lead agent, which plans and distributes the work, whatever its engine calls it."""


@dataclass(frozen=True, slots=True)
class Session:
    """One agent's run in the engine. `state` in the engine's words (booting, working, in_turn, between_turns,
    completed, stalled, zombie)."""

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
    """What is wrong with a product or a runtime, in words, with its cure."""

    code: str
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the engine says of one product at one moment."""

    product: str
    at: datetime
    engine: str = ""
    """Version as the engine prints it, for instance `0.11.0 (rehearsal)`."""
    sessions: tuple[Session, ...] = ()
    coordinator: bool = False
    """Whether the product's coordinator runs (and truly does, by its process)."""
    paused: bool = False
    cost_usd_today: float = 0.0
    cost_usd_total: float = 0.0
    cpu_percent: float = 0.0
    memory_mib: float = 0.0
    trouble: Trouble | None = None
    notice: Trouble | None = None
    """Something to be known that stops no work: `not_adopted`, `overwritten`, `outdated`."""

    @property
    def active(self) -> tuple[Session, ...]:
        """The sessions that occupy a place."""
        return tuple(session for session in self.sessions if session.active)
