"""Driver of 0.11. It uses `ov serve` wherever possible, a headless coordinator and no tmux.

It never runs `ov coordinator start`, which knows only tmux, takes 13 s and starts a second coordinator beside a headless one.
"""

import time

from bot.supervisor.context import Context
from bot.supervisor.drivers.base import COMMON_TYPES, OPERATOR, Driver, Task
from bot.supervisor.drivers.overstory_0_11.instructions import RULES
from bot.supervisor.drivers.overstory_0_11.serve import Serve
from bot.supervisor.host import processes
from bot.supervisor.protocol import ChannelError
from bot.supervisor.records.mailbox import Letter
from bot.supervisor.records.sessions import COORDINATOR, Row

INIT_SKIPS = ("--skip-mulch", "--skip-canopy", "--skip-onboard")
"""Options of `ov init` that leave out the tools which the fleet does not use."""


class Overstory011(Driver):
    """Driver of one product of 0.11."""

    mail_types = COMMON_TYPES | {"worker_died", "decision_gate"}
    rules = RULES

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.serve = Serve(context)
        self._idle_since: float | None = None

    @staticmethod
    def init_command(name: str) -> tuple[str, ...]:
        """See `Driver`."""
        return ("init", "--yes", "--name", name, *INIT_SKIPS, "--json")

    async def open(self) -> None:
        """Adopt a running serve."""
        await self.serve.adopt()

    async def start(self) -> bool:
        """Start a headless coordinator through serve, after clearing a record without a process (finding 8)."""
        await self._ensure_serve()
        state = await self.serve.call("GET", "/api/coordinator/state")
        if state.get("running"):
            if await self._truly_runs(state):
                return False
            await self._stop_with_serve()
            await self._ensure_serve()
        found = await self.serve.call("POST", "/api/coordinator/start", {}, deadline=60.0)
        if found.get("started"):
            return True
        row = await self.context.coordinator()
        if not await self.is_alive(row):
            raise ChannelError(
                "coordinator_dead",
                "The coordinator is recorded as running, but its process is gone and its record could not be cleared.",
                "Stop the product, then start it again.",
            )
        return False

    async def stop_coordinator(self) -> bool:
        """Stop the coordinator through the serve that holds it, else by command."""
        row = await self.context.coordinator()
        if row is None:
            return False
        if not row.tmux and await self.serve.adopt():
            return await self._stop_with_serve()
        try:
            await self.context.command("coordinator", "stop", "--json", deadline=45.0)
        except ChannelError as error:
            if error.code != "not_running":
                raise
            return False
        return True

    async def _stop_with_serve(self) -> bool:
        """Stop the coordinator and its serve.

        A serve that lost a coordinator may never deliver mail to the next one, because it still takes the ended mail loop for a
        running one."""
        stopped = await self.serve.call("POST", "/api/coordinator/stop", {}, deadline=30.0)
        await self.serve.stop()
        return bool(stopped.get("stopped"))

    async def stop_worker(self, row: Row) -> None:
        """Stop a worker by command, which ends its turn and closes its record."""
        try:
            await self.context.command("stop", row.agent, "--json", deadline=30.0)
        except ChannelError as error:
            if error.code not in {"not_running", "unknown_agent"}:
                raise

    async def send(self, subject: str, body: str, to: str, kind: str, *, halted: bool = False) -> str:
        """Send through serve, or by command while halted or beside a tmux coordinator.

        Serve delivers within two seconds."""
        row = await self.context.row(to)
        if row is not None and row.ended and to != COORDINATOR:
            raise _ended(to)
        if to != COORDINATOR and not await self.can_write_to(to):
            raise _runs_in_tmux(to)
        if halted or await self._in_tmux():
            return await self.send_by_command(subject, body, to, kind)
        await self._ensure_serve()
        sent = {"to": to, "from": OPERATOR, "subject": subject, "body": body, "type": self.kind(kind)}
        found = await self.serve.call("POST", "/api/mail", sent)
        return str(found["messageId"])

    async def reply(self, letter: Letter, body: str, *, halted: bool) -> str:
        """Answer through serve or by command, as `send` does."""
        if halted or await self._in_tmux():
            return await self.reply_by_command(letter, body)
        await self._ensure_serve()
        found = await self.serve.call("POST", f"/api/mail/{letter.id}/reply", {"body": body, "from": OPERATOR})
        return str(found["messageId"])

    async def leave_note(self, subject: str, body: str) -> str:
        """Send through serve, which accepts any recipient. The command refuses one that has ended."""
        await self._ensure_serve()
        note = {"to": COORDINATOR, "from": OPERATOR, "subject": subject, "body": body, "type": "status", "priority": "high"}
        return str((await self.serve.call("POST", "/api/mail", note))["messageId"])

    def start_worker_command(self, task: Task) -> tuple[str, ...]:
        """Return the command for a worker that reports to the operator."""
        # With the operator as parent any capability may be started, and the worker reports directly to the people's inbox.
        # A coordinator as parent would refuse the report once it has ended, and act on a worker that it does not know.
        return (
            *("sling", task.task, "--capability", task.capability, "--name", task.agent),
            *("--parent", OPERATOR, "--depth", "1", "--spec", task.spec, "--skip-task-check", "--json"),
        )

    async def nudge(self, agent: str, text: str) -> tuple[bool, str]:
        """Nudge a headless coordinator by mail, other agents by command, and never a tmux worker (finding 6)."""
        if not await self.can_write_to(agent):
            raise _runs_in_tmux(agent)
        row = await self.context.row(agent)
        if agent == COORDINATOR and row is not None and not row.ended and not row.tmux and await self.is_alive(row):
            # A headless coordinator has no pane to type into, but its serve delivers mail within two seconds.
            await self.send("Nudge", text, agent, "status")
            return True, ""
        return await self.nudge_by_command(agent, text)

    async def can_write_to(self, agent: str) -> bool:
        """Return False for a worker in tmux.

        Mail and nudges start a second Claude in its worktree (finding 6)."""
        row = await self.context.row(agent)
        return row is None or not row.tmux or row.ended

    def accepts_mail(self, row: Row | None) -> bool:
        """Return True between two turns, when serve starts the next one.

        A turn in progress may be the last one (finding 5)."""
        return row is not None and row.state == "between_turns" and not row.tmux

    async def maintain(self, rows: tuple[Row, ...], *, busy: bool) -> None:
        """Note the time since which no session runs."""
        if busy:
            self._idle_since = None
        elif self._idle_since is None:
            self._idle_since = time.monotonic()

    @property
    def can_retire(self) -> bool:
        """True if serve has been without a session for long."""
        idle = self._idle_since is not None and time.monotonic() - self._idle_since > self.context.idle_after
        return idle and self.serve.running

    async def retire(self) -> None:
        """Stop the serve. It starts again on demand."""
        await self.serve.stop()

    async def close(self) -> None:
        """Detach from the serve, which keeps running."""
        self.serve.detach()

    async def roots(self, rows: tuple[Row, ...], table: processes.Table) -> tuple[int, ...]:
        """Return the serve, which would start new turns for arriving mail."""
        return (self.serve.pid,) if self.serve.pid else ()

    async def _ensure_serve(self) -> None:
        if not self.serve.running and not await self.serve.adopt():
            rows = [row for row in await self.context.rows() if row.tmux and row.agent != COORDINATOR]
            workers = [row.agent for row in rows if await self.is_alive(row)]
            if workers:
                raise _runs_in_tmux(", ".join(workers))
        await self.serve.ensure()

    async def _in_tmux(self) -> bool:
        """Return True if a person started the coordinator in tmux. It is left there."""
        row = await self.context.coordinator()
        return row is not None and bool(row.tmux) and await self.is_alive(row)

    async def _truly_runs(self, state: dict[str, object]) -> bool:
        """Return True if a coordinator recorded as running has a process and a serve that delivers its mail."""
        row = await self.context.coordinator()
        if row is None or not await self.is_alive(row):
            return False
        if state.get("headless") or row.tmux:
            return True
        # Our serve does not hold it, so it only gets mail if another serve is still its parent.
        process = (await self.context.table()).get(row.pid or 0)
        return process is not None and " serve" in await self.context.in_thread(processes.command, process.parent)


def _ended(agent: str) -> ChannelError:
    return ChannelError("recipient_terminal", f"{agent} has ended and would never read the mail.", "Write to the coordinator.")


def _runs_in_tmux(agent: str) -> ChannelError:
    return ChannelError(
        "unsupported",
        f"{agent} runs in tmux, and this version of the engine would start a second Claude beside it.",
        "Write to the coordinator, or stop that agent first.",
    )
