"""The driver of 0.5.8, the fork with the planning tier: everything by commands, a coordinator in tmux, mail plus nudges."""

import logging
import shutil

from bot.supervisor import commands
from bot.supervisor.context import Context
from bot.supervisor.drivers.base import CHOICE, COMMON_TYPES, Driver, Task
from bot.supervisor.drivers.overstory_0_5_8 import tmux
from bot.supervisor.drivers.overstory_0_5_8.instructions import RULES
from bot.supervisor.drivers.overstory_0_5_8.nudger import Nudger
from bot.supervisor.drivers.overstory_0_5_8.plans import approve
from bot.supervisor.host import processes
from bot.supervisor.protocol import ChannelError
from bot.supervisor.records import times
from bot.supervisor.records.mailbox import Letter
from bot.supervisor.records.plans import task_of
from bot.supervisor.records.sessions import COORDINATOR, Row

log = logging.getLogger(__name__)

LINGER = 600.0
"""Seconds after which the tmux session of a worker that has completed is ended: it holds 240 to 310 MB and hears no more."""

START_DEADLINE = 80.0
"""Seconds for a coordinator's start; measured 13 to 15, more on a loaded machine."""


class Overstory058(Driver):
    """Drives one product of 0.5.8."""

    mail_types = COMMON_TYPES | {"plan_ready"}
    rules = RULES

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._nudger = Nudger(context, self.nudge)
        self._folder = tmux.folder_for(context.path)

    @staticmethod
    def init_command(name: str) -> tuple[str, ...]:
        """See `Driver`. This version names the project after its folder."""
        return ("init",)

    async def file_plan(self, letter: Letter, text: str) -> None:
        """Write the plan to `.overstory/plans/`, where `sling --mode execute` reads it."""
        if task := task_of(letter):
            await self.context.in_thread(approve, self.context.path, task, text)

    async def start(self) -> bool:
        """By command, in tmux; a record without a process is cleared away first."""
        row = await self.context.coordinator()
        if await self.living(row):
            return False
        if row is not None:
            await self.stop_coordinator()
        await self._choose_server()
        try:
            await self.context.command("coordinator", "start", "--no-attach", "--json", deadline=START_DEADLINE)
        except ChannelError as error:
            if "already running" not in error.message:
                raise
        if not await self.living(await self.context.coordinator()):
            raise ChannelError(
                "coordinator_dead", "The coordinator ended as soon as it was started.", "Run `claude` in the runtime by hand."
            )
        return True

    async def stop_coordinator(self) -> bool:
        """By command, and by force if it lives on."""
        row = await self.context.coordinator()
        if row is None:
            return False
        await self._choose_server()
        try:
            await self.context.command("coordinator", "stop", "--json", deadline=45.0)
        except ChannelError as error:
            # Its own Stop hook can race with this, and then it says that it failed although the session is gone.
            log.info("ov coordinator stop in %s: %s", self.context.path, error.message)
        if await self.living(row):
            await self._end(row)
        return True

    async def stop_worker(self, row: Row) -> None:
        """This version has no command for it; its record goes on saying what it said."""
        await self._end(row)

    async def send(self, subject: str, body: str, to: str, kind: str, *, halted: bool = False) -> str:
        """By command; the waker sees to it that a coordinator takes notice."""
        row = await self.context.row(to)
        if row is not None and to != COORDINATOR and not await self.living(row):
            raise ChannelError("recipient_terminal", f"{to} has ended; it would never read that.", "Ask the coordinator.")
        if row is None and to != COORDINATOR:
            raise ChannelError("unknown_agent", f"There is no agent {to}.", "Look at the product's agents first.")
        return await self.send_by_command(subject, body, to, kind, "high" if CHOICE.match(subject) else "normal")

    async def reply(self, letter: Letter, body: str, *, halted: bool) -> str:
        """By command, in the thread."""
        return await self.reply_by_command(letter, body)

    async def leave_note(self, subject: str, body: str) -> str:
        """By command, which asks nothing of the recipient."""
        return await self.send_by_command(subject, body, COORDINATOR, "status", "high")

    def start_worker_command(self, task: Task) -> tuple[str, ...]:
        """A worker that reports to the operator."""
        # This version takes the first word that is no flag as the task, so the task comes first.
        return (
            *("sling", task.task, "--capability", task.capability, "--name", task.agent),
            *("--parent", "operator", "--depth", "1", "--spec", task.spec, "--json"),
        )

    async def nudge(self, agent: str, text: str) -> tuple[bool, str]:
        """Typed into its pane."""
        return await self.nudge_by_command(agent, text)

    def accepts_mail(self, row: Row | None) -> bool:
        """Nobody: every worker ends with its turn, also the lead that waits for its plan to be approved (finding 13)."""
        return False

    async def tend(self, rows: tuple[Row, ...], *, busy: bool) -> None:
        """Wake a coordinator that has unread mail from the operator, or a plan to present."""
        await self._choose_server()
        coordinator = next((row for row in rows if row.agent == COORDINATOR), None)
        if busy and await self.living(coordinator):
            await self._nudger.look()
        for row in rows:
            if row.ended and _rested(row) and processes.alive(row.pid, await self.context.table(), row.began):
                await self._end(row)

    async def roots(self, rows: tuple[Row, ...], table: processes.Table) -> tuple[int, ...]:
        """The product's tmux server: it would wake its panes at once."""
        return tuple(server for server in self._servers(rows, table) if tmux.owned(server, self._folder))

    async def check_pausable(self, rows: tuple[Row, ...], table: processes.Table) -> None:
        """Not on a tmux server that holds other products as well."""
        if any(not tmux.owned(server, self._folder) for server in self._servers(rows, table)):
            raise ChannelError(
                "unsupported",
                "Its agents run on a tmux server that is not the product's own, so they cannot be halted by themselves.",
                "Stop the product and start it again from here; from then on it can be paused.",
            )

    def _servers(self, rows: tuple[Row, ...], table: processes.Table) -> set[int]:
        panes = [row.pid for row in rows if row.pid and row.tmux and processes.alive(row.pid, table, row.began)]
        return {server for pane in panes if (server := tmux.server_of(pane, table)) is not None}

    async def _choose_server(self) -> None:
        """Use the product's own tmux server, unless its agents live on another one: then that one, until they have ended."""
        servers = self._servers(await self.context.rows(), await self.context.table())
        foreign = any(not tmux.owned(server, self._folder) for server in servers)
        self.context.env = None if foreign else tmux.environment(self._folder)

    async def _end(self, row: Row) -> None:
        """End a session this version has no command for: its tmux session, and whatever is left of its tree."""
        table = await self.context.table()
        roots = (row.pid,) if row.pid and processes.alive(row.pid, table, row.began) else ()
        if row.tmux and roots and (program := shutil.which("tmux")):
            words = (program, "kill-session", "-t", f"={row.tmux}")
            await commands.run(words, self.context.path, env=self.context.env, deadline=10.0)
        await self.context.in_thread(processes.end, roots)


def _rested(row: Row) -> bool:
    """Whether a session's last sign of life is long ago."""
    latest = times.moment(row.last_activity)
    return latest is not None and (times.now() - latest).total_seconds() > LINGER
