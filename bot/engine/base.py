"""The Engine port, in the fleet's words.

Contract, which `tests/contracts/engine.py` checks on every implementation:

- Every operation names one product. A product in trouble (path missing, not initialised, engine missing) fails with its
  own `EngineError`. It never affects another product.
- `watch` replaces the set of products and replays every message after the cursor that is passed in. After that, new mail
  and changed snapshots reach the listener as they happen (mail within a quarter of a second). The same mail may arrive twice
  with the same id. Nothing is marked as read.
- An operation with a `marker` happens at most once for that marker, even when it is repeated after a lost response or by a
  new process: the engine's own records are searched for the marker first.
- When the runtime is unreachable, operations raise `RuntimeUnreachable` and the listener gets `RuntimeDown` once. After
  the connection is back it gets `RuntimeUp` once, followed by a replay as after `watch`.

Adding an engine takes one folder in `bot.supervisor.drivers`, because only a driver knows its engine's types, addresses and
texts. It emits:

- Mail with a `kind` of `MailKind`, an `author` of `Author`, and `to_people`. The kinds `plan`, `decision`, `question` and
  `escalation` are only for messages that ask people something (or a `question` from the operator to an agent). A reply that
  may have its kind only from the message it answers is `inherited`. `task` and `revision` tie the revisions of one plan
  together, `plan` is its text where the body is not, and `thread` is the id of the thread's first message. `label` is the
  engine's own type, which people see and nothing interprets.
- Snapshots whose `coordinator` tells whether the lead agent runs. Everywhere the lead agent has the name `bot.domain.LEAD`.
- Errors with a code of `bot.supervisor.protocol.ERROR_CODES`.

It also renders for its agents what the fleet passes as values: an `Answer` and a `Reporting`. Its texts for decisions are added
to `bot.engine.decisions`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bot.domain import LEAD, Mail, Product, Snapshot


@dataclass(frozen=True, slots=True)
class RuntimeInfo:
    """The supervisor's description of its runtime, shown by `doctor` and at start-up."""

    name: str
    """`local`, `overstory-runtime`, or the runtime's name in the registry."""
    kind: str
    """`rehearsal`, `local`, `docker` or `socket`."""
    engine: str = ""
    """Version as the engine prints it, empty if there is no engine."""
    rehearsal: bool = False
    boot: str = ""
    """Id that changes with every start of the supervisor."""
    life: str = ""
    """Id that changes with every start of the machine or container, empty where unknown."""
    cpu_percent: float = 0.0
    memory_mib: float = 0.0
    memory_limit_mib: float | None = None
    cpus: int = 1


@dataclass(frozen=True, slots=True)
class MailArrived:
    """New mail of one product, oldest first."""

    product: str
    mail: tuple[Mail, ...]


@dataclass(frozen=True, slots=True)
class SnapshotChanged:
    """A product's sessions, cost or trouble have changed."""

    snapshot: Snapshot


@dataclass(frozen=True, slots=True)
class RuntimeDown:
    """The runtime stopped answering. The connection is retried with backoff."""

    runtime: str
    reason: str


@dataclass(frozen=True, slots=True)
class RuntimeUp:
    """The runtime answers. Sessions survive when only the supervisor was replaced."""

    runtime: str
    info: RuntimeInfo
    restarted: bool = False
    """True when the container or machine itself was restarted, which ended its sessions."""


EngineEvent = MailArrived | SnapshotChanged | RuntimeDown | RuntimeUp
Listener = Callable[[EngineEvent], None]


@dataclass(frozen=True, slots=True)
class Reporting:
    """Request to report on an objective to the operator. The driver adds its engine's rules to the text."""

    asked_by: str
    """Name of the person for whom the work is done."""
    marker: str
    """Marker for the subject of every report."""


@dataclass(frozen=True, slots=True)
class Answer:
    """People's answer to a message that asked them something. The driver renders it."""

    choice: str
    """`approve`, `changes`, `reject`, an option of the message, or `answer`, whose text is the note."""
    note: str = ""
    context: str = ""
    """Markdown that follows the answer, for a reader that does not know the question."""
    reporting: Reporting | None = None
    """Set when the context hands over an objective."""


@dataclass(frozen=True, slots=True)
class Started:
    """Agent name and branch of a started worker."""

    agent: str
    branch: str = ""
    already: bool = False
    """True when the marker showed that it was started before."""


