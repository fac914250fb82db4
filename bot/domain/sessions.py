"""Engine state as the fleet sees it: sessions, snapshots, messages."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


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
    """Whether its process was found; the engine's own table can be out of date."""

    @property
    def active(self) -> bool:
        """Whether it occupies a place: running or about to."""
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


@dataclass(frozen=True, slots=True)
class Mail:
    """One engine message, as stored by the engine. `cursor` is its place in the product's mailbox."""

    id: str
    product: str
    sender: str
    recipient: str
    type: str
    subject: str
    body: str
    created_at: datetime
    thread: str | None = None
    priority: str = "normal"
    payload: dict[str, Any] = field(default_factory=dict)
    read: bool = False
    cursor: str = ""
