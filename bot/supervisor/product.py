"""One product with its health, its snapshot and its periodic maintenance."""

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.supervisor import errors
from bot.supervisor.background import start_job
from bot.supervisor.context import Context
from bot.supervisor.drivers.base import Driver
from bot.supervisor.drivers.table import driver_for
from bot.supervisor.hooks import Hooks
from bot.supervisor.host import processes
from bot.supervisor.protocol import ChannelError
from bot.supervisor.records import plans, sessions, times
from bot.supervisor.records.costs import Costs, Spent
from bot.supervisor.records.database import Cached, locked
from bot.supervisor.records.mailbox import Letter
from bot.supervisor.records.sessions import COORDINATOR, Row
from bot.supervisor.restarter import Restarter
from bot.supervisor.workers import Workers

log = logging.getLogger(__name__)

ROUND = 2.0
"""Seconds between two rounds while nothing changes.

A dying process leaves no trace in any database."""

IDLE_ROUND = 10.0
"""Seconds between two rounds of a product without a live session."""

RECENT = 0.3
"""Greatest age in seconds of the process table behind a snapshot."""

QUIET = 0.25
"""Shortest time in seconds between two rounds while files keep changing."""

DATABASES = ("mail.db", "sessions.db", "metrics.db")


Notices = Callable[[], dict[str, str] | None]
"""Function that returns the notice of a product's adoption, as the channel carries it.

It runs in a reading thread."""


@dataclass(slots=True)
class FileState:
    """Result of one reading of a product's files. With `problem`, only the sessions are complete."""

    rows: tuple[Row, ...]
    turns: Mapping[str, int] = field(default_factory=dict)
    spent: Spent = field(default_factory=Spent)
    problem: ChannelError | None = None
    notice: dict[str, str] | None = None