class Receipt(StrEnum):
    """Progress of a message at its recipient, as far as the engine shows it."""

    WAITING = "waiting"
    """Not read yet."""
    READ = "read"
    """Handed to the agent, without activity since."""
    TAKEN = "taken"
    """The agent has acted after reading it."""
    LOST = "lost"
    """Marked as read by a hook but never shown to the model. Send it again with another marker."""


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file that an adoption changes or restores."""

    path: str
    """Path within the product."""
    why: tuple[str, ...]
    diff: str
    """Unified diff."""


@dataclass(frozen=True, slots=True)
class Adoption:
    """Changes that make a product ready for the fleet, or that undo an adoption."""

    done: bool
    """True if the changes were made by this call."""
    initialises: bool = False
    """True if the engine prepares (or has prepared) the repository first. It does so only once."""
    changes: tuple[FileChange, ...] = ()
    digest: str = ""
    """Id of exactly these changes, empty when there is nothing to do."""
    notes: tuple[str, ...] = ()
    """Remarks for the person who decides."""
    obstacles: tuple[str, ...] = ()
    """Reasons against doing it now, such as uncommitted changes or running agents."""
    commit: str = ""
    """Short id of the commit, empty when git tracks none of these files."""
    backup: str = ""
    """Folder in the runtime with the previous files."""

    @property
    def needed(self) -> bool:
        """True if there is, or was, anything to do."""
        return bool(self.changes) or self.initialises


class Engine(ABC):
    """The engines of all products, behind one object."""

    @abstractmethod
    async def open(self, listener: Listener) -> None:
        """Connect in the background. The listener is called on the event loop and must not block."""

    @abstractmethod
    async def close(self) -> None:
        """Close the connections. Sessions keep running."""

    @abstractmethod
    async def watch(self, products: Sequence[Product], cursors: Mapping[str, str]) -> None:
        """Watch exactly these products, and replay the mail after each cursor.

        A product without a cursor is replayed from the beginning.

        Never fails because a runtime is unreachable: its products are watched once it is back."""

    @abstractmethod
    def runtimes(self) -> tuple[RuntimeInfo, ...]:
        """Return the runtimes that answer now."""

    @abstractmethod
    async def snapshot(self, products: Sequence[str] = ()) -> tuple[Snapshot, ...]:
        """Return the state of these products, or of all if none is named, in one round trip per runtime.

        A product in trouble has `trouble` set instead of raising."""

    @abstractmethod
    async def start(self, product: str) -> None:
        """Start the product's lead agent unless it runs. A dead one is cleared away first."""

    @abstractmethod
    async def send(
        self,
        product: str,
        subject: str,
        body: str,
        *,
        marker: str,
        to: str = LEAD,
        question: bool = False,
        reporting: Reporting | None = None,
    ) -> str:
        """Send a message as the operator and return its id.

        The lead agent is started if it is the recipient. `question` asks for an answer instead
        of work. The marker is put at the end of the subject."""

    @abstractmethod
    async def reply(self, product: str, mail: str, answer: Answer, *, marker: str, plan: str | None = None) -> str:
        """Answer a message as the operator in its thread, wake the recipient, and return the reply's id.

        The marker is put at the end of the body. `plan` is the approved text, for an engine that reads approved plans from a
        file."""

    @abstractmethod
    async def receipt(self, product: str, mail: str) -> Receipt:
        """Return the progress of a sent message at its recipient."""

    @abstractmethod
    async def start_worker(self, product: str, *, agent: str, capability: str, task: str, brief: str, marker: str) -> Started:
        """Start one worker with a Markdown brief. Returns once it runs, not when it ends."""

    @abstractmethod
    async def stop(self, product: str, agent: str | None = None) -> tuple[str, ...]:
        """Stop one agent, or the lead agent and every worker. Returns the names of the stopped agents."""

    @abstractmethod
    async def pause(self, product: str) -> tuple[str, ...]:
        """Halt the process trees of the product's sessions. Returns the halted agents."""

    @abstractmethod
    async def resume(self, product: str) -> tuple[str, ...]:
        """Resume halted process trees. Returns the resumed agents."""

    @abstractmethod
    async def nudge(self, product: str, agent: str, text: str) -> bool:
        """Nudge an agent. Returns False if it refused, as a thinking agent may."""

    @abstractmethod
    async def mail(self, product: str, *, limit: int = 50, agent: str | None = None) -> tuple[Mail, ...]:
        """Return the product's newest mail, newest first, or only mail to and from one agent."""

    @abstractmethod
    async def adopt(self, product: Product, *, undo: bool = False, apply: bool = False, shown: str = "") -> Adoption:
        """Make a product ready for the fleet, or undo its newest adoption.

        Without `apply`, only describe the changes. The product need not be watched. `shown` is the digest of the changes that a
        person approved: anything else raises EngineError `changed`. Refuses a repository with uncommitted changes (`dirty`)
        and one with running agents (`at_work`). It changes only the engine's files, backs them up, and makes one commit.
        Repeating it changes nothing. `undo` restores the files exactly and raises `changed` if one was edited since."""

    @abstractmethod
    async def inspect(self, product: str, agent: str) -> dict[str, Any]:
        """Return `{"session", "events": [...], "output": str}` of an agent, its tool calls newest first."""
