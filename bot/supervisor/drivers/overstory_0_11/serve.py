"""`ov serve` of one product, started on demand, watched and restarted.

A serve runs in its own process session and outlives the supervisor, because the headless coordinator dies with it. The state
folder records its process id, start time and port, and the next supervisor adopts it if all three match.
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
from bot.supervisor.background import start_job
from bot.supervisor.context import Context
from bot.supervisor.host import processes
from bot.supervisor.protocol import ChannelError

log = logging.getLogger(__name__)

PORT_ATTEMPTS = 3
"""Ports to try, in case other processes take them first."""

START_TIMEOUT = 20.0
"""Seconds in which a serve must answer after its start."""

CHECK_INTERVAL = 0.25
"""Seconds between two checks that it still runs."""

CRASHES = 6
CRASH_WINDOW = 600.0
"""Most crashes, and the seconds in which they count. Afterwards it only starts again on demand."""

BACKOFF = (0.1, 10.0)
"""First and longest delay in seconds before a restart. It doubles with every crash."""

LOG_CAP = 8 * 1024 * 1024
"""Size in bytes at which its log is truncated."""


class Serve:
    """Serve of one product.

    A restart calls the context's `on_change`, because its coordinator died with it."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._product, self._state, self._http = context.path, context.state, context.http
        self._key = str(context.path)
        self._changing = asyncio.Lock()
        self._watching: asyncio.Task[None] | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._crashes: list[float] = []
        self.pid: int | None = None
        self._started = 0.0
        self._port = 0
        self.log = context.state.path("serve", self._key, suffix=".log")

    @property
    def running(self) -> bool:
        """True if a serve ran when last seen."""
        return self.pid is not None

    async def adopt(self) -> bool:
        """Adopt a serve that an earlier supervisor started. Return True if one runs now."""
        async with self._changing:
            return self.running or await self._adopt()

    async def ensure(self) -> None:
        """Start the serve unless it runs. Raises the engine's error if that fails."""
        async with self._changing:
            if self.running and self._is_running():
                return
            if self.running or not await self._adopt():
                await self._start()

    async def stop(self) -> None:
        """Stop the serve, and with it the headless coordinator that it holds."""
        async with self._changing:
            self._stop_watching()
            if self.pid is not None:
                await asyncio.to_thread(processes.terminate, (self.pid,))
            self._forget()

    def detach(self) -> None:
        """Stop watching the serve without stopping it. The next supervisor adopts it."""
        self._stop_watching()

    async def call(self, method: str, path: str, body: dict[str, Any] | None = None, deadline: float = 20.0) -> Any:
        """Send one request and return its data. Raises the error that the answer stands for."""
        url = f"http://127.0.0.1:{self._port}{path}"
        try:
            timeout = aiohttp.ClientTimeout(total=deadline)
            async with self._http.request(method, url, json=body, timeout=timeout) as answer:
                found = await answer.json(content_type=None)
        except TimeoutError as error:
            raise ChannelError("timed_out", f"`ov serve` did not answer {path} within {deadline:g} s.", "Try again.") from error
        except (aiohttp.ClientError, ValueError, OSError) as error:
            raise ChannelError(
                "engine_failed", f"`ov serve` failed while answering {path}: {error}.", "It is being restarted. Try again."
            ) from error
        if answer.status < 400 and isinstance(found, dict) and found.get("success"):
            return found.get("data")
        words = str(found.get("error", "")) if isinstance(found, dict) else ""
        raise errors.from_engine(self._log_tail() if answer.status >= 500 else words, doing=f"ov serve {path}")

    async def _adopt(self) -> bool:
        known = self._state.get("serve", self._key)
        if known is None:
            return False
        self.pid, self._port, self._started = int(known["pid"]), int(known["port"]), float(known["started"])
        # A halted serve cannot answer, but only a pause halts it.
        if self._is_running() and (self._context.paused or await self._responds()):
            log.info("adopted ov serve %s of %s", self.pid, self._product)
            self._start_watching()
            return True
        self._forget()
        return False

    async def _start(self) -> None:
        self._stop_watching()
        for attempt in range(PORT_ATTEMPTS):
            await self._spawn()
            if await self._wait_until_ready():
                self._start_watching()
                return
            words = self._log_tail()
            await asyncio.to_thread(processes.terminate, (self.pid,) if self.pid else ())
            self._forget()
            if "in use" not in words or attempt == PORT_ATTEMPTS - 1:
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

    async def _wait_until_ready(self) -> bool:
        """Wait until the serve says that it listens, and answers.

        An answer on its port alone proves nothing, because another process may have taken the port first."""
        deadline = time.monotonic() + START_TIMEOUT
        while not ('"started"' in self._log_tail() and await self._responds()):
            if "in use" in self._log_tail() or not self._is_running() or time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.02)
        return True

    def _is_running(self) -> bool:
        if self._child is not None and self._child.pid == self.pid and self._child.poll() is not None:
            return False
        process = processes.table().get(self.pid) if self.pid else None
        return process is not None and abs(process.started - self._started) < 2

    async def _responds(self) -> bool:
        with contextlib.suppress(aiohttp.ClientError, OSError, ValueError, TimeoutError):
            timeout = aiohttp.ClientTimeout(total=2)
            async with self._http.get(f"http://127.0.0.1:{self._port}/healthz", timeout=timeout) as answer:
                return answer.status == 200
        return False

    def _start_watching(self) -> None:
        if self._watching is None or self._watching.done():
            self._watching = start_job(f"watch over the serve of {self._product}", self._watch)

    def _stop_watching(self) -> None:
        if self._watching is not None and self._watching is not asyncio.current_task():
            self._watching.cancel()
            self._watching = None

    async def _watch(self) -> None:
        """Restart the serve when it dies."""
        while True:
            await asyncio.sleep(CHECK_INTERVAL)
            self._truncate_log()
            if self._seems_running():
                continue
            now = time.monotonic()
            self._crashes = [at for at in self._crashes if now - at < CRASH_WINDOW] + [now]
            if len(self._crashes) >= CRASHES:
                log.error("ov serve of %s crashed %d times and stays down: %s", self._product, CRASHES, self._log_tail())
                self._forget()
                return
            await asyncio.sleep(min(BACKOFF[0] * 2 ** (len(self._crashes) - 1), BACKOFF[1]))
            await self._restart()

    async def _restart(self) -> None:
        log.warning("ov serve of %s died, restarting it", self._product)
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

    def _log_tail(self) -> str:
        with contextlib.suppress(OSError):
            return self.log.read_text("utf-8", "replace")[-2000:].strip()
        return ""

    def _truncate_log(self) -> None:
        with contextlib.suppress(OSError):
            if self.log.stat().st_size > LOG_CAP:
                os.truncate(self.log, 0)


def _free_port() -> int:
    """Return a loopback port that no process listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
