"""Pieces of work and their states."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bot.text.wording import shortened


class WorkState(StrEnum):
    """The life of a piece of work."""

    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def open(self) -> bool:
        """Whether it is still to be finished."""
        return self not in {WorkState.DONE, WorkState.FAILED, WorkState.CANCELLED}


@dataclass(frozen=True, slots=True)
class Work:
    """One request for a product: an objective for its coordinator, or a task for one capability."""

    id: str
    product: str
    objective: str
    state: WorkState
    created_at: datetime
    updated_at: datetime
    capability: str | None = None
    """None: an objective for the coordinator."""
    asked_by: str = ""
    conversation: str = ""
    reason: str = ""
    """Why it is in this state, for people."""
    mail: str | None = None
    """Id of the mail that carried it to the engine; its thread."""
    agent: str | None = None
    """Name of the agent started for it, where a capability was asked."""
    result: str = ""
    attempt: int = 1
    """Counts how often it was handed to the engine: more than once after being parked."""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    origin: str = ""
    """A few letters of the store that numbered it: another store's `w12` is other work."""
    source: str = "person"
    """What asked: `person`, `agent` (the model, for a person), or `schedule`."""
    schedule: str | None = None
    """Name of the schedule whose run it is."""
    priority: str | None = None
    """critical, high, medium or low; None: that of its product."""
    weight: float | None = None
    """How heavy it is; None: as its product's `resource_weight`."""
    estimate_usd: float | None = None
    """What it is expected to cost; None: learned from the past."""
    depends_on: tuple[str, ...] = ()
    """Ids of work that has to be done first."""
    deadline: datetime | None = None
    boost: float = 0.0
    """Steps of priority by which a person moved it in the queue."""
    not_before: datetime | None = None
    """Not started again before then, after a failure."""
    lost: int = 0
    """How often its session was lost, and it was queued again by itself."""
    cost_usd: float = 0.0
    """What it has cost so far, as far as its product's figures tell."""
    peak_mib: float = 0.0
    """Most memory that it was seen to take, MiB."""

    @property
    def tag(self) -> str:
        """What names it in the engine, where every store's work meets: `w12.k3f9`, and `w12.k3f9.2` when tried again."""
        return f"{self.id}.{self.origin}" + (f".{self.attempt}" if self.attempt > 1 else "")

    @property
    def marker(self) -> str:
        """What makes its mail recognisable in the engine, so that nothing is started twice."""
        return f"[{self.tag}]"

    @property
    def spawn_command(self) -> str:
        """Command that asks for the same work again."""
        words = shortened(self.objective, 1500)
        dashed = "-- " if any(word.startswith(("-", "—", "–")) for word in words.split()) else ""
        capability = f"--capability {self.capability} " if self.capability else ""
        return f"/fleet spawn {self.product} {capability}{dashed}{words}"
