"""The way to a supervisor in a container: one `docker exec -i` that stays open, on this machine or another (DOCKER_HOST).

Docker's own client blocks, so what is rare (looking at the container, starting the exec) runs in threads; the stream itself is
asyncio's, except over TLS, whose sockets asyncio cannot take over: those are read in a thread. `ssh://` goes by `ssh`.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bot.domain.errors import RuntimeUnreachable
from bot.engine import ssh
from bot.engine.transport import Line, StreamLine, Transport

PATIENCE = 30
"""Seconds that Docker may take for each answer."""

SOCKET = "/run/fleet/supervisor.sock"
"""The supervisor's socket inside the image."""

_RUN = (
    "import importlib.util, runpy; "
    "name = 'bot.supervisor' if importlib.util.find_spec('bot.supervisor') else 'supervisor'; "
    "runpy.run_module(name, run_name='__main__', alter_sys=True)"
)
ATTACH = ("python3", "-P", "-c", _RUN, "--attach", SOCKET)
"""Command that joins its stdio to the supervisor's socket. Images of 0.1.0 call the package `supervisor`."""

HEADER = 8
"""Bytes before each chunk of an exec without a terminal: the stream's number, three zeros, its length (big-endian)."""

STDOUT, STDERR = 1, 2

WORDS_KEPT = 2000
"""Most characters of stderr that are remembered for a message."""


class Demux:
    """Takes the exec's stream apart: what came on stdout, and the end of what came on stderr."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.complaints = ""

    def feed(self, data: bytes) -> bytes:
        """What of stdout is complete now."""
        self._buffer += data
        out = bytearray()
        while len(self._buffer) >= HEADER:
            size = int.from_bytes(self._buffer[4:HEADER], "big")
            if len(self._buffer) < HEADER + size:
                break
            payload = bytes(self._buffer[HEADER : HEADER + size])
            if self._buffer[0] == STDOUT:
                out += payload
            elif self._buffer[0] == STDERR:
                self.complaints = (self.complaints + payload.decode("utf-8", "replace"))[-WORDS_KEPT:]
            del self._buffer[: HEADER + size]
        return bytes(out)

    @property
    def last_words(self) -> str:
        """The last line of stderr."""
        return (self.complaints.strip().splitlines() or [""])[-1]


class ExecLine(Line):
    """A line through an exec: raw both ways below, stdout only above."""

    def __init__(self, below: Line, client: Any) -> None:
        self._below, self._client, self._demux = below, client, Demux()

    async def read(self) -> bytes:
        """See `Line`. An exec that ends with words on stderr breaks with these words."""
        while data := await self._below.read():
            if found := self._demux.feed(data):
                return found
        if words := self._demux.last_words:
            raise ConnectionError(words)
        return b""

    async def write(self, data: bytes) -> None:
        """See `Line`."""
        await self._below.write(data)

    async def close(self) -> None:
        """See `Line`."""
        await self._below.close()
        await asyncio.to_thread(self._client.close)


class ThreadLine(Line):
    """A line over a socket that only blocks."""

    def __init__(self, end: Any) -> None:
        self._end = end
        self._sending = asyncio.Lock()

    async def read(self) -> bytes:
        """See `Line`."""
        return bytes(await asyncio.to_thread(self._end.recv, 65536))

    async def write(self, data: bytes) -> None:
        """See `Line`."""
        async with self._sending:
            await asyncio.to_thread(self._end.sendall, data)

    async def close(self) -> None:
        """See `Line`."""
        with contextlib.suppress(OSError, AttributeError):
            self._end.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            self._end.close()


@dataclass(frozen=True, slots=True)
class Place:
    """A container and how to get into it."""

    container: str = "overstory-runtime"
    user: str = "agent"
    host: str | None = None
    """As DOCKER_HOST; None leaves it to Docker's own settings."""

    @property
    def where(self) -> str:
        """The Docker host, for messages."""
        return f"the Docker host {self.host}" if self.host else "this Docker host"


