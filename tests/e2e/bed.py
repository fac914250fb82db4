"""Programs, the Docker engine and a compose project for the end-to-end tests."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import pytest

ROOT = Path(__file__).resolve().parents[2]
ARTIFACTS = ROOT / "artifacts"
"""Folder for logs and screenshots, ignored by git."""

BOT, RUNTIME = "meta-coordinator", "overstory-runtime"
"""Names of the services and of their containers."""

T = TypeVar("T")


def unavailable(reason: str) -> NoReturn:
    """Skip a test that this machine cannot run. In CI, fail instead."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def run(argv: Sequence[str | Path], *, env: Mapping[str, str] | None = None, seconds: float = 120, check: bool = True) -> str:
    """Run a program and return what it printed, or fail with that output."""
    words = [str(word) for word in argv]
    done = subprocess.run(
        words,
        env=env,
        cwd=ROOT,
        timeout=seconds,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if check and done.returncode != 0:
        pytest.fail(f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout[-4000:]}", pytrace=False)
    return done.stdout


def until(look: Callable[[], T], what: str, seconds: float = 30) -> T:
    """Poll until the condition returns something. Fail after `seconds`."""
    end = time.monotonic() + seconds
    while not (seen := look()):
        if time.monotonic() > end:
            pytest.fail(f"waited {seconds:g} s for {what}", pytrace=False)
        time.sleep(0.1)
    return seen


def free_ports(number: int) -> list[int]:
    """Return free loopback ports."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports


def inspect(name: str) -> dict[str, Any]:
    """Return what Docker reports about a container."""
    found: dict[str, Any] = json.loads(run(["docker", "container", "inspect", name]))[0]
    return found


def inside(container: str, *argv: str, check: bool = True) -> str:
    """Run a command in a container, as its user."""
    return run(["docker", "exec", container, *argv], check=check).strip()


def compose_program() -> list[str]:
    """Return the command of Docker Compose, installed beside this Python or as Docker's plugin."""
    here = Path(sys.executable).with_name("docker-compose")
    return [str(here)] if here.exists() else ["docker", "compose"]


def take_certificates() -> None:
    """Let images trust this machine's additional certificates, as behind a proxy that inspects TLS."""
    for certificate in Path("/usr/local/share/ca-certificates").glob("*.crt"):
        shutil.copyfile(certificate, ROOT / "containers" / "certificates" / certificate.name)


@dataclass(frozen=True)
class Compose:
    """A project of `compose.yaml` with its own name and with every user setting given here."""

    project: str
    settings: Mapping[str, str]

    def __call__(self, *words: str, seconds: float = 180, check: bool = True) -> str:
        """Run one compose command."""
        files = ["-f", "compose.yaml", "-f", "tests/e2e/compose.e2e.yaml"]
        # Neither this checkout's .env nor the shell's settings may affect the tests.
        clean = {name: os.environ[name] for name in ("PATH", "HOME", "DOCKER_HOST", "DOCKER_CONFIG") if name in os.environ}
        argv = [*compose_program(), "--env-file", os.devnull, "-p", self.project, *files, *words]
        return run(argv, env={**clean, **self.settings}, seconds=seconds, check=check)

    def up(self, *services: str) -> None:
        """Start the services and wait until they are healthy."""
        try:
            self("up", "--wait", "--wait-timeout", "120", *services)
        except BaseException:
            self.keep_logs("failed-start")
            raise

    def down(self) -> None:
        """Remove everything, including volumes."""
        self("down", "--volumes", "--remove-orphans", "--timeout", "5")

    def keep_logs(self, name: str) -> None:
        """Save the containers' logs to the artifacts."""
        (ARTIFACTS / f"{name}.log").write_text(self("logs", "--no-color", "--timestamps", check=False))
