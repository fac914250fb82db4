"""Starts of workers.

`ov sling` blocks for a worker's whole first turn, so it runs in the background with its output in a file. It outlives the
supervisor, because the turn is its child, and the next supervisor finds it through the state folder.
"""

import asyncio
import contextlib
import subprocess
import time
from pathlib import Path

from bot.supervisor import commands, errors
from bot.supervisor.context import Context
from bot.supervisor.host import processes
from bot.supervisor.protocol import ChannelError
from bot.supervisor.records.sessions import Row

LOG_RETENTION = 7 * 86400.0
"""Seconds to keep the output of a start."""

POLL_INTERVAL = 0.05
"""Seconds between two checks for the worker's session."""


class Workers:
    """`ov sling` processes of one product."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._key = str(context.path)
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._pids: dict[str, tuple[int, float]] = {}
        for known in context.state.all("sling"):
            if known.get("product") == self._key:
                self._pids[str(known["agent"])] = (int(known["pid"]), float(known["started"]))

    def running(self, table: processes.Table) -> dict[str, int]:
        """Return the agents whose `ov sling` still runs, with its process id. Ended ones are forgotten."""
        for agent, (pid, started) in list(self._pids.items()):
            child = self._children.get(agent)
            gone = child.poll() is not None if child else pid not in table or abs(table[pid].started - started) > 2
            if gone:
                del self._pids[agent]
                self._children.pop(agent, None)
                self._context.state.drop("sling", self._key, agent)
        return {agent: pid for agent, (pid, _) in self._pids.items()}

    async def start(self, agent: str, argv: tuple[str, ...]) -> Row:
        """Run `ov sling` until the worker's session is recorded.

        Raises the engine's error if it fails before that."""
        before = await self._context.row(agent)
        await self._context.in_thread(self._context.state.forget_old, "sling", LOG_RETENTION)
        log = self._context.state.path("sling", self._key, agent, suffix=".log")
        child = await self._context.in_thread(
            processes.spawn, argv, self._context.path, log, log.with_suffix(".err"), self._context.env
        )
        self._children[agent] = child
        process = (await self._context.table()).get(child.pid)
        started = process.started if process else time.time()
        self._pids[agent] = (child.pid, started)
        fact = {"product": self._key, "agent": agent, "pid": child.pid, "started": started}
        self._context.state.put("sling", self._key, agent, value=fact)
        while child.poll() is None:
            if (row := await self._context.row(agent)) is not None and (before is None or row.started_at != before.started_at):
                return row
            await asyncio.sleep(POLL_INTERVAL)
        if child.returncode == 0 and (row := await self._context.row(agent)) is not None:
            return row
        raise self._failure(log, agent)

    def _failure(self, log: Path, agent: str) -> ChannelError:
        printed, complained = "", ""
        with contextlib.suppress(OSError):
            printed = log.read_text("utf-8", "replace")[-commands.OUTPUT_CAP :]
            complained = log.with_suffix(".err").read_text("utf-8", "replace")[-4000:]
        outcome = commands.Outcome(("ov", "sling"), 1, printed, complained)
        return errors.from_engine(outcome.error_text, doing=f"ov sling of {agent}")
