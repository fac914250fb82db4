"""Line into a container on another machine by `ssh`, with the user's own keys and settings.

Docker's client for Python would need a second ssh implementation with its own rules for keys and hosts.
"""

import asyncio
import contextlib
import shlex
from collections.abc import Sequence
from urllib.parse import urlsplit

from bot.domain.errors import RuntimeUnreachable
from bot.engine.transport import Line

OPTIONS = (
    "-T",
    "-o",
    "BatchMode=yes",
    "-o",
    "ConnectTimeout=15",
    "-o",
    "ServerAliveInterval=15",
    "-o",
    "ServerAliveCountMax=3",
)
"""No terminal, no questions, and detection of a dead connection within a minute."""

WORDS_KEPT = 2000
"""Most characters of stderr that are stored for a message."""


def command(host: str, remote: Sequence[str]) -> tuple[str, ...]:
    """Return the argv that runs a command on `ssh://[user@]name[:port]`. Raises RuntimeUnreachable for other hosts."""
    parts = urlsplit(host)
    try:
        port, name = parts.port, parts.hostname
    except ValueError:
        port, name = None, None
    if not name or name.startswith("-") or (parts.username or "").startswith("-"):
        raise RuntimeUnreachable(f"Not an address of the form ssh://user@name:port: {host}.", "Correct DOCKER_HOST.")
    there = f"{parts.username}@{name}" if parts.username else name
    return ("ssh", *OPTIONS, *(("-p", str(port)) if port else ()), "--", there, shlex.join(remote))


class SshLine(Line):
    """Line over stdin and stdout of a remote command."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._words = ""
        self._listening = asyncio.create_task(self._listen())

    async def read(self) -> bytes:
        """See `Line`. A command that ends with text on stderr raises ConnectionError with that text."""
        stdout = self._process.stdout
        if stdout is not None and (data := await stdout.read(65536)):
            return data
        await self._listening
        if lines := self._words.strip().splitlines():
            raise ConnectionError(lines[-1])
        return b""

    async def write(self, data: bytes) -> None:
        """See `Line`."""
        if self._process.stdin is not None:
            self._process.stdin.write(data)
            await self._process.stdin.drain()

    async def close(self) -> None:
        """See `Line`."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        await self._listening

    async def _listen(self) -> None:
        while self._process.stderr is not None and (data := await self._process.stderr.read(4096)):
            self._words = (self._words + data.decode("utf-8", "replace"))[-WORDS_KEPT:]


async def opened(host: str, remote: Sequence[str]) -> Line:
    """Run a command on another machine. Raises RuntimeUnreachable without an ssh client."""
    pipe = asyncio.subprocess.PIPE
    try:
        process = await asyncio.create_subprocess_exec(*command(host, remote), stdin=pipe, stdout=pipe, stderr=pipe)
    except FileNotFoundError as error:
        raise RuntimeUnreachable(
            "There is no ssh on this machine.", "Install an ssh client, or correct DOCKER_HOST."
        ) from error
    return SshLine(process)
