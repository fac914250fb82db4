"""A coordinator as a process of its own, over the rehearsal engine: started, asked over HTTP, killed, started again.

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

from bot.cli import demo
from tests.ending import end_everything_in

ROOT = Path(__file__).parent.parent
PATIENCE = 90.0
"""Seconds after which a condition that has not come true is a failure."""
T = TypeVar("T")


class Process:
    """`fleet up` in a folder of its own, with the demo's products."""

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
        """Start it, and wait until it answers."""
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "bot.cli", "up"]
            self.process = subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=log, stderr=log)
        self.until(self._answers, "the coordinator answers")

    def kill(self) -> None:
        """kill -9, if it runs."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def end(self) -> None:
        """Ask it to end, as `docker stop` does, and wait until it has."""
        if self.process is not None:
            self.process.terminate()
            assert self.process.wait(PATIENCE) == 0
            self.process = None

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """One request of the API, signed in; the answer's JSON, whatever its status."""
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
        """Say something; the replies."""
        answer = self.ask("POST", "/api/messages", {"conversation": conversation, "text": text, **more})
        assert "replies" in answer, answer
        replies: list[dict[str, Any]] = answer["replies"]
        return replies

    def gates(self, state: str = "open") -> list[dict[str, Any]]:
        """Gates in a state."""
        found: list[dict[str, Any]] = self.ask("GET", f"/api/gates?state={state}")["gates"]
        return found

    def work(self) -> list[dict[str, Any]]:
        """All work, newest first."""
        found: list[dict[str, Any]] = self.ask("GET", "/api/work")["work"]
        return found

    def posts(self, conversation: str = "main", kind: str | None = None) -> list[dict[str, Any]]:
        """What was said in a conversation."""
        found: list[dict[str, Any]] = self.ask("GET", f"/api/conversations/{conversation}/posts")["posts"]
        return [post for post in found if kind in (None, post["kind"])]

    def until(self, condition: Callable[[], T], what: str) -> T:
        """Wait until something is true; what it then is."""
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
            raise AssertionError(f"the coordinator ended: {self.log.read_text()[-4000:]}")
        try:
            where = json.loads((self.state / "bot.json").read_text())
            return where["pid"] == self.process.pid and "status" in self.ask("GET", "/healthz")
        except (OSError, ValueError):
            return False
