"""What the versions of the engine do differently, behind one small class; and what they have in common."""

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass

from bot.supervisor import commands
from bot.supervisor.context import Context
from bot.supervisor.drivers.rules import AdoptionRules
from bot.supervisor.host import processes
from bot.supervisor.protocol import ChannelError
from bot.supervisor.records.mailbox import Letter
from bot.supervisor.records.plans import task_of
from bot.supervisor.records.sessions import COORDINATOR, Row

COMMON_TYPES = frozenset(
    {"status", "question", "result", "error", "worker_done", "merge_ready", "merged", "merge_failed", "escalation"}
    | {"health_check", "dispatch", "assign"}
)
"""Mail types that both versions know."""

OPERATOR = "operator"
"""Who we write as: the engine's inbox for the human."""

ANSWER_NOTE = """This answers mail {letter.id} of {letter.sender}, who has ended and cannot hear it: {letter.subject}

{asked}

The operator's answer:

{answer}"""

MAX_QUOTED = 2000
"""Most characters of a question that are repeated with its answer."""

CHOICE = re.compile(r"\s*(?:DECISION:\s*)?(approve|reject|revise|changes)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Task:
    """A worker to start."""

    agent: str
    capability: str
    task: str
    spec: str
    """Path of the file with its brief."""


class Driver(ABC):
    """How one product's engine is driven. Every method may raise a ChannelError in the engine's own words."""

    mail_types: frozenset[str]
    rules: AdoptionRules
    """How a product of this version is adopted."""

    def __init__(self, context: Context) -> None:
        self.context = context

    @staticmethod
    @abstractmethod
    def init_command(name: str) -> tuple[str, ...]:
        """Return the arguments of the command that prepares a repository as a project of this name."""

    async def open(self) -> None:
        """Take over processes that an earlier supervisor started."""
        return

    @abstractmethod
    async def start(self) -> bool:
        """See that the coordinator runs; whether it had to be started."""

    @abstractmethod
    async def stop_coordinator(self) -> bool:
        """Stop it; False if it did not run."""

    @abstractmethod
    async def stop_worker(self, row: Row) -> None:
        """Stop one worker."""

    @abstractmethod
    async def send(self, subject: str, body: str, to: str, kind: str, *, halted: bool = False) -> str:
        """Mail an agent as operator; the mail's id."""

    @abstractmethod
    async def reply(self, letter: Letter, body: str, *, halted: bool) -> str:
        """Answer a mail in its thread as operator; the reply's id."""

    @abstractmethod
    async def leave_note(self, subject: str, body: str) -> str:
        """Leave unread mail for the next coordinator while there is none; it finds it as soon as it is started."""

    @abstractmethod
    def start_worker_command(self, task: Task) -> tuple[str, ...]:
        """The words of the command that starts a worker."""

    @abstractmethod
    async def nudge(self, agent: str, text: str) -> tuple[bool, str]:
        """Prod an agent: whether it was delivered, and if not why."""

    @abstractmethod
    async def tend(self, rows: tuple[Row, ...], *, busy: bool) -> None:
        """What is to be seen to now and then; `busy` while any session is alive."""

    @property
    def can_retire(self) -> bool:
        """Whether its engine's own processes have had nothing to do for long enough to be ended."""
        return False

    async def retire(self) -> None:
        """End them."""
        return

    async def file_plan(self, letter: Letter, text: str) -> None:
        """Store an approved plan where the engine looks for it, if it looks for one."""
        return

    async def close(self) -> None:
        """Let go of everything without ending it."""
        return

    async def roots(self, rows: tuple[Row, ...], table: processes.Table) -> tuple[int, ...]:
        """Processes of the engine itself that a pause must halt first."""
        return ()

    async def check_pausable(self, rows: tuple[Row, ...], table: processes.Table) -> None:
        """Raise if a pause would halt more than this product."""
        return

    async def reply_reader(self, letter: Letter) -> str | None:
        """Who would read an answer in the thread of a mail; None if nobody would."""
        name = letter.recipient if letter.sender == OPERATOR else letter.sender
        return name if name == COORDINATOR or self.accepts_mail(await self.context.row(name)) else None

    @abstractmethod
    def accepts_mail(self, row: Row | None) -> bool:
        """Whether an agent other than the coordinator will take up mail that comes now."""

    async def answer(self, letter: Letter, body: str, *, halted: bool) -> str:
        """Answer a mail, or tell the coordinator the answer where its sender cannot hear any more (finding 5)."""
        if await self.reply_reader(letter) is not None:
            return await self.reply(letter, body, halted=halted)
        # An answer in words approves nothing, not even one that begins with `approve`.
        found = CHOICE.match(body) if body.startswith("DECISION:") else None
        task = task_of(letter)
        subject = f"{found[1].lower()}: {task}" if found and task else f"Re: {letter.subject}"
        asked = "\n".join(f"> {line}" for line in letter.body[:MAX_QUOTED].splitlines())
        told = body if found and task else ANSWER_NOTE.format(letter=letter, asked=asked, answer=body)
        return await self.send(subject, told, COORDINATOR, "dispatch" if not found else "status", halted=halted)

    def kind(self, wanted: str) -> str:
        """The nearest mail type that this version knows."""
        return wanted if wanted in self.mail_types else "status"

    async def mail_by_command(self, *words: str) -> str:
        """Run a mail command that prints the new mail's id."""
        found = await self.context.command("mail", *words, "--json", deadline=30.0)
        id = found.get("id") if isinstance(found, dict) else None
        if not isinstance(id, str):
            raise ChannelError("engine_failed", f"ov mail {words[0]} printed no id: {str(found)[:200]}", "Try again.")
        return id

    async def send_by_command(self, subject: str, body: str, to: str, kind: str, priority: str = "normal") -> str:
        """Mail through the command line: works in any state, wakes nobody by itself."""
        return await self.mail_by_command(
            "send",
            *("--to", to, "--from", OPERATOR, "--subject", commands.argument(subject), "--body", commands.argument(body)),
            *("--type", self.kind(kind), "--priority", priority),
        )

    async def reply_by_command(self, letter: Letter, body: str) -> str:
        """Answer through the command line."""
        return await self.mail_by_command("reply", letter.id, "--from", OPERATOR, "--body", commands.argument(body))

    async def nudge_by_command(self, agent: str, text: str) -> tuple[bool, str]:
        """Prod through the command line; its exit code says nothing, `delivered` does."""
        found = await self.context.command("nudge", agent, commands.argument(text), "--from", OPERATOR, "--json", deadline=40.0)
        if not isinstance(found, dict):
            return False, str(found)[:300]
        return found.get("delivered") is True, str(found.get("reason") or "")

    async def living(self, row: Row | None) -> bool:
        """Whether a session's own process runs."""
        return row is not None and not row.ended and processes.alive(row.pid, await self.context.table(), row.began)