def client_for(host: str | None) -> Any:
    """Docker's client, for DOCKER_HOST or the host named. Takes long to import, so nobody does until it is needed."""
    import docker

    if host is None:
        return docker.from_env(timeout=PATIENCE)
    return docker.DockerClient(base_url=host, timeout=PATIENCE)


class DockerTransport(Transport):
    """The supervisor inside a container."""

    def __init__(
        self,
        container: str = "overstory-runtime",
        *,
        host: str | None = None,
        user: str = "agent",
        name: str | None = None,
        client: Callable[[str | None], Any] = client_for,
    ) -> None:
        self.place = Place(container, user, host)
        self.name, self.kind = name or container, "docker"
        self._client = client

    async def open(self) -> Line:
        """See `Transport`."""
        if self.place.host and self.place.host.startswith("ssh://"):
            remote = ("docker", "exec", "-i", "-u", self.place.user, self.place.container, *ATTACH)
            return await ssh.opened(self.place.host, remote)
        try:
            async with asyncio.timeout(2 * PATIENCE):
                client, end = await asyncio.to_thread(self._enter)
        except TimeoutError as error:
            raise RuntimeUnreachable(
                f"Docker did not answer within {2 * PATIENCE} s.", "Is the Docker host overloaded?"
            ) from error
        raw = getattr(end, "_sock", end)
        if type(raw) is socket.socket:
            raw.setblocking(False)
            return ExecLine(StreamLine(*await asyncio.open_connection(sock=raw)), client)
        return ExecLine(ThreadLine(raw), client)

    def _enter(self) -> tuple[Any, Any]:
        """Look at the container and start the exec; blocks."""
        from docker.errors import APIError, DockerException, NotFound
        from requests.exceptions import RequestException

        client: Any = None
        try:
            client = self._client(self.place.host)
            found = client.api.inspect_container(self.place.container)
            check(found, self.place)
            begun = client.api.exec_create(
                found["Id"], list(ATTACH), stdin=True, stdout=True, stderr=True, user=self.place.user
            )
            return client, client.api.exec_start(begun["Id"], socket=True)
        except BaseException as error:
            if client is not None:
                client.close()
            if isinstance(error, NotFound):
                raise missing(self.place) from error
            if isinstance(error, APIError):
                said = f"Docker refused to enter {self.place.container}: {error.explanation}"
                raise RuntimeUnreachable(said, "See `docker logs` of that container.") from error
            if isinstance(error, DockerException | RequestException | OSError):
                raise no_docker(self.place, error) from error
            raise


def check(found: dict[str, Any], place: Place) -> None:
    """Raise in words if a container (as inspected) is not there to be entered."""
    state = found.get("State") or {}
    status, name = str(state.get("Status", "")), place.container
    if status == "paused":
        raise RuntimeUnreachable(f"The container {name} is paused.", f"Run `docker unpause {name}`.")
    if status == "restarting":
        raise RuntimeUnreachable(f"The container {name} ends again and again.", f"Read `docker logs {name}`.")
    if not state.get("Running"):
        code = state.get("ExitCode")
        raise RuntimeUnreachable(
            f"The container {name} is not running ({status}, exit code {code}).", f"Run `docker start {name}`."
        )
    health = (state.get("Health") or {}).get("Status")
    if health == "unhealthy":
        last = ((state["Health"].get("Log") or [{}])[-1]).get("Output", "").strip()
        raise RuntimeUnreachable(
            f"The container {name} is unhealthy: {last or 'no words'}",
            f"Read `docker logs {name}`, then `docker restart {name}`.",
        )


def missing(place: Place) -> RuntimeUnreachable:
    """There is no such container."""
    return RuntimeUnreachable(f"There is no container {place.container} on {place.where}.", "Run `docker compose up -d`.")


def no_docker(place: Place, error: BaseException) -> RuntimeUnreachable:
    """Docker itself does not answer."""
    words = str(error).strip().splitlines()
    return RuntimeUnreachable(
        f"Docker does not answer on {place.where}: {words[0][:300] if words else type(error).__name__}",
        "Start Docker, mend DOCKER_HOST, or choose FLEET_ENGINE=rehearsal.",
    )
