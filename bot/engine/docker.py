"""Transport to a supervisor in a container through one open `docker exec -i`.

Docker's own client blocks, so the rare calls (inspecting the container, starting the exec) run in threads. The stream itself
uses asyncio, except over TLS, whose sockets asyncio cannot adopt: those are read in a thread. Hosts of `ssh://` are reached
by `ssh`.
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
"""Seconds that Docker may take for each response."""

SOCKET = "/run/fleet/supervisor.sock"
"""The supervisor's socket inside the image."""

_RUN = (
    "import importlib.util, runpy; "
    "name = 'bot.supervisor' if importlib.util.find_spec('bot.supervisor') else 'supervisor'; "
    "runpy.run_module(name, run_name='__main__', alter_sys=True)"
)
ATTACH = ("python3", "-P", "-c", _RUN, "--attach", SOCKET)
"""Command that connects its stdio to the supervisor's socket.

Images of 0.1.0 call the package `supervisor`."""

HEADER = 8
"""Bytes before each chunk of an exec without a terminal.

They are the stream's number, three zeros, and the chunk's length (big-endian). Source: Docker Engine API, container attach."""

STDOUT, STDERR = 1, 2

WORDS_KEPT = 2000
"""Most characters of stderr that are stored for a message."""


class Demux:
    """Demultiplexer of an exec's stream into stdout and the end of stderr."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.complaints = ""

    def feed(self, data: bytes) -> bytes:
        """Return the bytes of stdout that are complete now."""
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
    """Line through an exec. It writes to stdin and reads stdout."""

    def __init__(self, below: Line, client: Any) -> None:
        self._below, self._client, self._demux = below, client, Demux()

    async def read(self) -> bytes:
        """See `Line`. An exec that ends with text on stderr raises ConnectionError with that text."""
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
    """Line over a blocking socket."""

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
class Address:
    """Container, user and Docker host of a runtime."""

    container: str = "overstory-runtime"
    user: str = "agent"
    host: str | None = None
    """Docker host as in DOCKER_HOST, None for Docker's own settings."""

    @property
    def where(self) -> str:
        """Docker host in messages."""
        return f"the Docker host {self.host}" if self.host else "this Docker host"


def client_for(host: str | None) -> Any:
    """Return Docker's client for a host, or for DOCKER_HOST. The import is late because it is slow."""
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
        self.address = Address(container, user, host)
        self.name, self.kind = name or container, "docker"
        self._client = client

    async def open(self) -> Line:
        """See `Transport`."""
        if self.address.host and self.address.host.startswith("ssh://"):
            remote = ("docker", "exec", "-i", "-u", self.address.user, self.address.container, *ATTACH)
            return await ssh.opened(self.address.host, remote)
        try:
            async with asyncio.timeout(2 * PATIENCE):
                client, end = await asyncio.to_thread(self._enter)
        except TimeoutError as error:
            raise RuntimeUnreachable(
                f"Docker did not answer within {2 * PATIENCE} s.", "Check the load of the Docker host."
            ) from error
        raw = getattr(end, "_sock", end)
        if type(raw) is socket.socket:
            raw.setblocking(False)
            return ExecLine(StreamLine(*await asyncio.open_connection(sock=raw)), client)
        return ExecLine(ThreadLine(raw), client)

    def _enter(self) -> tuple[Any, Any]:
        """Inspect the container and start the exec. Blocks."""
        from docker.errors import APIError, DockerException, NotFound
        from requests.exceptions import RequestException

        client: Any = None
        try:
            client = self._client(self.address.host)
            found = client.api.inspect_container(self.address.container)
            check(found, self.address)
            begun = client.api.exec_create(
                found["Id"], list(ATTACH), stdin=True, stdout=True, stderr=True, user=self.address.user
            )
            return client, client.api.exec_start(begun["Id"], socket=True)
        except BaseException as error:
            if client is not None:
                client.close()
            if isinstance(error, NotFound):
                raise missing(self.address) from error
            if isinstance(error, APIError):
                summary = f"Docker refused to enter {self.address.container}: {error.explanation}"
                raise RuntimeUnreachable(summary, "See `docker logs` of that container.") from error
            if isinstance(error, DockerException | RequestException | OSError):
                raise no_docker(self.address, error) from error
            raise


def check(found: dict[str, Any], address: Address) -> None:
    """Raise RuntimeUnreachable if a container, as inspected, cannot be entered."""
    state = found.get("State") or {}
    status, name = str(state.get("Status", "")), address.container
    if status == "paused":
        raise RuntimeUnreachable(f"The container {name} is paused.", f"Run `docker unpause {name}`.")
    if status == "restarting":
        raise RuntimeUnreachable(f"The container {name} keeps restarting.", f"Read `docker logs {name}`.")
    if not state.get("Running"):
        code = state.get("ExitCode")
        raise RuntimeUnreachable(
            f"The container {name} is not running ({status}, exit code {code}).", f"Run `docker start {name}`."
        )
    health = (state.get("Health") or {}).get("Status")
    if health == "unhealthy":
        last = ((state["Health"].get("Log") or [{}])[-1]).get("Output", "").strip()
        raise RuntimeUnreachable(
            f"The container {name} is unhealthy: {last or 'no output'}",
            f"Read `docker logs {name}`, then `docker restart {name}`.",
        )


def missing(address: Address) -> RuntimeUnreachable:
    """Return the error for a container that does not exist."""
    return RuntimeUnreachable(f"There is no container {address.container} on {address.where}.", "Run `docker compose up -d`.")


def no_docker(address: Address, error: BaseException) -> RuntimeUnreachable:
    """Return the error for a Docker host that does not answer."""
    words = str(error).strip().splitlines()
    return RuntimeUnreachable(
        f"Docker does not answer on {address.where}: {words[0][:300] if words else type(error).__name__}",
        "Start Docker, correct DOCKER_HOST, or set FLEET_ENGINE=rehearsal.",
    )
