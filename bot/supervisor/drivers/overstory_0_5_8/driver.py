"""Driver of 0.5.8, the fork with the planning tier.

It uses commands, a coordinator in tmux, and mail plus nudges.
"""

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
"""Seconds after which the tmux session of a completed worker is ended.

It holds 240 to 310 MB and reads no more mail."""

START_DEADLINE = 80.0
"""Deadline in seconds for a coordinator's start. Measured 13 to 15, more under load."""


class Overstory058(Driver):
    """Driver of one product of 0.5.8."""

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
        """Start the coordinator in tmux by command, after clearing a record without a process."""
        row = await self.context.coordinator()
        if await self.is_alive(row):
            return False
        if row is not None:
            await self.stop_coordinator()
        await self._choose_server()
        try:
            await self.context.command("coordinator", "start", "--no-attach", "--json", deadline=START_DEADLINE)
        except ChannelError as error:
            if "already running" not in error.message:
                raise
        if not await self.is_alive(await self.context.coordinator()):
            raise ChannelError(
                "coordinator_dead",
                "The coordinator ended right after its start.",
                "Run `claude` in the runtime by hand to see why.",
            )
        return True

    async def stop_coordinator(self) -> bool:
        """Stop the coordinator by command, and by force if it survives."""
        row = await self.context.coordinator()
        if row is None:
            return False
        await self._choose_server()
        try:
            await self.context.command("coordinator", "stop", "--json", deadline=45.0)
        except ChannelError as error:
            # Its own Stop hook can race with this command, which then reports a failure although the session is gone.
            log.info("ov coordinator stop in %s: %s", self.context.path, error.message)
        if await self.is_alive(row):
            await self._terminate(row)
        return True

    async def stop_worker(self, row: Row) -> None:
        """End the worker's processes. This version has no command for it, and its record stays as it was."""
        await self._terminate(row)

    async def send(self, subject: str, body: str, to: str, kind: str, *, halted: bool = False) -> str:
        """Send by command. The nudger wakes the coordinator."""
        row = await self.context.row(to)
        if row is not None and to != COORDINATOR and not await self.is_alive(row):
            raise ChannelError(
                "recipient_terminal", f"{to} has ended and would never read the mail.", "Write to the coordinator."
            )
        if row is None and to != COORDINATOR:
            raise ChannelError("unknown_agent", f"There is no agent {to}.", "List the product's agents with `fleet status`.")
        return await self.send_by_command(subject, body, to, kind, "high" if CHOICE.match(subject) else "normal")

    async def reply(self, letter: Letter, body: str, *, halted: bool) -> str:
        """Answer by command, in the thread."""
        return await self.reply_by_command(letter, body)

    async def leave_note(self, subject: str, body: str) -> str:
        """Send by command, which accepts any recipient."""
        return await self.send_by_command(subject, body, COORDINATOR, "status", "high")

    def start_worker_command(self, task: Task) -> tuple[str, ...]:
        """Return the command for a worker that reports to the operator."""
        # This version takes the first word that is not a flag as the task, so the task comes first.
        return (
            *("sling", task.task, "--capability", task.capability, "--name", task.agent),
            *("--parent", "operator", "--depth", "1", "--spec", task.spec, "--json"),
        )

    async def nudge(self, agent: str, text: str) -> tuple[bool, str]:
        """Type the text into the agent's pane."""
        return await self.nudge_by_command(agent, text)

    def accepts_mail(self, row: Row | None) -> bool:
        """Return False.

        Every worker ends with its turn, even a lead that waits for its plan's approval (finding 13)."""
        return False

    async def maintain(self, rows: tuple[Row, ...], *, busy: bool) -> None:
        """Nudge a coordinator that has unread mail, and end workers that completed long ago."""
        await self._choose_server()
        coordinator = next((row for row in rows if row.agent == COORDINATOR), None)
        if busy and await self.is_alive(coordinator):
            await self._nudger.nudge_if_due()
        for row in rows:
            if row.ended and _is_idle(row) and processes.alive(row.pid, await self.context.table(), row.began):
                await self._terminate(row)

    async def roots(self, rows: tuple[Row, ...], table: processes.Table) -> tuple[int, ...]:
        """Return the product's tmux server, which would wake its panes at once."""
        return tuple(server for server in self._servers(rows, table) if tmux.owned(server, self._folder))

    async def check_pausable(self, rows: tuple[Row, ...], table: processes.Table) -> None:
        """Raise if the agents run on a tmux server that holds other products as well."""
        if any(not tmux.owned(server, self._folder) for server in self._servers(rows, table)):
            raise ChannelError(
                "unsupported",
                "Its agents share a tmux server with other products, so they cannot be paused alone.",
                "Stop the product and start it again with `fleet`. Then it can be paused.",
            )

    def _servers(self, rows: tuple[Row, ...], table: processes.Table) -> set[int]:
        panes = [row.pid for row in rows if row.pid and row.tmux and processes.alive(row.pid, table, row.began)]
        return {server for pane in panes if (server := tmux.server_of(pane, table)) is not None}

    async def _choose_server(self) -> None:
        """Use the product's own tmux server, unless its agents still run on another one."""
        servers = self._servers(await self.context.rows(), await self.context.table())
        foreign = any(not tmux.owned(server, self._folder) for server in servers)
        self.context.env = None if foreign else tmux.environment(self._folder)

    async def _terminate(self, row: Row) -> None:
        """End a session that this version has no command for, with its tmux session and its process tree."""
        table = await self.context.table()
        roots = (row.pid,) if row.pid and processes.alive(row.pid, table, row.began) else ()
        if row.tmux and roots and (program := shutil.which("tmux")):
            words = (program, "kill-session", "-t", f"={row.tmux}")
            await commands.run(words, self.context.path, env=self.context.env, deadline=10.0)
        await self.context.in_thread(processes.terminate, roots)


def _is_idle(row: Row) -> bool:
    """Return True if a session's last activity is long ago."""
    latest = times.moment(row.last_activity)
    return latest is not None and (times.now() - latest).total_seconds() > LINGER
