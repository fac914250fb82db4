"""Messages of a product's agents, in the fleet's words."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class MailKind(StrEnum):
    """Meaning of a message, decided by the engine's driver, which alone knows the engine's own types."""

    PLAN = "plan"
    """Request to approve a plan."""
    DECISION = "decision"
    """Request to choose one of its options."""
    QUESTION = "question"
    """Question to people, or to an agent if it is from the operator."""
    ESCALATION = "escalation"
    """Report of a critical problem that only people can resolve."""
    PROGRESS = "progress"
    """News of running work."""
    FINISHED = "finished"
    """Report that the sender has finished its task."""
    WORKER_FINISHED = "worker_finished"
    """Report that a worker has finished its task. It does not end the lead agent's own work."""
    FAILED = "failed"
    """Report that the sender cannot do its task."""
    DIED = "died"
    """Notice of the engine that the sender's session ended without a report."""
    MESSAGE = "message"
    """Anything else."""


class Author(StrEnum):
    """Kinds of authors of a message."""

    LEAD = "lead"
    """The product's lead agent."""
    WORKER = "worker"
    OPERATOR = "operator"
    """The fleet, or someone who writes in its name."""
    UNSIGNED = "unsigned"
    """An agent that did not name itself."""


@dataclass(frozen=True, slots=True)
class Mail:
    """One message of a product's agents or to them."""

    id: str
    product: str
    sender: str
    """Name for display. Use `author` to tell who it is."""
    recipient: str
    """Name for display. Use `to_people` to tell whether it is a person."""
    kind: MailKind
    author: Author
    subject: str
    body: str
    created_at: datetime
    to_people: bool = False
    thread: str | None = None
    """Id of the first message of the thread, for replies."""
    inherited: bool = False
    """True for a reply that may have its kind only from the message it answers."""
    options: tuple[str, ...] = ()
    revision: int = 0
    """Revision of a plan, 0 where the message names none."""
    task: str = ""
    """Name that ties the revisions of one plan together, empty where the message names none."""
    plan: str = ""
    """Text of the plan where it is not the body."""
    label: str = ""
    """The engine's own type, for display only."""
    priority: str = "normal"
    read: bool = False
    cursor: str = ""
    """Opaque position just after this message in the product's mailbox."""

    @property
    def ours(self) -> bool:
        """True for a message in the operator's name, which is the fleet's unless someone forged it."""
        return self.author is Author.OPERATOR
