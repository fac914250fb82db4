"""Gates, decisions and actions that need approval."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any

from bot.domain.people import Person, Role


class GateKind(StrEnum):
    """Kinds of gates."""

    PLAN = "plan"
    DECISION = "decision"
    QUESTION = "question"
    ESCALATION = "escalation"
    ACTION = "action"


class GateState(StrEnum):
    """States of a gate. `bot.gates.lifecycle` holds the transitions."""

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
    """A skill call of the model or the scheduler that a person has to approve."""

    skill: str
    arguments: dict[str, Any]
    person: Person
    """The person whose rights it runs with."""
    role: Role = Role.OPERATOR
    """Minimum role of an approval. From `approver` on, the product's `approvals` apply as well."""


@dataclass(frozen=True, slots=True)
class Gate:
    """One revision of a question to a person. A later revision is a separate gate with the same `thread`."""

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
    """The engine's task or mail thread, shared by all revisions of one question."""
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
    """Every valid answer so far, more than one if `approvals.required` is above 1."""
    reason: str = ""
    origin: str = ""
    """Store that numbered this gate, as in `Work.origin`."""
    action: Action | None = None
    reply: str | None = None
    """Id of the mail that carried the decision to the engine, once sent."""
    sent_at: datetime | None = None
    sendings: int = 0
    """Times that the decision was sent, more than 1 after the engine lost it."""
    reminded_at: datetime | None = None
    reminders: int = 0
    escalated_at: datetime | None = None
    """Time of the escalation to the backups, who may decide from then on."""

    @property
    def digest(self) -> str:
        """SHA-256 of the shown content, which a decision is bound to."""
        shown = "\x00".join([self.product, self.kind, self.title, self.body, str(self.revision), *self.options])
        return sha256(shown.encode()).hexdigest()

    @property
    def visible(self) -> tuple[object, ...]:
        """Values on the gate's card that can change. A card is updated when these do."""
        return (self.state, self.decision, self.answers, self.reason, self.reminders, self.escalated_at)

    @property
    def marker(self) -> str:
        """Text that identifies the delivered answer in the engine, different for each intended delivery."""
        return f"[{self.id}.{self.origin}" + (f".{self.sendings}]" if self.sendings > 1 else "]")

    def decided(self, decision: Decision, at: datetime) -> "Gate":
        """Return this gate with its final decision."""
        return replace(self, state=GateState.DECIDED, decision=decision, reason="", updated_at=at)
