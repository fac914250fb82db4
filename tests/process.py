"""The fleet as a separate process over the rehearsal engine, which tests start, query and kill.

with Process(tmp_path) as fleet:
    fleet.start()
    fleet.say("/fleet status")
    fleet.kill()
"""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from bot import demo
from tests.ending import end_everything_in

ROOT = Path(__file__).parent.parent
PATIENCE = 90.0
"""Seconds to wait for a condition before failing."""
T = TypeVar("T")


class Process:
    """`fleet up` in a separate folder, with the demo's products."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.state = folder / "state"
        self.products = demo.prepare(self.state)
        self.log = folder / "fleet.log"
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        self.environment = {
            **kept,
            "FLEET_STATE": str(self.state),
            "FLEET_PRODUCTS": str(self.products),
            "FLEET_ENGINE": "rehearsal",
            "FLEET_WEB_PORT": "0",
            "FLEET_GATEWAY_PORT": "0",
            "REHEARSAL_SECONDS": "0.3",
            **environment,
        }
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.kill()
        if error is not None and self.log.exists():
            print(self.log.read_text())
        end_everything_in(self.state)

    def start(self) -> None:
        """Start it, and wait until it responds."""
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "bot.cli", "up"]
            self.process = subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=log, stderr=log)
        self.until(self._answers, "the fleet responds")

    def kill(self) -> None:
        """Kill it with kill -9 if it runs."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def end(self) -> None:
        """Terminate it as `docker stop` does, and wait for its end."""
        if self.process is not None:
            self.process.terminate()
            assert self.process.wait(PATIENCE) == 0
            self.process = None

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Send an authenticated request. Returns the JSON of the response, for any status."""
        where = json.loads((self.state / "bot.json").read_text())
        headers = {"Authorization": f"Bearer {where['token']}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{where['url']}{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refusal:
            with refusal:
                return json.load(refusal)

    def say(self, text: str, conversation: str = "main", **more: Any) -> list[dict[str, Any]]:
        """Send a message. Returns the replies."""
        answer = self.ask("POST", "/api/messages", {"conversation": conversation, "text": text, **more})
        assert "replies" in answer, answer
        replies: list[dict[str, Any]] = answer["replies"]
        return replies

    def gates(self, state: str = "open") -> list[dict[str, Any]]:
        """Return the gates in a state."""
        found: list[dict[str, Any]] = self.ask("GET", f"/api/gates?state={state}")["gates"]
        return found

    def work(self) -> list[dict[str, Any]]:
        """Return all work, newest first."""
        found: list[dict[str, Any]] = self.ask("GET", "/api/work")["work"]
        return found

    def posts(self, conversation: str = "main", kind: str | None = None) -> list[dict[str, Any]]:
        """Return the posts of a conversation."""
        found: list[dict[str, Any]] = self.ask("GET", f"/api/conversations/{conversation}/posts")["posts"]
        return [post for post in found if kind in (None, post["kind"])]

    def until(self, condition: Callable[[], T], what: str) -> T:
        """Wait until a value is true. Returns the value."""
        end = time.monotonic() + PATIENCE
        while True:
            if found := condition():
                return found
            if time.monotonic() > end:
                raise AssertionError(f"it never came true that {what}; the log:\n{self.log.read_text()[-4000:]}")
            time.sleep(0.02)

    def _answers(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"the fleet ended: {self.log.read_text()[-4000:]}")
        try:
            where = json.loads((self.state / "bot.json").read_text())
            return where["pid"] == self.process.pid and "status" in self.ask("GET", "/healthz")
        except (OSError, ValueError):
            return False
