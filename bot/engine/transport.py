"""The Transport port: how the bytes of the channel get to a runtime's supervisor. Its adapters: unix, local, docker."""

import asyncio
import contextlib
from abc import ABC, abstractmethod


class Line(ABC):
    """An open byte stream to a supervisor."""

    @abstractmethod
    async def read(self) -> bytes:
        """The next bytes; empty when the other side has ended it. Raises OSError when it breaks."""

    @abstractmethod
    async def write(self, data: bytes) -> None:
        """Send all of it, waiting while the other side is slow. Raises OSError when it breaks."""

    @abstractmethod
    async def close(self) -> None:
        """Let go of it. Never raises."""


class Transport(ABC):
    """A way to one runtime. `name` is the runtime's, `kind` is `rehearsal`, `local`, `docker` or `socket`."""

    name: str
    kind: str

    @abstractmethod
    async def open(self) -> Line:
        """Reach the supervisor. Raises RuntimeUnreachable in words, for each reason its own; bounded in time."""


class StreamLine(Line):
    """A line over asyncio's streams."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def read(self) -> bytes:
        """See `Line`."""
        return await self._reader.read(65536)

    async def write(self, data: bytes) -> None:
        """See `Line`."""
        self._writer.write(data)
        await self._writer.drain()

    async def close(self) -> None:
        """See `Line`."""
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()
