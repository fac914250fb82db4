"""The link to one runtime: requests with ids and deadlines, events as they come, and connecting again, for ever."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from bot.domain.errors import EngineError, RuntimeUnreachable
from bot.engine.base import RuntimeInfo
from bot.engine.transport import Line, Transport
from bot.supervisor.protocol import ChannelError, Decoder, Event, Hello, Message, Request, Response, encode
from bot.text.backoff import Backoff

log = logging.getLogger(__name__)

GREETING = 10.0
"""Seconds that the supervisor may take for its hello."""

RECONNECT = Backoff(0.1, longest=15.0, jitter=0.25)

PULSE = 10.0
"""Seconds between two looks whether the supervisor still answers; what it says then keeps its figures fresh."""

MARGIN = 3.0
"""Seconds beyond a request's own deadline until the answer counts as lost."""

AGAIN = "It is tried again until it answers; see `fleet doctor`."


class Link:
    """One runtime. `up(info, restarted)` is awaited after each hello, `down(reason)` called once for each outage."""

    def __init__(
        self,
        transport: Transport,
        up: Callable[["Link", bool], Awaitable[None]],
        down: Callable[["Link", str], None],
        heard: Callable[["Link", Event], None],
    ) -> None:
        self.transport, self._up, self._down, self._heard = transport, up, down, heard
        self.info: RuntimeInfo | None = None
        """What the supervisor said last; None while there is no connection."""
        self._line: Line | None = None
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
        """Begin to connect."""
        self._task = asyncio.create_task(self._run(), name=f"link to {self.name}")

    async def close(self) -> None:
        """End the connection for good."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._reason = "the bot has closed the connection."
        self._fail_waiting()

    async def request(
        self, op: str, product: str = "", args: Mapping[str, Any] | None = None, deadline: float | None = None
    ) -> Any:
        """One operation's result. Raises RuntimeUnreachable without a connection, EngineError for what the other end says.

        While a connection is being made for the first time, or made ready by `up`, it waits for the outcome of that."""
        await self._settled.wait()
        if not self._ready:
            raise self._unreachable()
        return await self.ask(op, product, args, deadline)

    async def ask(
        self, op: str, product: str = "", args: Mapping[str, Any] | None = None, deadline: float | None = None
    ) -> Any:
        """The same for `up` itself, which makes the connection ready."""
        self._number += 1
        request = Request(self._number, op, product, args or {}, deadline)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[request.id] = answer
        try:
            await self._send(request)
            async with asyncio.timeout(request.seconds + MARGIN):
                return await answer
        except TimeoutError as error:
            late = f"{self.name} did not answer {op} within {request.seconds:g} s."
            raise EngineError(late, "It may still happen; ask again.", code="timed_out", product=product or None) from error
        except ChannelError as error:
            raise EngineError(error.message, error.hint, code=error.code, product=error.product or product or None) from error
        finally:
            self._waiting.pop(request.id, None)

    async def _send(self, message: Message) -> None:
        line = encode(message)
        if self._line is None:
            raise self._unreachable()
        try:
            await self._line.write(line)
        except OSError as error:
            raise RuntimeUnreachable(f"The connection to {self.name} broke: {error}.", AGAIN) from error

    def _unreachable(self) -> RuntimeUnreachable:
        return RuntimeUnreachable(f"{self.name} cannot be reached: {self._reason or 'not connected yet'}", AGAIN)

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
        self._decoder = Decoder()
        self._line = await self.transport.open()
        await self._line.write(encode(Hello({"client": "fleet"})))
        async with asyncio.timeout(GREETING):
            while self.info is None:
                await self._take(self._line)
        self._settled.clear()

    async def _take(self, line: Line) -> None:
        """Read once, and do what the messages ask for."""
        data = await line.read()
        if not data:
            raise ConnectionError("it was ended from the other side")
        for message in self._decoder.feed(data):
            if isinstance(message, Hello):
                await self._greeted(message)
            elif isinstance(message, Response):
                self._answered(message)
            elif isinstance(message, Event):
                self._heard(self, message)
            elif isinstance(message, ChannelError):
                log.error("a line from %s: %s", self.name, message.message)

    async def _listen(self) -> None:
        line = self._line
        pulse = asyncio.create_task(self._pulse())
        reading = asyncio.create_task(self._read_on(line)) if line else pulse
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

    async def _read_on(self, line: Line) -> None:
        while True:
            await self._take(line)

    async def _pulse(self) -> None:
        """A stream over a network can be dead without anybody noticing; and the figures of the runtime grow old."""
        while True:
            await asyncio.sleep(PULSE)
            self.info = self._described(await self.ask("info", deadline=PULSE))

    async def _greeted(self, hello: Hello) -> None:
        if isinstance(refusal := hello.info.get("error"), dict):
            raise ChannelError.from_json(refusal)
        hello.check("bot", "supervisor")
        self._greeting = str(hello.info.get("life", ""))
        self.info = self._described(hello.info)

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
        answer = self._waiting.get(response.id)
        if answer is None or answer.done():
            return
        if response.error is not None:
            answer.set_exception(response.error)
        else:
            answer.set_result(response.result)

    async def _hang_up(self) -> None:
        line, self._line, self.info, self._ready = self._line, None, None, False
        if line is not None:
            await line.close()

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
            log.warning("%s cannot be reached: %s", self.name, reason)
            self._down(self, reason)
