"""The way to a supervisor through a socket: one in a folder that a runtime shares, as inside compose."""

import asyncio
import contextlib
import os
import socket
from pathlib import Path

from bot.domain.errors import RuntimeUnreachable
from bot.engine.transport import Line, StreamLine, Transport

CONNECT = 5.0
"""Seconds that connecting may take."""

LONGEST = 100
"""Longest path in bytes that is used as it is; the kernel's limit is 107 (unix(7), sun_path), 103 on macOS."""


class UnixTransport(Transport):
    """A supervisor's socket at a path of this machine."""

    def __init__(self, path: Path, name: str = "overstory-runtime") -> None:
        self.path, self.name, self.kind = path, name, "socket"

    async def open(self) -> Line:
        """See `Transport`."""
        if not self.path.exists():
            raise RuntimeUnreachable(
                f"There is no socket {self.path}.", "Start the runtime that makes it, or mend FLEET_RUNTIME_SOCKET."
            )
        try:
            return await connected(self.path)
        except PermissionError as error:
            raise RuntimeUnreachable(
                f"The socket {self.path} may not be used by this user.",
                "Let the bot run in the group that the socket's folder belongs to.",
            ) from error
        except (OSError, TimeoutError) as error:
            raise RuntimeUnreachable(
                f"Nobody answers on the socket {self.path}: {_words(error)}.",
                "The runtime's supervisor has ended; start the runtime again.",
            ) from error


async def connected(path: Path) -> Line:
    """A line to the socket at a path, however long the path is. Raises OSError or TimeoutError."""
    async with asyncio.timeout(CONNECT):
        if len(os.fsencode(path)) <= LONGEST:
            return StreamLine(*await asyncio.open_unix_connection(str(path)))
        return await _through_folder(path)


async def _through_folder(path: Path) -> Line:
    """Connect by a short name of the socket's folder: the number under which this process has it open (Linux)."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    end = socket.socket(socket.AF_UNIX)
    try:
        end.setblocking(False)
        await asyncio.get_running_loop().sock_connect(end, f"/proc/self/fd/{folder}/{path.name}")
        return StreamLine(*await asyncio.open_unix_connection(sock=end))
    except BaseException:
        end.close()
        raise
    finally:
        with contextlib.suppress(OSError):
            os.close(folder)


def _words(error: BaseException) -> str:
    return "it took too long" if isinstance(error, TimeoutError) else str(getattr(error, "strerror", None) or error)
