"""Owns the `ov serve` of one working product: starts it on demand, watches it, mends it, adopts it again.

A serve runs in a session of its own and outlives the supervisor, because the headless coordinator dies with it. What is needed
to find it again (process, when it began, port) stands in the state folder; the next supervisor adopts it if all three agree.
"""

import asyncio
import contextlib
import logging
import os
import socket
import subprocess
import time
from typing import Any

import aiohttp

from bot.supervisor import errors
from bot.supervisor.background import keep
from bot.supervisor.context import Context
from bot.supervisor.host import processes
from bot.supervisor.protocol import ChannelError

log = logging.getLogger(__name__)

PORTS = 3
"""Ports that are tried, should others be faster to take them."""

READY = 20.0
"""Seconds that a serve may take until it answers."""

LOOK = 0.25
"""Seconds between two looks at whether it still lives."""

CRASHES = 6
CRASH_WINDOW = 600.0
"""So many crashes within so many seconds, and it is not started again until somebody asks for it."""

BACKOFF = (0.1, 10.0)
"""First and longest pause before it is started again, in seconds; doubled from crash to crash."""

LOG_CAP = 8 * 1024 * 1024
"""Size in bytes at which its log is emptied."""


class Serve:
    """One product's serve. When it had to be started anew the context is told: its coordinator died with it."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._product, self._state, self._http = context.path, context.state, context.http
        self._key = str(context.path)
        self._changing = asyncio.Lock()
        self._tending: asyncio.Task[None] | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._crashes: list[float] = []
        self.pid: int | None = None
        self._started = 0.0
        self._port = 0
        self.log = context.state.path("serve", self._key, suffix=".log")

    @property
    def running(self) -> bool:
        """Whether there is one, as far as was last seen."""
        return self.pid is not None

    async def adopt(self) -> bool:
        """Take over a serve that an earlier supervisor started; True if there is one now."""
        async with self._changing:
            return self.running or await self._adopt()

    async def ensure(self) -> None:
        """See that it runs and answers; raises in words if it cannot be started."""
        async with self._changing:
            if self.running and self._is_running():
                return
            if self.running or not await self._adopt():
                await self._start()

    async def stop(self) -> None:
        """End it, and with it a headless coordinator that it holds."""
        async with self._changing:
            self._stop_watching()
            if self.pid is not None:
                await asyncio.to_thread(processes.end, (self.pid,))
            self._forget()

    def detach(self) -> None:
        """Stop tending it without ending it: the next supervisor adopts it."""
        self._stop_watching()

    async def call(self, method: str, path: str, body: dict[str, Any] | None = None, deadline: float = 20.0) -> Any:
        """One request; its data, or the error that the serve's answer stands for."""
        url = f"http://127.0.0.1:{self._port}{path}"
        try:
            timeout = aiohttp.ClientTimeout(total=deadline)
            async with self._http.request(method, url, json=body, timeout=timeout) as answer:
                found = await answer.json(content_type=None)
        except TimeoutError as error:
            raise ChannelError("timed_out", f"`ov serve` did not answer {path} within {deadline:g} s.", "Try again.") from error
        except (aiohttp.ClientError, ValueError, OSError) as error:
            raise ChannelError(
                "engine_failed", f"`ov serve` broke off while answering {path}: {error}.", "It is started again; try again."
            ) from error
        if answer.status < 400 and isinstance(found, dict) and found.get("success"):
            return found.get("data")
        words = str(found.get("error", "")) if isinstance(found, dict) else ""
        raise errors.from_engine(self._last_words() if answer.status >= 500 else words, doing=f"ov serve {path}")

    async def _adopt(self) -> bool:
        known = self._state.get("serve", self._key)
        if known is None:
            return False
        self.pid, self._port, self._started = int(known["pid"]), int(known["port"]), float(known["started"])
        # A halted one cannot answer, but nobody else stops the serve of a paused product.
        if self._is_running() and (self._context.paused or await self._answers()):
            log.info("adopted ov serve %s of %s", self.pid, self._product)
            self._tend()
            return True
        self._forget()
        return False

    async def _start(self) -> None:
        self._stop_watching()
        for attempt in range(PORTS):
            await self._spawn()
            if await self._listens():
                self._tend()
                return
            words = self._last_words()
            await asyncio.to_thread(processes.end, (self.pid,) if self.pid else ())
            self._forget()
            if "in use" not in words or attempt == PORTS - 1:
                raise errors.from_engine(words, doing="ov serve did not start")

    async def _spawn(self) -> None:
        self._port = _free_port()
        argv = [*self._context.engine.argv, "serve", "--port", str(self._port), "--host", "127.0.0.1", "--json"]
        self._child = await asyncio.to_thread(processes.spawn, argv, self._product, self.log, self.log)
        self.pid = self._child.pid
        process = processes.table().get(self.pid)
        self._started = process.started if process else time.time()
        self._state.put(
            "serve",
            self._key,
            value={"product": self._key, "pid": self.pid, "started": self._started, "port": self._port},
        )

    async def _listens(self) -> bool:
        """Wait until it says that it listens, and does.

        Its port alone proves nothing: where another process was faster to take it, that one answers, and this one lives on."""
        deadline = time.monotonic() + READY
        while not ('"started"' in self._last_words() and await self._answers()):
            if "in use" in self._last_words() or not self._is_running() or time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.02)
        return True

    def _is_running(self) -> bool:
        if self._child is not None and self._child.pid == self.pid and self._child.poll() is not None:
            return False
        process = processes.table().get(self.pid) if self.pid else None
        return process is not None and abs(process.started - self._started) < 2

    async def _answers(self) -> bool:
        with contextlib.suppress(aiohttp.ClientError, OSError, ValueError, TimeoutError):
            timeout = aiohttp.ClientTimeout(total=2)
            async with self._http.get(f"http://127.0.0.1:{self._port}/healthz", timeout=timeout) as answer:
                return answer.status == 200
        return False

    def _tend(self) -> None:
        if self._tending is None or self._tending.done():
            self._tending = keep(f"watch over the serve of {self._product}", self._watch)

    def _stop_watching(self) -> None:
        if self._tending is not None and self._tending is not asyncio.current_task():
            self._tending.cancel()
            self._tending = None

    async def _watch(self) -> None:
        """Notice its death and start it again."""
        while True:
            await asyncio.sleep(LOOK)
            self._empty_log()
            if self._seems_running():
                continue
            now = time.monotonic()
            self._crashes = [at for at in self._crashes if now - at < CRASH_WINDOW] + [now]
            if len(self._crashes) >= CRASHES:
                log.error("ov serve of %s crashed %d times; left down: %s", self._product, CRASHES, self._last_words())
                self._forget()
                return
            await asyncio.sleep(min(BACKOFF[0] * 2 ** (len(self._crashes) - 1), BACKOFF[1]))
            await self._mend()

    async def _mend(self) -> None:
        log.warning("ov serve of %s is gone; starting it again", self._product)
        try:
            async with self._changing:
                if not self._is_running():
                    await self._start()
            if self._context.paused and self.pid is not None:
                await asyncio.to_thread(processes.halt, (self.pid,))
            self._context.on_change()
        except ChannelError as error:
            log.error("ov serve of %s: %s %s", self._product, error.message, error.hint)

    def _seems_running(self) -> bool:
        if self.pid is None:
            return False
        if self._child is not None and self._child.pid == self.pid:
            return self._child.poll() is None
        process = processes.one(self.pid)
        return process is not None and abs(process.started - self._started) < 2

    def _forget(self) -> None:
        self.pid = None
        self._state.drop("serve", self._key)
        if self._child is not None:
            self._child.poll()

    def _last_words(self) -> str:
        with contextlib.suppress(OSError):
            return self.log.read_text("utf-8", "replace")[-2000:].strip()
        return ""

    def _empty_log(self) -> None:
        with contextlib.suppress(OSError):
            if self.log.stat().st_size > LOG_CAP:
                os.truncate(self.log, 0)


def _free_port() -> int:
    """A loopback port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
