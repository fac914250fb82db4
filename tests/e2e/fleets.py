"""A running fleet as its user sees it, over HTTP and from the command line, which can be killed."""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from bot import demo
from tests.e2e.bed import BOT, Compose, free_ports, run, until
from tests.ending import end_everything_in

DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Opener without a proxy, for loopback."""


@dataclass(frozen=True)
class Answer:
    """An HTTP response with its status and its JSON or text."""

    status: int
    body: Any


class Fleet(ABC):
    """A fleet with its runtime. `kill` and `start` affect the fleet only."""

    name: str
    registry: Path
    """Path of its products.yaml."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self.settings = settings
        self.registry = Path(settings["REGISTRY_FOLDER"]) / "products.yaml"

    @abstractmethod
    def start(self) -> None:
        """Start the fleet and wait until it is ready."""

    @abstractmethod
    def kill(self) -> None:
        """Kill the fleet with SIGKILL."""

    @abstractmethod
    def command(self, *words: str) -> str:
        """Return what a `fleet` command prints where the fleet runs."""

    def restart(self) -> None:
        """Kill and restart the fleet."""
        self.kill()
        self.start()

    @property
    def url(self) -> str:
        """URL of the page."""
        return f"http://localhost:{self.settings['FLEET_WEB_PORT']}"

    def request(self, method: str, path: str, body: object = None, *, port: str = "FLEET_WEB_PORT") -> Answer:
        """Send a request with the token. A connection error returns status 0."""
        url = f"http://localhost:{self.settings[port]}{path}"
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.settings['FLEET_WEB_TOKEN']}", "Content-Type": "application/json"}
        try:
            with DIRECT.open(urllib.request.Request(url, data, headers, method=method), timeout=60) as response:
                return _answer(response.status, response.read())
        except urllib.error.HTTPError as error:
            with error:
                return _answer(error.code, error.read())
        except OSError:
            return Answer(0, None)

    def get(self, path: str) -> Any:
        """Return the JSON at an existing path."""
        answer = self.request("GET", path)
        assert answer.status == 200, answer
        return answer.body

    def say(self, text: str, conversation: str) -> str:
        """Return the answer to a message as one text."""
        answer = self.request("POST", "/api/messages", {"conversation": conversation, "text": text})
        assert answer.status == 200, answer
        return "\n".join(reply["text"] for reply in answer.body["replies"])

    def posts(self, conversation: str) -> list[dict[str, Any]]:
        """Return the posts of a conversation, oldest first."""
        found: list[dict[str, Any]] = self.get(f"/api/conversations/{conversation}/posts")["posts"]
        return found

    def gates(self, product: str, state: str = "open") -> list[dict[str, Any]]:
        """Return a product's gates, oldest first."""
        found: list[dict[str, Any]] = self.get(f"/api/gates?state={state}&product={product}")["gates"]
        return found

    def work(self, product: str) -> list[dict[str, Any]]:
        """Return a product's work, newest first."""
        found: list[dict[str, Any]] = self.get(f"/api/work?product={product}")["work"]
        return found

    def product(self, name: str) -> dict[str, Any]:
        """Return a product's status."""
        products: list[dict[str, Any]] = self.get("/api/status")["products"]
        return next(each for each in products if each["name"] == name)

    def gate(self, product: str, revision: int = 1, seconds: float = 30) -> dict[str, Any]:
        """Wait for a product's open gate at that revision, and return it."""

        def look() -> dict[str, Any] | None:
            found = self.gates(product)
            assert len(found) <= 1, found
            return found[0] if found and found[0]["revision"] == revision else None

        return until(look, f"revision {revision} of a gate of {product}", seconds) or {}

    def decide(self, gate: Mapping[str, Any], choice: str, note: str = "") -> Answer:
        """Decide a gate as it was shown."""
        body = {"choice": choice, "note": note, "revision": gate["revision"]}
        return self.request("POST", f"/api/gates/{gate['id']}/decision", body)

    def finished(self, product: str, seconds: float = 60) -> dict[str, Any]:
        """Wait until a product has no unfinished work, and return its newest work."""

        def look() -> dict[str, Any] | None:
            found = self.work(product)
            return (
                found[0]
                if found and all(each["state"] in {"done", "rejected", "failed", "cancelled"} for each in found)
                else None
            )

        return until(look, f"the work of {product} to end", seconds) or {}

    def ready(self) -> bool:
        """Return True if /readyz says so."""
        return self.request("GET", "/readyz").status == 200


