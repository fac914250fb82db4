"""Location of the engine.

The first of these wins: FLEET_ENGINE, `runtimes` of the registry, FLEET_RUNTIME_SOCKET, a running container
`overstory-runtime`, `ov` on the PATH of this machine, the rehearsal.
"""

import asyncio
import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from bot.domain.errors import SettingsError
from bot.engine import local
from bot.engine.docker import DockerTransport, client_for
from bot.engine.supervised import SupervisedEngine
from bot.engine.transport import Transport
from bot.engine.unix import UnixTransport
from bot.registry import Registry, Runtime
from bot.settings import Settings

CONTAINER = "overstory-runtime"
LOOK = 3.0
"""Seconds that the search for a running container may take."""


@dataclass(frozen=True, slots=True)
class EngineLocation:
    """Transports to the runtimes, with the reason of their choice."""

    transports: tuple[Transport, ...]
    why: str
    """Reason in a few words, for the start-up report."""

    @property
    def kind(self) -> str:
        """Kind of the first runtime, `rehearsal`, `local`, `docker` or `socket`."""
        return self.transports[0].kind

    def engine(self) -> SupervisedEngine:
        """Return the engine of all products, not opened yet."""
        return SupervisedEngine(*self.transports)


async def find(settings: Settings, registry: Registry) -> EngineLocation:
    """Return the location of the engine. Raises SettingsError for contradictory settings."""
    if settings.engine:
        return EngineLocation((_named(settings.engine, settings),), f"FLEET_ENGINE={settings.engine}")
    if registry.runtimes:
        return EngineLocation(
            tuple(_listed(each, settings, registry) for each in registry.runtimes), "runtimes of the registry"
        )
    if settings.runtime_socket:
        return EngineLocation((_named("socket", settings),), "FLEET_RUNTIME_SOCKET")
    if not is_demo(settings) and await container_runs(settings):
        return EngineLocation((_named("docker", settings),), f"container {CONTAINER} is running")
    if found := local.engine_on_path():
        return EngineLocation((_named("local", settings),), f"{found} on this machine")
    return EngineLocation((_named("rehearsal", settings),), f'no container "{CONTAINER}" and no ov here; see fleet doctor')


def is_demo(settings: Settings) -> bool:
    """Return True for the demo's products, which are folders of this machine that no container sees."""
    return settings.products.absolute().is_relative_to(settings.state.absolute() / "demo")


async def container_runs(settings: Settings) -> bool:
    """Return True if Docker answers and a container of the runtime's name is running."""
    if not settings.docker_host and not Path("/var/run/docker.sock").exists():
        return False
    with contextlib.suppress(TimeoutError):
        return await asyncio.wait_for(asyncio.to_thread(_container_runs, settings.docker_host), LOOK)
    return False


def _container_runs(host: str | None) -> bool:
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    try:
        with contextlib.closing(client_for(host)) as client:
            return bool(client.api.inspect_container(CONTAINER)["State"]["Running"])
    except (DockerException, RequestException, OSError):
        return False


def _named(kind: str, settings: Settings) -> Transport:
    if kind == "docker":
        return DockerTransport(CONTAINER, host=settings.docker_host)
    if kind == "socket":
        if settings.runtime_socket is None:
            raise SettingsError(
                "FLEET_ENGINE is socket, but FLEET_RUNTIME_SOCKET is not set.", "Set FLEET_RUNTIME_SOCKET to the socket's path."
            )
        return UnixTransport(settings.runtime_socket)
    return _beside(kind, settings, "local")


def _listed(runtime: Runtime, settings: Settings, registry: Registry) -> Transport:
    if runtime.kind == "docker":
        return DockerTransport(
            runtime.container, host=runtime.host or settings.docker_host, user=runtime.user, name=runtime.name
        )
    if runtime.kind == "socket":
        return UnixTransport(registry.file.absolute().parent / Path(runtime.socket or "").expanduser(), runtime.name)
    return _beside(runtime.kind, settings, runtime.name)


def _beside(kind: str, settings: Settings, name: str) -> Transport:
    key = settings.engine_anthropic_api_key
    url = {"ANTHROPIC_BASE_URL": settings.anthropic_base_url} if settings.anthropic_base_url else {}
    return local.LocalTransport(
        settings.state, kind, name=name, environment={**os.environ, **url}, key=key.get_secret_value() if key else None
    )
