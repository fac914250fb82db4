"""Transport to a supervisor through a socket in a folder that a runtime shares, as in Compose."""

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
"""Longest path in bytes that is used directly. The kernel's limit is 107 (unix(7), sun_path), 103 on macOS."""


class UnixTransport(Transport):
    """A supervisor's socket at a path of this machine."""

    def __init__(self, path: Path, name: str = "overstory-runtime") -> None:
        self.path, self.name, self.kind = path, name, "socket"

    async def open(self) -> Line:
        """See `Transport`."""
        if not self.path.exists():
            raise RuntimeUnreachable(
                f"There is no socket {self.path}.", "Start the runtime that creates it, or correct FLEET_RUNTIME_SOCKET."
            )
        try:
            return await connected(self.path)
        except PermissionError as error:
            raise RuntimeUnreachable(
                f"This user may not use the socket {self.path}.",
                "Run the fleet in the group of the socket's folder.",
            ) from error
        except (OSError, TimeoutError) as error:
            raise RuntimeUnreachable(
                f"No supervisor answers on the socket {self.path}: {_words(error)}.",
                "Restart the runtime, because its supervisor has ended.",
            ) from error


async def connected(path: Path) -> Line:
    """Return a line to the socket at a path of any length. Raises OSError or TimeoutError."""
    async with asyncio.timeout(CONNECT):
        if len(os.fsencode(path)) <= LONGEST:
            return StreamLine(*await asyncio.open_unix_connection(str(path)))
        return await _through_folder(path)


async def _through_folder(path: Path) -> Line:
    """Connect by a short name of the socket's folder, its open file descriptor (Linux)."""
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
