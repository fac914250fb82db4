"""The Transport port, which carries bytes to a runtime's supervisor."""

import asyncio
import contextlib
from abc import ABC, abstractmethod


class Line(ABC):
    """Open byte stream to a supervisor."""

    @abstractmethod
    async def read(self) -> bytes:
        """Return the next bytes, empty at the end of the stream. Raises OSError when it breaks."""

    @abstractmethod
    async def write(self, data: bytes) -> None:
        """Send all bytes, waiting while the other side is slow. Raises OSError when the stream breaks."""

    @abstractmethod
    async def close(self) -> None:
        """Close the stream. Never raises."""


class Transport(ABC):
    """Connection to one runtime. `kind` is `rehearsal`, `local`, `docker` or `socket`."""

    name: str
    kind: str

    @abstractmethod
    async def open(self) -> Line:
        """Connect to the supervisor, in bounded time. Raises RuntimeUnreachable with the reason."""


class StreamLine(Line):
    """Line over asyncio's streams."""

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
