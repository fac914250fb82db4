"""The coordinator that runs on this machine, as commands find it: `bot.json` in the state folder says where.

Nothing heavy is imported here, so that a command which only asks the running coordinator starts at once.
"""

import fcntl
import http.client
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from bot.domain import TERMINAL
from bot.domain.errors import FleetError

LONGEST = 300.0
"""Seconds that a skill may take before the command gives up waiting."""
CONVERSATION = TERMINAL.removeprefix("web:")
"""Where what is said in a terminal belongs; the page shows it under this name too."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A coordinator that answers."""

    pid: int
    url: str
    token: str

    def skill(self, name: str, arguments: dict[str, Any], *, conversation: str = CONVERSATION) -> dict[str, Any]:
        """Run a skill there: `{"text", "data", "table", …}`. Raises FleetError with what it said."""
        return self._ask("POST", f"/api/skills/{quote(name)}?conversation={quote(conversation)}", arguments)

    def products(self) -> tuple[str, ...]:
        """Names of its products."""
        return tuple(str(each["name"]) for each in self._ask("GET", "/api/status")["products"])

    def stop_turn(self, conversation: str) -> None:
        """Stop the turn that runs in a conversation."""
        self._ask("POST", "/api/stop", {"conversation": conversation})

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        try:
            status, text = _request(self.url, method, path, json.dumps(body) if body is not None else None, headers, LONGEST)
            answer: dict[str, Any] = json.loads(text)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise FleetError(
                f"The coordinator at {self.url} did not answer: {error or type(error).__name__}.",
                "What was asked may still happen: look with `/fleet status`.",
                code="no_answer",
            ) from error
        if status >= 400:
            said = answer.get("error", {})
            raise FleetError(
                said.get("message", f"It answered {status}."), said.get("hint", ""), code=said.get("code", "error")
            )
        return answer


def find(state: Path) -> Remote | None:
    """The coordinator that runs on a state folder; None if none does. Raises FleetError for one that does not answer."""
    remote = _announced(state)
    if remote is None:
        if _locked(state):
            raise FleetError(f"A coordinator is starting on {state}.", "Try again in a moment.", code="no_answer")
        return None
    try:
        status, text = _request(remote.url, "GET", "/healthz", None, {}, 3.0)
        if status == 200 and json.loads(text).get("status") == "ok":
            return remote
        why = f"/healthz says {status}"
    except (OSError, http.client.HTTPException, ValueError) as error:
        why = str(error) or type(error).__name__
    raise FleetError(
        f"A coordinator runs here (process {remote.pid}), but it does not answer at {remote.url}: {why}.",
        "It may be starting: try again. If it hangs, stop that process; `/fleet doctor` looks closer.",
        code="no_answer",
    )


def _announced(state: Path) -> Remote | None:
    """What `bot.json` says, while the process that wrote it lives."""
    try:
        said = json.loads((state / "bot.json").read_text())
        remote = Remote(int(said["pid"]), str(said["url"]), str(said["token"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return remote if lives(remote.pid) else None


def _locked(state: Path) -> bool:
    """Whether a coordinator holds the state folder, as one does before it answers."""
    try:
        with (state / "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def lives(pid: int) -> bool:
    """Whether a process of this number runs."""
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _request(url: str, method: str, path: str, body: str | None, headers: dict[str, str], seconds: float) -> tuple[int, bytes]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port or 80, timeout=seconds)
    try:
        connection.request(method, path, body.encode() if body is not None else None, headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()
