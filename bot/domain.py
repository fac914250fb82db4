"""The things that the coordinator speaks of, as plain values. No I/O, no clock, no platform.

Times are timezone-aware UTC datetimes; money is US dollars; memory is MiB; ids are short and typeable (`w12`, `g7`).
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any


class Role(StrEnum):
    """What a person may do: each role includes those before it."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    APPROVER = "approver"
    ADMIN = "admin"

    def includes(self, other: "Role") -> bool:
        """Whether this role may do what `other` may."""
        order = list(Role)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True, slots=True)
class Person:
    """Who speaks: a name, and how each platform knows them (`{"slack": "U01…", "web": "token"}`)."""

    name: str
    role: Role = Role.VIEWER
    products: tuple[str, ...] = ()
    """Products that the role covers; empty means all."""
    ids: dict[str, str] = field(default_factory=dict)


def to_person(stored: dict[str, Any]) -> Person:
    """A person as kept with an event: the fields of `Person` as JSON values."""
    return Person(stored["name"], Role(stored["role"]), tuple(stored["products"]), dict(stored["ids"]))


@dataclass(frozen=True, slots=True)
class ChannelRef:
    """A place on a platform: `slack:#name`, `slack:C0123`, `discord:123`, `web:name`."""

    platform: str
    id: str

    def __str__(self) -> str:
        return f"{self.platform}:{self.id}"


@dataclass(frozen=True, slots=True)
class Approvals:
    """Who decides a product's gates, how many of them, and when they are reminded (minutes)."""

    required: int = 1
    approvers: tuple[str, ...] = ()
    backups: tuple[str, ...] = ()
    self_approval: bool = True
    remind_after: float = 30.0
    escalate_after: float = 120.0
    hold: bool = False


@dataclass(frozen=True, slots=True)
class Budget:
    """Most money to spend, in US dollars; None is no limit of its own."""

    per_day_usd: float | None = None
    per_work_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Product:
    """One entry of the registry."""

    name: str
    path: str
    """Absolute, as the product's runtime sees it."""
    type: str = "code"
    overstory: bool = True
    priority: str = "medium"
    resource_weight: float = 1.0
    channels: tuple[ChannelRef, ...] = ()
    runtime: str | None = None
    budget: Budget = Budget()
    approvals: Approvals = Approvals()
    line: int = 0
    """Line of its entry in the registry file, for messages."""


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


@dataclass(frozen=True, slots=True)
class Card:
    """A gate or a report shown inside a message."""

    kind: str
    """`gate` or `work`."""
    gate: str | None = None
    work: str | None = None


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A button that says and runs one command."""

    label: str
    command: str


@dataclass(frozen=True, slots=True)
class Post:
    """Something said in a conversation, by a person or by the coordinator, in Markdown."""

    conversation: str
    author: str
    """A person's name, or `fleet` for the coordinator."""
    text: str
    at: datetime
    id: int = 0
    cards: tuple[Card, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()
    kind: str = "message"
    """message, reply, report, gate, note, outcome, reminder or error."""
    product: str | None = None
    answers: str = ""
    """The event that it answers, where it answers one."""
    private: bool = False
    """Whether only the person who caused that event should see it, where the platform can do that."""


@dataclass(frozen=True, slots=True)
class Press:
    """A button pressed on a gate's card: bound to the gate, the revision and the digest that were shown."""

    gate: str
    choice: str
    note: str = ""
    revision: int | None = None
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class Inbound:
    """One thing that a person said or pressed. `event` is the platform's id of it, or ours; the same id is handled once."""

    event: str
    platform: str
    conversation: str
    """`<platform>:<channel or thread>`; unique over platforms."""
    person: Person
    at: datetime
    text: str = ""
    press: Press | None = None
    product: str | None = None
    """The product whose channel it was said in."""
    extra: dict[str, Any] = field(default_factory=dict)
    """What the platform's adapter needs to answer: `user`, the platform's id of who spoke, and what is its own."""
