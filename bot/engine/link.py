"""The link to one runtime, which matches requests with responses and reconnects without end."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from bot.domain.errors import EngineError, RuntimeUnreachable
from bot.engine.base import RuntimeInfo
from bot.engine.channel import Channel
from bot.engine.transport import Transport
from bot.supervisor.protocol import PROTOCOL, ChannelError, Message, Notification, Request, Response
from bot.text.backoff import Backoff

log = logging.getLogger(__name__)

GREETING = 10.0
"""Seconds that the supervisor may take for its hello."""

RECONNECT = Backoff(0.1, longest=15.0, jitter=0.25)

PULSE = 10.0
"""Seconds between two `info` requests.

They detect a dead connection and refresh the runtime's figures."""

MARGIN = 3.0
"""Seconds beyond a request's own deadline until its response counts as lost."""

OLD_SUPERVISOR = (
    "%s runs an older supervisor (protocol %d). On this machine it is replaced once no session runs in it; "
    "rebuild a container with docker compose up --build."
)
RETRIED = "The fleet retries until it answers. Run `fleet doctor` for the cause."


class Link:
    """Link to one runtime.

    `up(link, restarted)` is awaited after each hello, `down(link, reason)` called once per outage."""

    def __init__(
        self,
        transport: Transport,
        up: Callable[["Link", bool], Awaitable[None]],
        down: Callable[["Link", str], None],
        heard: Callable[["Link", Notification], None],
    ) -> None:
        self.transport, self._up, self._down, self._heard = transport, up, down, heard
        self.info: RuntimeInfo | None = None
        """The supervisor's newest description of the runtime, None without a connection."""
        self._channel: Channel | None = None
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._number = 0
        self._life = ""
        self._greeting = ""
        self._reason = ""
        self._told = False
        self._settled = asyncio.Event()
        self._ready = False
        self._task: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """The runtime's name."""
        return self.transport.name

    def open(self) -> None:
        """Start to connect."""
        self._task = asyncio.create_task(self._run(), name=f"link to {self.name}")

    async def close(self) -> None:
        """Close the connection permanently."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._reason = "the fleet closed the connection."
        self._fail_waiting()

    async def request(
        self, method: str, product: str = "", params: Mapping[str, Any] | None = None, deadline: float | None = None
    ) -> Any:
        """Return the result of one method.

        Raises RuntimeUnreachable without a connection, and EngineError for the method's errors.
        Waits while the first connection is being made, or while `up` makes a new one ready."""
        await self._settled.wait()
        if not self._ready:
            raise self._unreachable()
        return await self.ask(method, product, params, deadline)

    async def ask(
        self, method: str, product: str = "", params: Mapping[str, Any] | None = None, deadline: float | None = None
    ) -> Any:
        """Return the result of one method without waiting, for `up`, which makes the connection ready."""
        self._number += 1
        named = {"product": product} if product else {}
        limit = {} if deadline is None else {"deadline": deadline}
        request = Request(self._number, method, {**(params or {}), **named, **limit})
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[request.id] = answer
        try:
            await self._send(request)
            async with asyncio.timeout(request.seconds + MARGIN):
                return await answer
        except TimeoutError as error:
            late = f"{self.name} did not answer {method} within {request.seconds:g} s."
            raise EngineError(late, "It may still happen. Try again.", code="timed_out", product=product or None) from error
        except ChannelError as error:
            raise EngineError(error.message, error.hint, code=error.code, product=error.product or product or None) from error
        finally:
            self._waiting.pop(request.id, None)

    async def _send(self, message: Message) -> None:
        if self._channel is None:
            raise self._unreachable()
        try:
            await self._channel.send(message)
        except OSError as error:
            raise RuntimeUnreachable(f"The connection to {self.name} broke: {error}.", RETRIED) from error

    def _unreachable(self) -> RuntimeUnreachable:
        return RuntimeUnreachable(f"{self.name} is unreachable: {self._reason or 'not connected yet'}", RETRIED)

    async def _run(self) -> None:
        attempts = 0
        while True:
            try:
                await self._connect()
                attempts = 0
                await self._listen()
                reason = "the supervisor ended the connection."
            except (EngineError, ChannelError) as error:
                reason = f"{error.message} {error.hint}".strip()
            except (OSError, TimeoutError) as error:
                reason = f"the connection broke ({error or 'no answer'})."
            finally:
                await self._hang_up()
            self._lost(reason)
            attempts += 1
            await asyncio.sleep(RECONNECT.pause(attempts))

    async def _connect(self) -> None:
        line = await self.transport.open()
        self._channel = Channel(line)
        async with asyncio.timeout(GREETING):
            info = await self._channel.greet("fleet")
        self._greeting = str(info.get("life", ""))
        self.info = self._described(info)
        if self._channel.protocol != PROTOCOL:
            log.warning(OLD_SUPERVISOR, self.name, self._channel.protocol)
        self._settled.clear()

    def _take(self, message: Message | ChannelError) -> None:
        if isinstance(message, Response):
            self._answered(message)
        elif isinstance(message, Notification):
            self._heard(self, message)
        elif isinstance(message, ChannelError):
            log.error("a line from %s: %s", self.name, message.message)

    async def _listen(self) -> None:
        channel = self._channel
        pulse = asyncio.create_task(self._pulse())
        reading = asyncio.create_task(self._read(channel)) if channel else pulse
        restarted = bool(self._life) and self._greeting != self._life
        self._life = self._greeting
        self._told = False
        beginning = asyncio.create_task(self._begin(restarted))
        tasks = {pulse, reading, beginning}
        try:
            while tasks:
                done, tasks = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            for task in (pulse, reading, beginning):
                task.cancel()
            await asyncio.gather(pulse, reading, beginning, return_exceptions=True)

    async def _begin(self, restarted: bool) -> None:
        await self._up(self, restarted)
        self._ready = True
        self._settled.set()

    async def _read(self, channel: Channel) -> None:
        while True:
            self._take(await channel.receive())

    async def _pulse(self) -> None:
        while True:
            await asyncio.sleep(PULSE)
            self.info = self._described(await self.ask("info", deadline=PULSE))

    def _described(self, info: Mapping[str, Any]) -> RuntimeInfo:
        limit = info.get("memory_limit_mib")
        return RuntimeInfo(
            name=self.name,
            kind=self.transport.kind,
            engine=str(info.get("engine", "")),
            rehearsal=bool(info.get("rehearsal")),
            boot=str(info.get("boot", "")),
            life=self._greeting,
            cpu_percent=float(info.get("cpu_percent") or 0.0),
            memory_mib=float(info.get("memory_mib") or 0.0),
            memory_limit_mib=None if limit is None else float(limit),
            cpus=int(info.get("cpus") or 1),
        )

    def _answered(self, response: Response) -> None:
        if response.id is None:
            log.error("%s could not read a line: %s", self.name, response.error)
            return
        answer = self._waiting.get(response.id)
        if answer is None or answer.done():
            return
        if response.error is not None:
            answer.set_exception(response.error)
        else:
            answer.set_result(response.result)

    async def _hang_up(self) -> None:
        channel, self._channel, self.info, self._ready = self._channel, None, None, False
        if channel is not None:
            await channel.close()

    def _fail_waiting(self) -> None:
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(self._unreachable())
        self._settled.set()

    def _lost(self, reason: str) -> None:
        self._reason = reason
        self._fail_waiting()
        if not self._told:
            self._told = True
            self._down(self, reason)
