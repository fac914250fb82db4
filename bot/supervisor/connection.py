"""Connection of one attached fleet, which watches products of its own.

Nothing piles up for a fleet that reads slowly. Each feed reads a page of mail only after the previous page is written, a
changed snapshot is read when it is sent, and at most `AT_ONCE` requests are processed.
"""

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from bot.supervisor.background import start_job
from bot.supervisor.drivers.messages import translate
from bot.supervisor.operations import OPERATIONS
from bot.supervisor.product import Product
from bot.supervisor.protocol import (
    CHECK,
    METHODS,
    PROTOCOL,
    ChannelError,
    Decoder,
    Hello1,
    Message,
    Notification,
    Request,
    Response,
    disagree,
    encode,
)

log = logging.getLogger(__name__)

AT_ONCE = 64
"""Most requests of one fleet that are processed concurrently. Further ones wait unread."""

RETRY_DELAY = 1.0
"""Seconds before a feed retries after an error."""


class Feed:
    """Feed of one product's mail and snapshots to one fleet."""

    def __init__(self, connection: "Connection", name: str, product: Product, cursor: str) -> None:
        self.name, self.product = name, product
        self._connection, self._cursor = connection, cursor
        self._wake = asyncio.Event()
        self._wake.set()
        self._sent = -1
        self._task = start_job(f"feed of {name}", self._run)
        product.listeners.add(self._hear)

    def end(self) -> asyncio.Task[None]:
        """Stop pushing."""
        self.product.listeners.discard(self._hear)
        self._task.cancel()
        return self._task

    def _hear(self, mail: bool) -> None:
        self._wake.set()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._push_mail()
            except ChannelError:
                # The snapshot reports the error, and the repair changes the databases.
                asyncio.get_running_loop().call_later(RETRY_DELAY, self._wake.set)
            except ConnectionError:
                return
            if self._sent != self.product.version or self._sent < 0:
                snapshot = await self.product.snapshot()
                self._sent = self.product.version
                with contextlib.suppress(ConnectionError):
                    await self._connection.write(Notification("snapshot", {**snapshot, "product": self.name}))

    async def _push_mail(self) -> None:
        more = True
        while more:
            page = await self.product.context.read(self.product.context.mailbox.after, self._cursor)
            if page.mail:
                mail = [translate(letter.as_json()) for letter in page.mail]
                params = {"product": self.name, "mail": mail, "cursor": page.cursor}
                await self._connection.write(Notification("mail", params))
            self._cursor, more = page.cursor, page.more


class Host(Protocol):
    """The part of the daemon that serves a connection."""

    async def info(self) -> dict[str, Any]:
        """Return the fields of the supervisor's hello, measured now."""

    def set_watched(self, connection: "Connection", paths: Mapping[str, Path]) -> dict[str, Product]:
        """Replace the products that a connection watches and return them by name."""

    async def adopt(self, name: str, args: Mapping[str, Any]) -> dict[str, Any]:
        """Show, apply or undo the adoption of a product."""

    async def shutdown(self, force: bool) -> dict[str, Any]:
        """Stop the daemon, unless sessions run and `force` is false."""


