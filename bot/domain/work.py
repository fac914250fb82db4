"""Pieces of work and their states."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bot.text.wording import shortened


class WorkState(StrEnum):
    """States of a piece of work."""

    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    WAITING = "waiting"
    DONE = "done"
    REJECTED = "rejected"
    """Ended because people rejected its plan."""
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def open(self) -> bool:
        """True for work that is not finished."""
        return self not in {WorkState.DONE, WorkState.REJECTED, WorkState.FAILED, WorkState.CANCELLED}


@dataclass(frozen=True, slots=True)
class Work:
    """One request for a product, either an objective for its coordinator or a task for one agent."""

    id: str
    product: str
    objective: str
    state: WorkState
    created_at: datetime
    updated_at: datetime
    capability: str | None = None
    """Kind of agent, None for an objective that goes to the product's coordinator."""
    asked_by: str = ""
    conversation: str = ""
    reason: str = ""
    """Reason for the state, for people."""
    mail: str | None = None
    """Id of the mail that carried it to the engine, which is also the id of its thread."""
    agent: str | None = None
    """Name of the agent started for it, if it has a `capability`."""
    result: str = ""
    attempt: int = 1
    """Number of the delivery to the engine, above 1 after a retry or a pause."""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    origin: str = ""
    """Id of the store that numbered it, a few letters. Another store's `w12` is different work."""
    source: str = "person"
    """Source of the request, `person`, `agent` (the model on a person's behalf) or `schedule`."""
    schedule: str | None = None
    """Name of the schedule that created it."""
    priority: str | None = None
    """Priority (critical, high, medium or low), None for that of its product."""
    weight: float | None = None
    """Resource weight, None for its product's `resource_weight`."""
    estimate_usd: float | None = None
    """Expected cost, None to estimate it from past work."""
    depends_on: tuple[str, ...] = ()
    """Ids of work that must finish before this starts."""
    deadline: datetime | None = None
    boost: float = 0.0
    """Priority steps by which a person moved it in the queue."""
    not_before: datetime | None = None
    """Earliest time of the next attempt, after a failure."""
    lost: int = 0
    """Times that its session was lost and it was queued again automatically."""
    cost_usd: float = 0.0
    """Cost so far, derived from its product's figures."""
    peak_mib: float = 0.0
    """Peak memory in MiB."""

    @property
    def tag(self) -> str:
        """Name in the engine, unique across stores, as in `w12.k3f9`, and `w12.k3f9.2` for its second attempt."""
        return f"{self.id}.{self.origin}" + (f".{self.attempt}" if self.attempt > 1 else "")

    @property
    def marker(self) -> str:
        """Text that identifies its mail in the engine, so that nothing is started twice."""
        return f"[{self.tag}]"

    @property
    def spawn_command(self) -> str:
        """Command that asks for the same work again."""
        words = shortened(self.objective, 1500)
        dashed = "-- " if any(word.startswith(("-", "—", "–")) for word in words.split()) else ""
        capability = f"--capability {self.capability} " if self.capability else ""
        return f"/fleet spawn {self.product} {capability}{dashed}{words}"
