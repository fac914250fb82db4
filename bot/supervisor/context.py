"""Shared access to one product, its folder, mail, sessions and engine commands."""

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ParamSpec, TypeVar
from weakref import WeakValueDictionary

import aiohttp

from bot.supervisor import commands, errors
from bot.supervisor.engine import Engine
from bot.supervisor.host import processes
from bot.supervisor.protocol import ChannelError
from bot.supervisor.records import sessions
from bot.supervisor.records.mailbox import Enrich, Mailbox
from bot.supervisor.records.sessions import COORDINATOR, Row
from bot.supervisor.state import State

P = ParamSpec("P")
R = TypeVar("R")

IDLE_AFTER = 300.0
"""Seconds without a live session after which a product's serve is stopped. It holds 52 MB."""

READ_DEADLINE = 10.0
"""Longest time in seconds to read a product's files before the product is reported as failing."""

LOCKED_RETRIES = (0.2, 0.5, 1.0)
"""Delays in seconds before a command that met a locked database runs again."""


class ProcessTableCache:
    """Process table of the runtime, read once for all products that ask at the same time."""

    def __init__(self) -> None:
        self._taking = asyncio.Lock()
        self._taken = float("-inf")
        self._table = processes.Table()

    async def table(self, threads: ThreadPoolExecutor, max_age: float) -> processes.Table:
        """Return a table whose reading began at most `max_age` seconds before this call."""
        asked = time.monotonic()
        async with self._taking:
            if self._taken < asked - max_age:
                began = time.monotonic()
                self._table = await asyncio.get_running_loop().run_in_executor(threads, processes.table)
                self._taken = began
            return self._table


@dataclass(frozen=True, slots=True)
class Shared:
    """State that all products of this runtime share."""

    engine: Engine
    state: State
    http: aiohttp.ClientSession
    threads: ThreadPoolExecutor
    idle_after: float = IDLE_AFTER
    process_table: "ProcessTableCache" = field(default_factory=lambda: ProcessTableCache())
    _locks: "WeakValueDictionary[Path, asyncio.Lock]" = field(default_factory=WeakValueDictionary)

    def lock_for(self, path: Path) -> asyncio.Lock:
        """Return the lock of a folder.

        A client that reconnects while its earlier request still runs gets the same lock."""
        return self._locks.setdefault(path, asyncio.Lock())


class Context:
    """Access to one product.

    Reads run in threads, one at a time, so that a stuck disk blocks no other product. `lock` is held by every operation that
    changes the product. `env` is the environment of engine commands, None for the supervisor's own. `on_change` is called when
    the product must be read again at once."""

    def __init__(self, path: Path, shared: Shared) -> None:
        self.path, self.idle_after = path, shared.idle_after
        self.env: Mapping[str, str] | None = None
        self.engine, self.state, self.http = shared.engine, shared.state, shared.http
        self.folder = path / ".overstory"
        self.mailbox = Mailbox(self.folder / "mail.db")
        self.paused = shared.state.get("paused", str(path)) is not None
        self.lock = shared.lock_for(path)
        self.on_change: Callable[[], None] = lambda: None
        self._threads = shared.threads
        self._process_table = shared.process_table
        self._reading = asyncio.Lock()

    def set_paused(self, paused: bool) -> None:
        """Store the product's pause, also across a restart of the supervisor."""
        if paused:
            self.state.put("paused", str(self.path), value={"product": str(self.path)})
        else:
            self.state.drop("paused", str(self.path))
        self.paused = paused

    def use_enrichment(self, enrich: Enrich) -> None:
        """Set the function that completes each mail before it is shown."""
        self.mailbox = Mailbox(self.folder / "mail.db", enrich)

    async def read(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a reading function in a thread. Raises `timed_out` after `READ_DEADLINE`."""
        try:
            async with asyncio.timeout(READ_DEADLINE), self._reading:
                return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: function(*args, **kwargs))
        except TimeoutError as error:
            summary = f"Reading {self.folder} took longer than {READ_DEADLINE:g} s."
            raise ChannelError("timed_out", summary, "Check the disk of the runtime.") from error

    async def rows(self) -> tuple[Row, ...]:
        """Return the product's sessions as recorded."""
        return await self.read(sessions.read, self.folder / "sessions.db")

    async def row(self, agent: str) -> Row | None:
        """Return one agent's session as recorded."""
        return next((row for row in await self.rows() if row.agent == agent), None)

    async def coordinator(self) -> Row | None:
        """Return the coordinator's session, None if the engine counts it as ended."""
        row = await self.row(COORDINATOR)
        return None if row is None or row.ended else row

    async def table(self, max_age: float = 0.0) -> processes.Table:
        """Return the runtime's processes as they were at most `max_age` seconds ago."""
        return await self._process_table.table(self._threads, max_age)

    async def in_thread(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a slow function in a thread, without a time limit."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: function(*args, **kwargs))

    async def command(self, *words: str, deadline: float = 30.0, text: str | None = None) -> Any:
        """Run an engine command in the product and return its JSON, or its text if it printed none.

        Raises the error that the engine's message stands for. A locked database is retried, because the engine itself gives up
        after five seconds."""
        for pause in (*LOCKED_RETRIES, None):
            outcome = await commands.run((*self.engine.argv, *words), self.path, env=self.env, deadline=deadline, text=text)
            if outcome.code == 0:
                found = outcome.json
                return outcome.stdout.strip() if found is None else found
            error = errors.from_engine(outcome.error_text, doing=f"ov {' '.join(words[:2])}")
            if error.code != "locked" or pause is None:
                raise error
            await asyncio.sleep(pause)
        raise AssertionError("unreachable")
