"""A fleet as its user starts it, with `fleet up` in its own folders, over HTTP and the WebSocket."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from tests.bench import machine

FLEET = Path(sys.executable).with_name("fleet")
TOKEN = "bench-token-not-a-secret"
PATIENCE = 60.0
"""Seconds to wait for a condition before giving up."""


class RunningFleet:
    """One running fleet. It gets `environment` and the variables of every fleet, but not this shell's own."""

    def __init__(self, folder: Path, registry: Path, environment: Mapping[str, str] | None = None) -> None:
        self.folder, self.state, self.registry = folder, folder / "state", registry
        self.web, self.gateway = free_ports(2)
        self.log = folder / "fleet.log"
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR", "DOCKER_HOST") if name in os.environ}
        self.environment = {
            **kept,
            "FLEET_STATE": str(self.state),
            "FLEET_PRODUCTS": str(registry),
            "FLEET_WEB_PORT": str(self.web),
            "FLEET_GATEWAY_PORT": str(self.gateway),
            "FLEET_WEB_TOKEN": TOKEN,
            **(environment or {}),
        }
        self.healthy_after = self.ready_after = 0.0
        """Seconds from the start of the process until /healthz and /readyz answered with 200."""
        self._process: subprocess.Popen[bytes] | None = None
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(
            f"http://127.0.0.1:{self.web}",
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=aiohttp.ClientTimeout(total=PATIENCE),
            trust_env=False,
        )
        try:
            await self.start()
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.end()
        await self.http.close()

    @property
    def http(self) -> aiohttp.ClientSession:
        """Return the signed-in HTTP session."""
        assert self._http is not None
        return self._http

    @property
    def pid(self) -> int:
        """Process id of the fleet."""
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start the fleet and wait until it is ready."""
        began = time.perf_counter()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [FLEET, "up"], cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        await self._until_answers("/healthz")
        self.healthy_after = time.perf_counter() - began
        await self._until_answers("/readyz")
        self.ready_after = time.perf_counter() - began

    async def end(self) -> None:
        """Stop the fleet as Ctrl-C does."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            await asyncio.to_thread(self._process.wait, PATIENCE)
        self._process = None

    async def get(self, path: str) -> Any:
        """Return the JSON at a path."""
        async with self.http.get(path) as answer:
            answer.raise_for_status()
            return await answer.json()

    async def say(self, text: str, conversation: str = "bench") -> list[dict[str, Any]]:
        """Post a message and return the replies."""
        async with self.http.post("/api/messages", json={"conversation": conversation, "text": text}) as answer:
            answer.raise_for_status()
            replies: list[dict[str, Any]] = (await answer.json())["replies"]
            return replies

    def listen(self) -> Any:
        """Open the WebSocket that a page uses."""
        return self.http.ws_connect("/ws", max_msg_size=2**24)

    async def _until_answers(self, path: str) -> None:
        async def look() -> bool:
            if self._process is None or self._process.poll() is not None:
                raise RuntimeError(f"the fleet ended:\n{self.log.read_text()[-4000:]}")
            try:
                async with self.http.get(path) as answer:
                    return answer.status == 200
            except aiohttp.ClientConnectionError:
                return False

        await until(look, f"{path} answers; the log is {self.log}", pause=0.005)


async def until(look: Callable[[], Awaitable[Any]], what: str, seconds: float = PATIENCE, pause: float = 0.05) -> Any:
    """Poll until the condition returns something, and return it."""
    end = time.monotonic() + seconds
    while not (seen := await look()):
        if time.monotonic() > end:
            raise RuntimeError(f"waited {seconds:g} s and it never came true that {what}")
        await asyncio.sleep(pause)
    return seen


def free_ports(number: int) -> list[int]:
    """Return free loopback ports."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports: list[int] = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports


def write_registry(path: Path, products: Mapping[str, str], **more: object) -> Path:
    """Write a registry of these products (name → path) and other sections, as JSON, which is valid YAML."""
    everything = {"max_cpu_percent": 100, "max_memory_gb": 1000}
    scheduling = {"max_concurrent_sessions": len(products), "resource_budget": everything}
    entries = [{"name": name, "path": where} for name, where in products.items()]
    path.write_text(json.dumps({"products": entries, "scheduling": scheduling, **more}, indent=2))
    return path


def end_supervisors(state: Path) -> None:
    """Stop the supervisors that a fleet on the rehearsal left running, and their processes."""
    for pid in supervisors(state):
        os.kill(pid, signal.SIGTERM)


def supervisors(state: Path) -> list[int]:
    """Return the pids of the supervisors beside a fleet."""
    return list(machine.processes("bot.supervisor", str((state / "runtime").absolute())))
