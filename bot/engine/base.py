"""The Engine port: what the coordinator asks of the engine, wherever products run and whichever version they use.

Contract, held by `tests/contracts/engine.py` on every implementation:

- Every operation names one product. A product in trouble (path missing, not initialised, engine missing) fails with its
  own `EngineError`; no trouble of one product reaches another.
- `watch` replaces the set of products and replays, for each, every mail after the cursor that is handed in; then new
  mail and changed snapshots arrive at the listener as they happen (mail within a quarter of a second). The same mail may
  arrive twice; its id never changes. Nothing is marked as read.
- An operation with a `marker` happens at most once for that marker, also when it is repeated after a lost answer or by a
  new process: the engine's own records are searched for the marker first.
- When the runtime cannot be reached, operations raise `RuntimeUnreachable`, the listener hears `RuntimeDown` once, and
  after the connection is back `RuntimeUp` once, followed by a replay as after `watch`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bot.domain import Mail, Product, Snapshot


@dataclass(frozen=True, slots=True)
class RuntimeInfo:
    """What answers at the other end: shown by `doctor` and at start-up."""

    name: str
    """Of the runtime: `local`, `overstory-runtime`, or its name in the registry."""
    kind: str
    """`rehearsal`, `local`, `docker` or `socket`."""
    engine: str = ""
    """Version of the engine as it prints it; empty when there is none."""
    rehearsal: bool = False
    boot: str = ""
    """Changes whenever the supervisor is started anew."""
    life: str = ""
    """Changes whenever the machine or container it runs on is started anew; empty where that is not known."""
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
    """Sessions, cost or trouble of a product changed."""

    snapshot: Snapshot


@dataclass(frozen=True, slots=True)
class RuntimeDown:
    """The runtime stopped answering; retried with backoff until it is back."""

    runtime: str
    reason: str


@dataclass(frozen=True, slots=True)
class RuntimeUp:
    """The runtime answers; `restarted` when it was started anew itself (container, machine), so that its sessions are gone.

    A supervisor that was only replaced is none: sessions go on without it."""

    runtime: str
    info: RuntimeInfo
    restarted: bool = False


EngineEvent = MailArrived | SnapshotChanged | RuntimeDown | RuntimeUp
Listener = Callable[[EngineEvent], None]


@dataclass(frozen=True, slots=True)
class Started:
    """A worker that was started: its agent name and branch."""

    agent: str
    branch: str = ""
    already: bool = False
    """True when the marker showed that it had been started before."""


class Receipt(StrEnum):
    """How far a mail got with its recipient, as far as the engine lets one see."""

    WAITING = "waiting"
    """Not read yet."""
    READ = "read"
    """Handed to the agent; nothing heard of it since."""
    TAKEN = "taken"
    """The agent has acted after reading it."""
    LOST = "lost"
    """Marked as read by a hook, yet never shown to the model: send it again, with another marker."""


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file that an adoption changes, or changes back."""

    path: str
    """Within the product."""
    why: tuple[str, ...]
    diff: str
    """As `diff -u` shows it."""


@dataclass(frozen=True, slots=True)
class Adoption:
    """What a product lacks for the fleet (or what undoing an adoption takes back), and whether that was done now."""

    done: bool
    initialises: bool = False
    """Whether the engine prepares (or has prepared) the repository first, which it does once and never again."""
    changes: tuple[FileChange, ...] = ()
    digest: str = ""
    """Names exactly these changes; empty when there is nothing to do."""
    notes: tuple[str, ...] = ()
    """What a person should know beside them."""
    obstacles: tuple[str, ...] = ()
    """What stands against doing it now, in words: changes that are not committed, agents at work."""
    commit: str = ""
    """Short id of the commit that was made; empty when git keeps none of these files."""
    backup: str = ""
    """Folder, in the runtime, with the files as they were."""

    @property
    def needed(self) -> bool:
        """Whether there is anything to do, or was."""
        return bool(self.changes) or self.initialises


