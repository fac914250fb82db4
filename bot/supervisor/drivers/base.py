"""Interface of a driver, with the behaviour that all versions share."""

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
"""Mail types that every version knows."""

OPERATOR = "operator"
"""Sender of the fleet's mail. It is the engine's inbox for people."""

ANSWER_NOTE = """This answers mail {letter.id} of {letter.sender}, which has ended and cannot read it: {letter.subject}

{asked}

The operator's answer:

{answer}"""

MAX_QUOTED = 2000
"""Most characters of a question to repeat with its answer."""

CHOICE = re.compile(r"\s*(?:DECISION:\s*)?(approve|reject|revise|changes)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Task:
    """Worker to start."""

    agent: str
    capability: str
    task: str
    spec: str
    """Path of the file with the worker's brief."""


class Driver(ABC):
    """Driver of one product's engine. Every method may raise a ChannelError with the engine's message."""

    mail_types: frozenset[str]
    rules: AdoptionRules
    """Rules for adopting a product of this version."""

    def __init__(self, context: Context) -> None:
        self.context = context

    @staticmethod
    @abstractmethod
    def init_command(name: str) -> tuple[str, ...]:
        """Return the arguments of the command that prepares a repository under this project name."""

    async def open(self) -> None:
        """Take over processes that an earlier supervisor started."""
        return

    @abstractmethod
    async def start(self) -> bool:
        """Start the coordinator if it does not run, and return True if it was started."""

    @abstractmethod
    async def stop_coordinator(self) -> bool:
        """Stop the coordinator and return False if it did not run."""

    @abstractmethod
    async def stop_worker(self, row: Row) -> None:
        """Stop one worker."""

    @abstractmethod
    async def send(self, subject: str, body: str, to: str, kind: str, *, halted: bool = False) -> str:
        """Mail an agent as operator and return the mail's id."""

    @abstractmethod
    async def reply(self, letter: Letter, body: str, *, halted: bool) -> str:
        """Answer a mail in its thread as operator and return the answer's id."""

    @abstractmethod
    async def leave_note(self, subject: str, body: str) -> str:
        """Leave unread mail for the next coordinator while none runs."""

    @abstractmethod
    def start_worker_command(self, task: Task) -> tuple[str, ...]:
        """Return the arguments of the command that starts a worker."""

    @abstractmethod
    async def nudge(self, agent: str, text: str) -> tuple[bool, str]:
        """Nudge an agent and return a pair of `delivered` and the reason for a refusal."""

    @abstractmethod
    async def maintain(self, rows: tuple[Row, ...], *, busy: bool) -> None:
        """Do the upkeep of one round. `busy` is true while any session is alive."""

    @property
    def can_retire(self) -> bool:
        """True if the engine's own processes have been idle long enough to be stopped."""
        return False

    async def retire(self) -> None:
        """Stop the engine's own processes."""
        return

    async def file_plan(self, letter: Letter, text: str) -> None:
        """Store an approved plan where the engine looks for it, if it looks for one."""
        return

    async def close(self) -> None:
        """Detach from the engine's processes without stopping them."""
        return

    async def roots(self, rows: tuple[Row, ...], table: processes.Table) -> tuple[int, ...]:
        """Return the engine's own processes, which a pause must halt first."""
        return ()

    async def check_pausable(self, rows: tuple[Row, ...], table: processes.Table) -> None:
        """Raise if a pause would halt more than this product."""
        return

    async def reply_reader(self, letter: Letter) -> str | None:
        """Return the agent that would read an answer to a mail, None if no agent would."""
        name = letter.recipient if letter.sender == OPERATOR else letter.sender
        return name if name == COORDINATOR or self.accepts_mail(await self.context.row(name)) else None

    @abstractmethod
    def accepts_mail(self, row: Row | None) -> bool:
        """Return True if an agent other than the coordinator will read mail that arrives now."""

    async def answer(self, letter: Letter, body: str, *, halted: bool) -> str:
        """Answer a mail, or send the answer to the coordinator if the sender has ended (finding 5)."""
        if await self.reply_reader(letter) is not None:
            return await self.reply(letter, body, halted=halted)
        # An answer in plain words approves nothing, not even one that begins with `approve`.
        found = CHOICE.match(body) if body.startswith("DECISION:") else None
        task = task_of(letter)
        subject = f"{found[1].lower()}: {task}" if found and task else f"Re: {letter.subject}"
        asked = "\n".join(f"> {line}" for line in letter.body[:MAX_QUOTED].splitlines())
        told = body if found and task else ANSWER_NOTE.format(letter=letter, asked=asked, answer=body)
        return await self.send(subject, told, COORDINATOR, "dispatch" if not found else "status", halted=halted)

    def kind(self, wanted: str) -> str:
        """Return the nearest mail type that this version knows."""
        return wanted if wanted in self.mail_types else "status"

    async def mail_by_command(self, *words: str) -> str:
        """Run a mail command and return the id that it prints."""
        found = await self.context.command("mail", *words, "--json", deadline=30.0)
        id = found.get("id") if isinstance(found, dict) else None
        if not isinstance(id, str):
            raise ChannelError("engine_failed", f"ov mail {words[0]} printed no id: {str(found)[:200]}", "Try again.")
        return id

    async def send_by_command(self, subject: str, body: str, to: str, kind: str, priority: str = "normal") -> str:
        """Send mail through the command line. It works in any state and wakes no agent."""
        return await self.mail_by_command(
            "send",
            *("--to", to, "--from", OPERATOR, "--subject", commands.argument(subject), "--body", commands.argument(body)),
            *("--type", self.kind(kind), "--priority", priority),
        )

    async def reply_by_command(self, letter: Letter, body: str) -> str:
        """Answer mail through the command line."""
        return await self.mail_by_command("reply", letter.id, "--from", OPERATOR, "--body", commands.argument(body))

    async def nudge_by_command(self, agent: str, text: str) -> tuple[bool, str]:
        """Nudge through the command line. Its exit code says nothing, its field `delivered` does."""
        found = await self.context.command("nudge", agent, commands.argument(text), "--from", OPERATOR, "--json", deadline=40.0)
        if not isinstance(found, dict):
            return False, str(found)[:300]
        return found.get("delivered") is True, str(found.get("reason") or "")

    async def is_alive(self, row: Row | None) -> bool:
        """Return True if a session's own process runs."""
        return row is not None and not row.ended and processes.alive(row.pid, await self.context.table(), row.began)
