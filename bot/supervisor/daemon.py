"""The daemon with its socket, its lock and the products that it watches."""

import asyncio
import contextlib
import fcntl
import logging
import os
import signal
import socket
import stat
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any
from uuid import uuid4

import aiohttp

from bot.supervisor import VERSION
from bot.supervisor.adoption.adopt import Request, adopt
from bot.supervisor.adoption.notice import Adoption
from bot.supervisor.background import start_job
from bot.supervisor.connection import Connection
from bot.supervisor.context import IDLE_AFTER, Context, Shared
from bot.supervisor.engine import Engine
from bot.supervisor.host import processes, reaper
from bot.supervisor.host.resources import Gauge
from bot.supervisor.operations import absolute, flag, text
from bot.supervisor.product import Product
from bot.supervisor.protocol import ChannelError
from bot.supervisor.state import State
from bot.supervisor.watch import Watched, watch

log = logging.getLogger(__name__)

CLOSE_TIMEOUT = 3.0
"""Most seconds to wait at shutdown for connections to end."""

THREADS = 16
"""Number of reading threads. Each product uses one at a time."""

SHARED_FOLDER = stat.S_ISGID
"""Mode bit of a folder whose socket is shared with a group (bot and agent).

Elsewhere the socket is private to its user."""


class AlreadyRunning(Exception):
    """Another supervisor holds the socket's lock."""


class Lock:
    """Lock file of a socket. The kernel releases it when its supervisor dies."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = -1

    def __enter__(self) -> "Lock":
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._file)
            raise AlreadyRunning(str(self._path)) from error
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        os.close(self._file)


class Daemon:
    """Set of products, each watched by a connection or by a serve that must be kept alive."""

    def __init__(self, shared: Shared, make: str = "") -> None:
        self.shared, self.engine, self.state, self.make = shared, shared.engine, shared.state, make
        self.boot = uuid4().hex
        self.stopping = asyncio.Event()
        self._gauge = Gauge()
        self._products: dict[Path, Product] = {}
        self._watched: dict[Path, Watched] = {}
        self._wanted: dict[Connection, frozenset[Path]] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._connections: dict[Connection, asyncio.Event] = {}
        self._adopting = asyncio.Lock()

    async def info(self) -> dict[str, Any]:
        """Return the fields of the hello."""
        with contextlib.suppress(ChannelError):
            await self.engine.version()
        measured = await asyncio.get_running_loop().run_in_executor(self.shared.threads, self._gauge.read)
        return {
            "boot": self.boot,
            "life": processes.life(),
            "engine": self.engine.known_version,
            "rehearsal": self.engine.rehearsal,
            "supervisor": VERSION,
            "make": self.make,
            "pid": os.getpid(),
            **measured,
        }

    def set_watched(self, connection: Connection, paths: Mapping[str, Path]) -> dict[str, Product]:
        """Replace the products that one connection watches."""
        if paths:
            self._wanted[connection] = frozenset(paths.values())
        else:
            self._wanted.pop(connection, None)
        for path in paths.values():
            self._open(path)
        for path in [path for path in self._products if not self._needed(path)]:
            self._close(path)
        return {name: self._products[path] for name, path in paths.items()}

    async def adopt(self, name: str, args: Mapping[str, Any]) -> dict[str, Any]:
        """Show, apply or undo an adoption, one at a time, so that no two products get the same project name."""
        path = absolute(args)
        kind = text(args, "type", "code")
        request = Request(name, kind, flag(args, "undo"), flag(args, "apply"), text(args, "shown", ""))
        async with self._adopting:
            product = self._products.get(path) or self._product(path)
            return await adopt(product, request, tuple(self._products))

    def _needed(self, path: Path) -> bool:
        """Return True if a connection watches the product, or a serve of ours runs there."""
        return any(path in wanted for wanted in self._wanted.values()) or self.state.get("serve", str(path)) is not None

    def _open(self, path: Path) -> None:
        if path not in self._products:
            product = self._product(path)
            self._products[path] = product
            self._watched[path] = Watched(path / ".overstory", product.changed)
            product.open()

    def _product(self, path: Path) -> Product:
        context = Context(path, self.shared)
        return Product(context, Adoption(context.folder).notice)

    def _close(self, path: Path) -> None:
        product = self._products.pop(path)
        del self._watched[path]
        task = asyncio.create_task(product.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def shutdown(self, force: bool) -> dict[str, Any]:
        """Stop the supervisor.

        Without `force` it only stops if no session runs. Sessions keep going either way."""
        if not force and await self._busy():
            return {"stopping": False}
        self.stopping.set()
        return {"stopping": True}

    async def _busy(self) -> bool:
        for product in self._products.values():
            with contextlib.suppress(ChannelError):
                if await product.alive(await product.context.rows()):
                    return True
        return False

    async def run(self, path: Path) -> None:
        """Serve the socket until a signal or `shutdown`."""
        for known in self.state.all("serve"):
            self._open(Path(str(known.get("product"))))
        server = await asyncio.start_unix_server(self._serve_connection, sock=_listening_socket(path), limit=2**20)
        jobs = [start_job("watch", lambda: watch(lambda: self._watched.values())), start_job("orphans", reaper.collect)]
        for sign in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(sign, self.stopping.set)
        log.info("listening on %s (supervisor %s)", path, self.boot[:8])
        try:
            await self.stopping.wait()
        finally:
            for job in jobs:
                job.cancel()
            server.close()
            await self._shut_down(path)

    async def _serve_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection, ended = Connection(self, reader, writer), asyncio.Event()
        self._connections[connection] = ended
        try:
            await connection.run()
        finally:
            del self._connections[connection]
            ended.set()

    async def _shut_down(self, path: Path) -> None:
        """Release everything. Sessions keep going with the serve that holds them, and idle serves are stopped."""
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        ends = list(self._connections.values())
        for connection in tuple(self._connections):
            connection.hang_up()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await asyncio.gather(*(end.wait() for end in ends))
        for product in tuple(self._products.values()):
            await self._detach(product)
        await asyncio.gather(*self._closing, return_exceptions=True)
        self.shared.threads.shutdown(wait=False, cancel_futures=True)

    async def _detach(self, product: Product) -> None:
        with contextlib.suppress(ChannelError, TimeoutError):
            async with asyncio.timeout(5):
                idle = not await product.alive(await product.context.rows())
                known = self.state.get("serve", str(product.context.path))
                await product.close()
                if idle and known is not None:
                    await product.context.in_thread(processes.terminate, (int(known["pid"]),))
                    self.state.drop("serve", str(product.context.path))


def _listening_socket(path: Path) -> socket.socket:
    """Return a listening socket, replacing a stale one at this path."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    listening = socket.socket(socket.AF_UNIX)
    mode = 0o660 if path.parent.stat().st_mode & SHARED_FOLDER else 0o600
    before = os.umask(0o777 & ~mode)
    try:
        listening.bind(str(path))
    finally:
        os.umask(before)
    return listening


async def serve(path: Path, engine: Engine, state: State, *, idle_after: float = IDLE_AFTER, make: str = "") -> None:
    """Run a daemon. Raises AlreadyRunning if another one holds the socket."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with Lock(path.with_name(f"{path.name}.lock")):
        started = time.monotonic()
        async with aiohttp.ClientSession(trust_env=False) as http:
            threads = ThreadPoolExecutor(THREADS, thread_name_prefix="read")
            daemon = Daemon(Shared(engine, state, http, threads, idle_after), make)
            await daemon.run(path)
        log.info("stopped after %.0f s", time.monotonic() - started)