class InContainers(Fleet):
    """A fleet with both containers of compose.yaml."""

    name = "containers"

    def __init__(self, compose: Compose) -> None:
        super().__init__(compose.settings)
        self.compose = compose

    def start(self) -> None:
        self.compose.up()
        until(self.ready, "the fleet to be ready")

    def kill(self) -> None:
        run(["docker", "kill", "--signal", "KILL", BOT])

    def command(self, *words: str) -> str:
        return run(["docker", "exec", BOT, "fleet", *words])


class OnHost(Fleet):
    """A fleet on this machine over `docker exec`, with its runtime in a container."""

    name = "host"

    def __init__(self, settings: Mapping[str, str], folder: Path, log: TextIO) -> None:
        super().__init__(settings)
        self.folder, self.log = folder, log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """Environment of the fleet, without this shell's variables."""
        wanted = ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "FLEET_WEB_PORT", "FLEET_GATEWAY_PORT", "FLEET_WEB_TOKEN")
        return {
            **{name: os.environ[name] for name in ("PATH", "HOME", "DOCKER_HOST") if name in os.environ},
            **{name: self.settings[name] for name in wanted if name in self.settings},
            "FLEET_ENGINE": "docker",
            "FLEET_PRODUCTS": str(self.registry),
            "FLEET_STATE": str(self.folder / "state"),
        }

    @property
    def program(self) -> str:
        """Path of the `fleet` command beside this Python."""
        return str(Path(sys.executable).with_name("fleet"))

    def start(self) -> None:
        # A separate folder, because `fleet` reads a .env in its working directory.
        self._process = subprocess.Popen(
            [self.program, "up"],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )
        until(self.ready, "the fleet to be ready")

    def kill(self) -> None:
        self.end(signal.SIGKILL)

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Send the fleet a signal, wait until it has exited, and return its exit code."""
        if self._process is None:
            return 0
        self._process.send_signal(how)
        code = self._process.wait(30)
        self._process = None
        return code

    def command(self, *words: str) -> str:
        return run([self.program, *words], env=self.environment)


class Rehearsing(OnHost):
    """A fleet and the rehearsal engine on this machine, with their own test products and without Docker."""

    name = "rehearsal"

    @classmethod
    def fresh(cls, folder: Path, log: TextIO) -> "Rehearsing":
        """Create a fleet with free ports and its own token."""
        web, gateway = free_ports(2)
        settings = {
            "FLEET_WEB_PORT": str(web),
            "FLEET_GATEWAY_PORT": str(gateway),
            "FLEET_WEB_TOKEN": secrets.token_urlsafe(24),
            "REGISTRY_FOLDER": str(demo.prepare(folder / "state").parent),
        }
        return cls(settings, folder, log)

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, "FLEET_ENGINE": "rehearsal", "REHEARSAL_SECONDS": "1"}

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Stop the fleet, the supervisor and the sessions that outlive it."""
        code = super().end(how)
        if how is not signal.SIGKILL:
            end_everything_in(self.folder)
        return code


def _answer(status: int, data: bytes) -> Answer:
    try:
        return Answer(status, json.loads(data))
    except ValueError:
        return Answer(status, data.decode())


def quiet(seconds: float) -> None:
    """Wait for something that must not happen."""
    time.sleep(seconds)
