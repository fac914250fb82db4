"""The fleet's end of an open line to a supervisor, which agrees on a protocol and exchanges messages."""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from bot.engine import protocol_1
from bot.engine.transport import Line
from bot.supervisor import protocol
from bot.supervisor.protocol import PROTOCOL, ChannelError, Decoder, Hello1, Message, Request, Response, disagree

HELLO = 0
"""Id of the request that opens a connection."""


class Codec(Protocol):
    """Lines of one version of the protocol."""

    def encode(self, message: Message) -> bytes:
        """Return the line of a message."""

    def decode(self, line: bytes) -> Message:
        """Return the message of a line."""


class Channel:
    """Messages over one line. Call `greet` before anything else."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._codec: Codec = protocol
        self._decoder = Decoder(decode=lambda line: self._codec.decode(line))
        self._messages: Iterator[Message | ChannelError] = iter(())
        self._number = HELLO
        self.protocol = PROTOCOL
        """Version that both sides speak."""

    async def greet(self, client: str) -> Mapping[str, Any]:
        """Agree on a protocol and return the supervisor's description of itself.

        Raises ChannelError `version` if there is no common one, and OSError when the line breaks."""
        await self.send(Request(HELLO, "hello", {"protocol": PROTOCOL, "client": client}))
        while True:
            message = await self.receive()
            if isinstance(message, Response) and message.id == HELLO:
                if message.error is not None:
                    raise message.error
                return _agreed(message.result)
            if isinstance(message, Hello1):
                return await self._greet_old(message, client)

    async def _greet_old(self, hello: Hello1, client: str) -> Mapping[str, Any]:
        if "error" in hello.info:
            raise protocol_1.error_of(hello.info["error"])
        if hello.protocol != protocol_1.PROTOCOL:
            raise disagree("fleet", PROTOCOL, "supervisor", hello.protocol)
        self._codec, self.protocol = protocol_1, protocol_1.PROTOCOL
        await self.send(Hello1({"client": client}))
        return hello.info

    async def ask(self, method: str, params: Mapping[str, Any]) -> Any:
        """Return the result of one request, skipping other messages. Raises ChannelError or OSError."""
        self._number += 1
        await self.send(Request(self._number, method, params))
        while True:
            message = await self.receive()
            if isinstance(message, Response) and message.id == self._number:
                if message.error is not None:
                    raise message.error
                return message.result

    async def send(self, message: Message) -> None:
        """Write a message. Raises ChannelError if it is too large, and OSError when the line breaks."""
        await self._line.write(self._codec.encode(message))

    async def receive(self) -> Message | ChannelError:
        """Return the next message, or the error of a malformed line. Raises OSError when the line ends."""
        while True:
            for message in self._messages:
                return message
            data = await self._line.read()
            if not data:
                raise ConnectionError("the supervisor ended the connection")
            self._messages = self._decoder.feed(data)

    async def close(self) -> None:
        """Close the line. Never raises."""
        await self._line.close()


def _agreed(hello: object) -> Mapping[str, Any]:
    if not isinstance(hello, dict):
        raise ChannelError("bad_request", "The supervisor's hello is not an object.")
    theirs = protocol.whole_number(hello, "protocol")
    if theirs != PROTOCOL:
        raise disagree("fleet", PROTOCOL, "supervisor", theirs)
    return hello