class Connection:
    """Connection to one fleet."""

    def __init__(self, daemon: Host, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._daemon, self._reader, self._writer = daemon, reader, writer
        self._feeds: dict[str, Feed] = {}
        self._working: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def run(self) -> None:
        """Serve until one side ends the connection."""
        try:
            await self._listen()
        except (ConnectionError, TimeoutError):
            pass
        finally:
            tasks = [feed.end() for feed in self._feeds.values()]
            # Running requests complete, because the fleet may ask again if they happened.
            await asyncio.gather(*tasks, return_exceptions=True)
            self._daemon.set_watched(self, {})
            self._writer.close()
            with contextlib.suppress(ConnectionError):
                await self._writer.wait_closed()

    def hang_up(self) -> None:
        """Close the connection, which ends `run`."""
        self._writer.close()

    async def write(self, message: Message) -> None:
        """Send a message and wait while the fleet reads slowly."""
        self._writer.write(encode(message))
        await self._writer.drain()

    async def _listen(self) -> None:
        decoder, greeted = Decoder(), False
        while data := await self._reader.read(65536):
            for message in decoder.feed(data):
                if isinstance(message, ChannelError):
                    log.warning("a line from a fleet: %s", message.message)
                    await self.write(Response(None, error=message))
                elif isinstance(message, Hello1):
                    await self._refuse(message)
                    return
                elif isinstance(message, Request) and message.method == "hello":
                    greeted = await self._greet(message)
                    if not greeted:
                        return
                elif isinstance(message, Request):
                    await self._slots.acquire()
                    task = asyncio.create_task(self._answer(message, greeted))
                    self._working.add(task)
                    task.add_done_callback(self._finished)

    async def _greet(self, hello: Request) -> bool:
        theirs = hello.params.get("protocol")
        if theirs != PROTOCOL:
            number = theirs if isinstance(theirs, int) else 0
            await self.write(Response(hello.id, error=disagree("supervisor", PROTOCOL, "fleet", number)))
            return False
        await self.write(Response(hello.id, {"protocol": PROTOCOL, **await self._daemon.info()}))
        client = hello.params.get("client", "a fleet")
        # Containers are checked every few seconds, which would bury the rest of the log.
        log.log(logging.DEBUG if client == CHECK else logging.INFO, "connected: %s", client)
        return True

    async def _refuse(self, hello: Hello1) -> None:
        """Refuse a fleet of protocol 1 in its own form."""
        error = disagree("supervisor", PROTOCOL, "fleet", hello.protocol)
        words = {"code": error.code, "message": error.message, "hint": error.hint}
        await self.write(Hello1({"error": words}, PROTOCOL))

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._working.discard(task)
        self._slots.release()
        if not task.cancelled() and task.exception() is not None:
            log.error("a request failed in the supervisor itself", exc_info=task.exception())

    async def _answer(self, request: Request, greeted: bool) -> None:
        try:
            if not greeted:
                raise ChannelError("version", "The hello is missing.", "Send the method hello first.")
            async with asyncio.timeout(request.seconds):
                response = Response(request.id, await self._perform(request))
        except TimeoutError:
            late = f"{request.method} took longer than {request.seconds:g} s."
            response = Response(request.id, error=ChannelError("timed_out", late, "It may still happen. Try again."))
        except ChannelError as error:
            response = Response(request.id, error=error)
        except Exception as error:
            # A fault in one request must not end the others or the daemon.
            log.exception("%s of %s failed in the supervisor itself", request.method, request.product)
            summary = f"The supervisor failed in {request.method}: {type(error).__name__}: {error}"
            response = Response(request.id, error=ChannelError("engine_failed", summary, "See the supervisor's log."))
        if response.error is not None and request.product:
            response.error.product = request.product
        await self._respond(response)

    async def _respond(self, response: Response) -> None:
        try:
            await self.write(response)
        except ChannelError as error:
            await self.write(Response(response.id, error=error))
        except ConnectionError:
            log.info("the fleet disconnected before its response %s", response.id)

    async def _perform(self, request: Request) -> Any:
        if request.method == "ping":
            return {}
        if request.method == "info":
            return await self._daemon.info()
        if request.method == "watch":
            return self._watch(request.params)
        if request.method == "snapshot":
            return await self._snapshots(request.params)
        if request.method == "shutdown":
            return await self._daemon.shutdown(bool(request.params.get("force")))
        if request.method == "adopt":
            return await self._daemon.adopt(request.product, request.params)
        if request.method not in OPERATIONS:
            known = ", ".join(sorted(METHODS))
            raise ChannelError("unknown_op", f"This supervisor has no method {request.method!r}.", f"It has {known}.")
        return await OPERATIONS[request.method](self._product(request.product), request.params)

    def _product(self, name: str) -> Product:
        if name not in self._feeds:
            raise ChannelError("not_found", f"No product {name!r} is watched.", "Add it to products.yaml.", name)
        return self._feeds[name].product

    def _watch(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """Watch exactly these products, replaying each from its cursor."""
        wanted = _wanted(args)
        products = self._daemon.set_watched(self, {name: Path(path) for name, (path, _) in wanted.items()})
        for feed in self._feeds.values():
            feed.end()
        self._feeds = {name: Feed(self, name, products[name], cursor) for name, (_, cursor) in wanted.items()}
        return {}

    async def _snapshots(self, args: Mapping[str, Any]) -> list[dict[str, Any]]:
        names = args.get("products") or list(self._feeds)
        found = await asyncio.gather(*(self._product(str(name)).snapshot() for name in names))
        return [{**snapshot, "product": str(name)} for name, snapshot in zip(names, found, strict=True)]


def _wanted(args: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Return path and cursor by name from the `products` of a watch."""
    found: dict[str, tuple[str, str]] = {}
    entries = args.get("products")
    for entry in entries if isinstance(entries, list) else [None]:
        if not isinstance(entry, dict) or not all(isinstance(entry.get(key), str) for key in ("name", "path")):
            raise ChannelError("bad_request", "`products` must be a list of objects with name, path and cursor.")
        if not Path(entry["path"]).is_absolute() or "\0" in entry["path"]:
            raise ChannelError("bad_request", f"{entry['path']!r} is no absolute path.", "The registry makes it absolute.")
        found[entry["name"]] = (entry["path"], str(entry.get("cursor") or ""))
    return found
