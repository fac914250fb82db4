"""Gates, decisions and actions that need approval."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any

from bot.domain.people import Person, Role


class GateKind(StrEnum):
    """What waits for a person."""

    PLAN = "plan"
    DECISION = "decision"
    QUESTION = "question"
    ESCALATION = "escalation"
    ACTION = "action"


class GateState(StrEnum):
    """The life of a gate; see `bot.gates`."""

    OPEN = "open"
    DECIDED = "decided"
    DELIVERED = "delivered"
    SUPERSEDED = "superseded"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Decision:
    """One person's answer to a gate. `choice` is approve, changes, reject, or one of the gate's options."""

    choice: str
    by: str
    at: datetime
    note: str = ""
    platform: str = ""


@dataclass(frozen=True, slots=True)
class Action:
    """What an action gate asks leave for: a skill that the model, or the scheduler, would run on a person's behalf."""

    skill: str
    arguments: dict[str, Any]
    person: Person
    """With whose rights it runs."""
    role: Role = Role.OPERATOR
    """The role that a yes takes; from approver on, the product's approvals hold too."""


@dataclass(frozen=True, slots=True)
class Gate:
    """Anything that waits for a person: one revision of it. A later revision is a gate of its own on the same `thread`."""

    id: str
    product: str
    kind: GateKind
    title: str
    body: str
    state: GateState
    created_at: datetime
    updated_at: datetime
    revision: int = 1
    options: tuple[str, ...] = ("approve", "changes", "reject")
    thread: str = ""
    """What ties the revisions of one question together: the engine's task or mail thread."""
    mail: str | None = None
    """Id of the mail that raised it."""
    sender: str = ""
    task: str = ""
    work: str | None = None
    conversation: str = ""
    previous: str | None = None
    """Id of the gate of the revision before this one."""
    decision: Decision | None = None
    answers: tuple[Decision, ...] = ()
    """Every valid answer so far; more than one where a quorum is asked for."""
    reason: str = ""
    origin: str = ""
    """As of `Work`."""
    action: Action | None = None
    reply: str | None = None
    """Id of the mail that carried the decision to the engine, once sent."""
    sent_at: datetime | None = None
    sendings: int = 0
    """How often it was sent: more than once where the engine had swallowed it."""
    reminded_at: datetime | None = None
    reminders: int = 0
    escalated_at: datetime | None = None
    """When the backups were asked; from then on they may decide."""

    @property
    def digest(self) -> str:
        """SHA-256 of what was shown; a decision binds to it."""
        shown = "\x00".join([self.product, self.kind, self.title, self.body, str(self.revision), *self.options])
        return sha256(shown.encode()).hexdigest()

    @property
    def visible(self) -> tuple[object, ...]:
        """What of it changes and is seen on its card; how its answer travels is not."""
        return (self.state, self.decision, self.answers, self.reason, self.reminders, self.escalated_at)

    @property
    def marker(self) -> str:
        """What makes the delivered answer recognisable in the engine; another one for each time it is sent on purpose."""
        return f"[{self.id}.{self.origin}" + (f".{self.sendings}]" if self.sendings > 1 else "]")

    def decided(self, decision: Decision, at: datetime) -> "Gate":
        """This gate with its final decision."""
        return replace(self, state=GateState.DECIDED, decision=decision, reason="", updated_at=at)
