"""One product as the supervisor tends it: its health, its snapshot, its background round; one change at a time."""

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.supervisor import errors
from bot.supervisor.background import keep
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
"""Seconds from one round to the next while nothing changes: processes die without a trace in any database."""

IDLE_ROUND = 10.0
"""The same in seconds for a product of which no session is alive."""

RECENT = 0.3
"""How old the table of processes may be for a snapshot, in seconds."""

QUIET = 0.25
"""Least time in seconds between two rounds while everything changes all the time."""

DATABASES = ("mail.db", "sessions.db", "metrics.db")


Notices = Callable[[], dict[str, str] | None]
"""Function that returns the notice of a product's adoption, as the channel carries it. It runs in a reading thread."""


@dataclass(slots=True)
class Seen:
    """What one reading of a product's files gave; with `problem`, as far as it came after the sessions."""

    rows: tuple[Row, ...]
    turns: Mapping[str, int] = field(default_factory=dict)
    spent: Spent = field(default_factory=Spent)
    problem: ChannelError | None = None
    notice: dict[str, str] | None = None


class Product:
    """One product."""

    def __init__(self, context: Context, notice: Notices) -> None:
        self.context = context
        self.workers = Workers(context)
        self.version = 0
        """Goes up whenever the snapshot says something new."""
        self.listeners: set[Callable[[bool], None]] = set()
        """Called with True when there may be new mail, with False when the snapshot changed."""
        self._seen: Seen | None = None
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
        context.use_enrichment(self._complete)
        context.on_change = self.changed

    def open(self) -> None:
        """Begin to tend it."""
        self._round = keep(f"round of {self.context.path}", self._tend)

    async def close(self) -> None:
        """Stop tending it. What runs, runs on."""
        if self._round is not None:
            self._round.cancel()
            await asyncio.gather(self._round, return_exceptions=True)
        if self._driver is not None:
            await self._driver.close()

    def changed(self) -> None:
        """Its databases have changed."""
        self._dirty.set()
        for listener in tuple(self.listeners):
            listener(True)

    def health(self) -> ChannelError | None:
        """What is wrong with its folder; None when the engine can work there."""
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
        """Whether one of its databases cannot be read now."""
        return any(locked(self.context.folder / name) for name in DATABASES)

    async def driver(self) -> Driver:
        """The product's engine, ready for use; raises what is wrong with either."""
        if (problem := await self.context.read(self.health)) is not None:
            raise problem
        return await self._speak()

    async def _speak(self) -> Driver:
        kind = driver_for(await self.context.engine.version())
        if not isinstance(self._driver, kind):
            if self._driver is not None:
                await self._driver.close()
            self._driver = kind(self.context)
            await self._driver.open()
        return self._driver

    @property
    def paused(self) -> bool:
        """Whether it is paused."""
        return self.context.paused

    def refuse_if_paused(self) -> None:
        """Raise `paused` if it is."""
        if self.paused:
            raise errors.paused()

    async def alive(self, rows: tuple[Row, ...]) -> frozenset[str]:
        """The agents whose sessions truly go on."""
        table = await self.context.table()
        return self._alive(rows, await self.context.read(self._turns, rows), table)

    def _alive(self, rows: tuple[Row, ...], turns: Mapping[str, int], table: processes.Table) -> frozenset[str]:
        starting = self.workers.running(table)
        return frozenset(row.agent for row in rows if sessions.alive(row, turns.get(row.agent), row.agent in starting, table))

    async def roots(self) -> tuple[int, ...]:
        """The processes at the top of the product's trees: serve first, then workers, coordinator, workers, turns."""
        table, rows = await self.context.table(), await self.context.rows()
        return await self._roots(rows, await self.context.read(self._turns, rows), table)

    async def _roots(self, rows: tuple[Row, ...], turns: Mapping[str, int], table: processes.Table) -> tuple[int, ...]:
        rows = tuple(row for row in rows if not row.ended)
        found = [*(await self._driver.roots(rows, table) if self._driver else ()), *self.workers.running(table).values()]
        found += [row.pid for row in rows if row.pid and processes.alive(row.pid, table, row.began)]
        found += [turns[row.agent] for row in rows if turns.get(row.agent) in table]
        return tuple(dict.fromkeys(found))

    async def patch_hooks(self, rows: tuple[Row, ...]) -> None:
        """Mend the hooks of the coordinator and of every worker that goes on."""
        folders = (self.context.path, *(Path(row.worktree) for row in rows if row.worktree and not row.ended))
        await self.context.read(self._hooks.patch, tuple(dict.fromkeys(folders)))

    async def snapshot(self) -> dict[str, Any]:
        """What is to be said of it now; problem is said, not raised."""
        await self._refresh()
        return self._latest

    async def _tend(self) -> None:
        while True:
            self._dirty.clear()
            busy = False
            try:
                await self._refresh()
                if self._driver is not None and self._seen is not None and not self.paused:
                    busy = await self._see_to(self._driver, self._seen)
                    await self._retire(self._driver)
            except ChannelError as error:
                log.warning("%s: %s", self.context.path, error.message)
            await asyncio.sleep(QUIET)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ROUND if busy or self.paused else IDLE_ROUND):
                    await self._dirty.wait()

    async def _see_to(self, driver: Driver, seen: Seen) -> bool:
        """What a round does beside looking; whether any session goes on."""
        await self.patch_hooks(seen.rows)
        table = await self._table_for(seen)
        coordinator = next((row for row in seen.rows if row.agent == COORDINATOR), None)
        if await self.restarter.look(driver, coordinator, table):
            seen = await self.context.read(self._read)
            table = await self._table_for(seen)
        busy = bool(self._alive(seen.rows, seen.turns, table))
        await driver.tend(seen.rows, busy=busy)
        return busy

    async def _retire(self, driver: Driver) -> None:
        """Let the engine's own processes end once nothing has needed them for long; looked at again when nothing can begin."""
        if driver.can_retire and not self.context.lock.locked():
            async with self.context.lock:
                if not await self.alive(await self.context.rows()):
                    await driver.retire()

    async def _refresh(self) -> None:
        async with self._refreshing:
            before = _telling(self._latest)
            self._latest = await self._look()
            if _telling(self._latest) != before:
                self.version += 1
                for listener in tuple(self.listeners):
                    listener(False)

    async def _look(self) -> dict[str, Any]:
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
            await self._speak()
            found["engine"], found["notice"] = self.context.engine.known_version, seen.notice
            await self._fill(found, seen)
            if seen.problem is not None:
                raise seen.problem
        except ChannelError as error:
            found["trouble"] = {"code": error.code, "message": error.message, "hint": error.hint}
        self._seen = seen
        return found

    def _read(self) -> Seen:
        """Everything that is to be read, at one go: a thread of its own for each would cost more than the reading."""
        if (problem := self.health()) is not None:
            raise problem
        rows = sessions.read(self.context.folder / "sessions.db")
        seen = Seen(rows, self._turns(rows), notice=self._notice())
        try:
            self._mail.get(lambda: self.context.mailbox.newest(1))
            seen.spent = self._costs.read(rows)
        except ChannelError as error:
            seen.problem = error
        return seen

    async def _fill(self, found: dict[str, Any], seen: Seen) -> None:
        rows, table = seen.rows, await self._table_for(seen)
        self._worktrees = {row.agent: row.worktree for row in rows}
        alive = self._alive(rows, seen.turns, table)
        coordinator = next((row for row in rows if row.agent == COORDINATOR), None)
        if self.restarter.is_restarting(coordinator, table):
            # It is started again in the next round, so nobody has to be told that it is gone.
            self._dirty.set()
            alive |= {COORDINATOR}
        found["sessions"] = [row.as_json(row.agent in alive) for row in rows]
        found["coordinator"] = COORDINATOR in alive
        load = self._meter.sample(processes.tree(await self._roots(rows, seen.turns, table), table), table)
        found["cpu_percent"], found["memory_mib"] = load.cpu_percent, load.memory_mib
        found["cost_usd_today"], found["cost_usd_total"] = seen.spent.today, seen.spent.total

    async def _table_for(self, seen: Seen) -> processes.Table:
        """A recent table of processes; one of now if somebody seems to be missing in it, who may have just been started."""
        table = await self.context.table(RECENT)
        if all(processes.alive(row.pid, table, row.began) for row in seen.rows if row.pid and not row.ended):
            return table
        return await self.context.table()

    def _turns(self, rows: tuple[Row, ...] | list[Row]) -> dict[str, int]:
        found = {row.agent: sessions.turn_pid(self.context.folder, row) for row in rows if not row.ended}
        return {agent: pid for agent, pid in found.items() if pid is not None}

    def _complete(self, letter: Letter) -> Letter:
        return plans.complete(Path(self.context.path), letter, self._worktrees.get(letter.sender, ""))


def _telling(snapshot: dict[str, Any]) -> dict[str, Any]:
    """The part of a snapshot whose change is worth telling: not the hour, the load, or that an agent is still at it."""
    quiet = {"at", "cpu_percent", "memory_mib"}
    told = {key: value for key, value in snapshot.items() if key not in quiet}
    told["sessions"] = [{**session, "last_activity": None} for session in snapshot.get("sessions", ())]
    return told