class Engine(ABC):
    """The engine of every product, behind one object."""

    @abstractmethod
    async def open(self, listener: Listener) -> None:
        """Begin to connect, in the background; events go to `listener` (called on the event loop, must not block)."""

    @abstractmethod
    async def close(self) -> None:
        """Let go of the connection. Sessions go on."""

    @abstractmethod
    async def watch(self, products: Sequence[Product], cursors: Mapping[str, str]) -> None:
        """Tend exactly these products from now on; replay each one's mail after its cursor (absent: all of it).

        Never fails for want of a runtime: what cannot be reached now is watched once it is back."""

    @abstractmethod
    def runtimes(self) -> tuple[RuntimeInfo, ...]:
        """The runtimes that answer now."""

    @abstractmethod
    async def snapshot(self, products: Sequence[str] = ()) -> tuple[Snapshot, ...]:
        """The state of these products (all, if none are named), one round trip for each runtime.

        A product in trouble has `trouble` set in place of an error."""

    @abstractmethod
    async def start(self, product: str) -> None:
        """See that the product's coordinator runs; a dead one is cleared away and started anew."""

    @abstractmethod
    async def send(
        self, product: str, subject: str, body: str, *, marker: str, to: str = "coordinator", kind: str = "dispatch"
    ) -> str:
        """Mail an agent as `operator`, starting the coordinator if it is the recipient. Returns the mail's id.

        The marker is put at the end of the subject."""

    @abstractmethod
    async def reply(self, product: str, mail: str, body: str, *, marker: str, plan: str | None = None) -> str:
        """Answer a mail as `operator` in its thread and wake the recipient. Returns the reply's id.

        The marker is put at the end of the body. `plan` is the text that was approved, where the answer approves a plan:
        an engine that reads approved plans from a file finds it there."""

    @abstractmethod
    async def receipt(self, product: str, mail: str) -> Receipt:
        """How far a mail that was sent got with its recipient."""

    @abstractmethod
    async def sling(self, product: str, *, agent: str, capability: str, task: str, brief: str, marker: str) -> Started:
        """Start one worker with a Markdown brief; returns once it runs, not when it ends."""

    @abstractmethod
    async def stop(self, product: str, agent: str | None = None) -> tuple[str, ...]:
        """Stop one agent, or the coordinator and every worker. Returns the names of those stopped."""

    @abstractmethod
    async def pause(self, product: str) -> tuple[str, ...]:
        """Halt the process trees of the product's sessions, keeping their conversations. Returns the agents halted."""

    @abstractmethod
    async def resume(self, product: str) -> tuple[str, ...]:
        """Let halted process trees run on. Returns the agents resumed."""

    @abstractmethod
    async def nudge(self, product: str, agent: str, text: str) -> bool:
        """Prod an agent; whether it was delivered (an agent that is thinking may refuse)."""

    @abstractmethod
    async def mail(self, product: str, *, limit: int = 50, agent: str | None = None) -> tuple[Mail, ...]:
        """The product's newest mail, newest first; of one agent (as sender or recipient) if named."""

    @abstractmethod
    async def adopt(self, product: Product, *, undo: bool = False, apply: bool = False, shown: str = "") -> Adoption:
        """Make a product ready for the fleet, or undo the newest adoption that stands; without `apply` only say how.

        The product need not be watched. With `shown`, the digest of what a person saw, nothing else than that is done:
        EngineError `changed`. Refuses a repository with changes of its own (`dirty`) and one with agents at work
        (`at_work`); changes files of the engine only, keeps them as they were, makes one commit. Done twice it is as if
        done once; `undo` restores exactly, and refuses (`changed`) what somebody has changed since."""

    @abstractmethod
    async def inspect(self, product: str, agent: str) -> dict[str, Any]:
        """What an agent does now: `{"session", "events": [...], "output": str}`; recent tool calls newest first."""