class Product:
    """One product, read and maintained in rounds and changed by one operation at a time."""

    def __init__(self, context: Context, notice: Notices) -> None:
        self.context = context
        self.workers = Workers(context)
        self.version = 0
        """Number that grows with every significant change of the snapshot."""
        self.listeners: set[Callable[[bool], None]] = set()
        """Functions called with True when there may be new mail, and with False when the snapshot changed."""
        self._seen: FileState | None = None
        self._mail: Cached[tuple[Letter, ...]] = Cached(context.folder / "mail.db")
        self._costs = Costs(context.path, context.folder / "metrics.db", context.state)
        self._meter = processes.Meter()
        self._hooks = Hooks()
        self._notice = notice
        self.restarter = Restarter(context)
        self._driver: Driver | None = None
        self._worktrees: dict[str, str] = {}
        self._latest: dict[str, Any] = {}
        self._dirty = asyncio.Event()
        self._refreshing = asyncio.Lock()
        self._round: asyncio.Task[None] | None = None
        context.use_enrichment(self._with_plan)
        context.on_change = self.changed

    def open(self) -> None:
        """Start the rounds."""
        self._round = start_job(f"round of {self.context.path}", self._run_rounds)

    async def close(self) -> None:
        """Stop the rounds. Running agents keep going."""
        if self._round is not None:
            self._round.cancel()
            await asyncio.gather(self._round, return_exceptions=True)
        if self._driver is not None:
            await self._driver.close()

    def changed(self) -> None:
        """Note that the databases changed."""
        self._dirty.set()
        for listener in tuple(self.listeners):
            listener(True)

    def health(self) -> ChannelError | None:
        """Return the problem with the product's folder, None if the engine can work there."""
        path, config = self.context.path, self.context.folder / "config.yaml"
        if not path.is_dir():
            return errors.path_missing(path)
        if not (path / ".git").exists():
            return errors.not_a_repository(path)
        if not config.exists():
            return errors.not_initialised(path)
        for file in (self.context.folder, *(self.context.folder / name for name in DATABASES)):
            if file.exists() and not os.access(file, os.W_OK):
                return errors.wrong_user(file)
        return None

    def locked(self) -> bool:
        """Return True if a database cannot be read now."""
        return any(locked(self.context.folder / name) for name in DATABASES)

    async def driver(self) -> Driver:
        """Return the product's driver, ready for use. Raises the problem of the folder or the engine."""
        if (problem := await self.context.read(self.health)) is not None:
            raise problem
        return await self._select_driver()

    async def _select_driver(self) -> Driver:
        kind = driver_for(await self.context.engine.version())
        if not isinstance(self._driver, kind):
            if self._driver is not None:
                await self._driver.close()
            self._driver = kind(self.context)
            await self._driver.open()
        return self._driver

    @property
    def paused(self) -> bool:
        """True while the product is paused."""
        return self.context.paused

    def refuse_if_paused(self) -> None:
        """Raise `paused` while the product is paused."""
        if self.paused:
            raise errors.paused()

    async def alive(self, rows: tuple[Row, ...]) -> frozenset[str]:
        """Return the agents whose sessions are alive."""
        table = await self.context.table()
        return self._alive(rows, await self.context.read(self._turns, rows), table)

    def _alive(self, rows: tuple[Row, ...], turns: Mapping[str, int], table: processes.Table) -> frozenset[str]:
        starting = self.workers.running(table)
        return frozenset(row.agent for row in rows if sessions.alive(row, turns.get(row.agent), row.agent in starting, table))

    async def roots(self) -> tuple[int, ...]:
        """Return the root processes of the product, first the serve, then worker starts, sessions and turns."""
        table, rows = await self.context.table(), await self.context.rows()
        return await self._roots(rows, await self.context.read(self._turns, rows), table)

    async def _roots(self, rows: tuple[Row, ...], turns: Mapping[str, int], table: processes.Table) -> tuple[int, ...]:
        rows = tuple(row for row in rows if not row.ended)
        found = [*(await self._driver.roots(rows, table) if self._driver else ()), *self.workers.running(table).values()]
        found += [row.pid for row in rows if row.pid and processes.alive(row.pid, table, row.began)]
        found += [turns[row.agent] for row in rows if turns.get(row.agent) in table]
        return tuple(dict.fromkeys(found))

    async def patch_hooks(self, rows: tuple[Row, ...]) -> None:
        """Fix the hooks of the coordinator and of every worker that has not ended."""
        folders = (self.context.path, *(Path(row.worktree) for row in rows if row.worktree and not row.ended))
        await self.context.read(self._hooks.patch, tuple(dict.fromkeys(folders)))

    async def snapshot(self) -> dict[str, Any]:
        """Return the current snapshot. A problem is part of it and not raised."""
        await self._refresh()
        return self._latest

    async def _run_rounds(self) -> None:
        while True:
            self._dirty.clear()
            busy = False
            try:
                await self._refresh()
                if self._driver is not None and self._seen is not None and not self.paused:
                    busy = await self._maintain(self._driver, self._seen)
                    await self._retire(self._driver)
            except ChannelError as error:
                log.warning("%s: %s", self.context.path, error.message)
            await asyncio.sleep(QUIET)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ROUND if busy or self.paused else IDLE_ROUND):
                    await self._dirty.wait()

    async def _maintain(self, driver: Driver, seen: FileState) -> bool:
        """Do the upkeep of one round and return True if any session is alive."""
        await self.patch_hooks(seen.rows)
        table = await self._table_for(seen)
        coordinator = next((row for row in seen.rows if row.agent == COORDINATOR), None)
        if await self.restarter.restart_if_due(driver, coordinator, table):
            seen = await self.context.read(self._read)
            table = await self._table_for(seen)
        busy = bool(self._alive(seen.rows, seen.turns, table))
        await driver.maintain(seen.rows, busy=busy)
        return busy

    async def _retire(self, driver: Driver) -> None:
        """Stop the engine's own processes if they have been idle for long.

        The sessions are checked again under the lock."""
        if driver.can_retire and not self.context.lock.locked():
            async with self.context.lock:
                if not await self.alive(await self.context.rows()):
                    await driver.retire()

    async def _refresh(self) -> None:
        async with self._refreshing:
            before = _significant(self._latest)
            self._latest = await self._take_snapshot()
            if _significant(self._latest) != before:
                self.version += 1
                for listener in tuple(self.listeners):
                    listener(False)

    async def _take_snapshot(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "at": times.now().isoformat(),
            "engine": self.context.engine.known_version,
            "sessions": [],
            "coordinator": False,
            "paused": self.paused,
            "cost_usd_today": 0.0,
            "cost_usd_total": 0.0,
            "cpu_percent": 0.0,
            "memory_mib": 0.0,
            "trouble": None,
            "notice": None,
        }
        seen = None
        try:
            seen = await self.context.read(self._read)
            await self._select_driver()
            found["engine"], found["notice"] = self.context.engine.known_version, seen.notice
            await self._fill(found, seen)
            if seen.problem is not None:
                raise seen.problem
        except ChannelError as error:
            found["trouble"] = {"code": error.code, "message": error.message, "hint": error.hint}
        self._seen = seen
        return found

    def _read(self) -> FileState:
        """Read all files in one go, because a thread for each would cost more than the reading."""
        if (problem := self.health()) is not None:
            raise problem
        rows = sessions.read(self.context.folder / "sessions.db")
        seen = FileState(rows, self._turns(rows), notice=self._notice())
        try:
            self._mail.get(lambda: self.context.mailbox.newest(1))
            seen.spent = self._costs.read(rows)
        except ChannelError as error:
            seen.problem = error
        return seen

    async def _fill(self, found: dict[str, Any], seen: FileState) -> None:
        rows, table = seen.rows, await self._table_for(seen)
        self._worktrees = {row.agent: row.worktree for row in rows}
        alive = self._alive(rows, seen.turns, table)
        coordinator = next((row for row in rows if row.agent == COORDINATOR), None)
        if self.restarter.is_restarting(coordinator, table):
            # The next round restarts it, so the snapshot does not report it as gone.
            self._dirty.set()
            alive |= {COORDINATOR}
        found["sessions"] = [row.as_json(row.agent in alive) for row in rows]
        found["coordinator"] = COORDINATOR in alive
        load = self._meter.sample(processes.tree(await self._roots(rows, seen.turns, table), table), table)
        found["cpu_percent"], found["memory_mib"] = load.cpu_percent, load.memory_mib
        found["cost_usd_today"], found["cost_usd_total"] = seen.spent.today, seen.spent.total

    async def _table_for(self, seen: FileState) -> processes.Table:
        """Return a process table in which no recorded process is missing by mistake.

        A recent table is enough, unless a process may have just started."""
        table = await self.context.table(RECENT)
        if all(processes.alive(row.pid, table, row.began) for row in seen.rows if row.pid and not row.ended):
            return table
        return await self.context.table()

    def _turns(self, rows: tuple[Row, ...] | list[Row]) -> dict[str, int]:
        found = {row.agent: sessions.turn_pid(self.context.folder, row) for row in rows if not row.ended}
        return {agent: pid for agent, pid in found.items() if pid is not None}

    def _with_plan(self, letter: Letter) -> Letter:
        return plans.with_plan_text(Path(self.context.path), letter, self._worktrees.get(letter.sender, ""))


def _significant(snapshot: dict[str, Any]) -> dict[str, Any]:
    """Return the parts of a snapshot whose change is worth an event, without time, load and last activity."""
    quiet = {"at", "cpu_percent", "memory_mib"}
    told = {key: value for key, value in snapshot.items() if key not in quiet}
    told["sessions"] = [{**session, "last_activity": None} for session in snapshot.get("sessions", ())]
    return told
