"""The running fleet of a state folder, with its lock, its announcement in `bot.json`, and its client.

Nothing heavy is imported here, so that a command which only asks the running fleet starts at once.
"""

import fcntl
import http.client
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from bot.domain import TERMINAL
from bot.domain.errors import FleetError, StoreError

LONGEST = 300.0
"""Seconds that a skill may take before the command stops waiting."""
CONVERSATION = TERMINAL.removeprefix("web:")
"""Conversation of messages sent from a terminal. The page shows it under this name too."""


@dataclass(frozen=True, slots=True)
class RunningFleet:
    """A client of a fleet that runs on this machine."""

    pid: int
    url: str
    token: str

    def skill(self, name: str, arguments: dict[str, Any], *, conversation: str = CONVERSATION) -> dict[str, Any]:
        """Run a skill and return `{"text", "data", "table", …}`.

        Raises FleetError with the fleet's own message."""
        return self._ask("POST", f"/api/skills/{quote(name)}?conversation={quote(conversation)}", arguments)

    def products(self) -> tuple[str, ...]:
        """Return the names of its products."""
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
                f"The fleet at {self.url} did not answer: {error or type(error).__name__}.",
                "The request may still have been accepted. Check with `/fleet status`.",
                code="no_answer",
            ) from error
        if status >= 400:
            said = answer.get("error", {})
            raise FleetError(
                said.get("message", f"The fleet answered with status {status}."),
                said.get("hint", ""),
                code=said.get("code", "error"),
            )
        return answer


def find(state: Path) -> RunningFleet | None:
    """Find the fleet that runs on a state folder.

    None if none does. Raises FleetError if one does not answer."""
    running = _read_announcement(state)
    if running is None:
        if _locked(state):
            raise FleetError(f"A fleet is starting on {state}.", "Try again in a moment.", code="no_answer")
        return None
    try:
        status, text = _request(running.url, "GET", "/healthz", None, {}, 3.0)
        if status == 200 and json.loads(text).get("status") == "ok":
            return running
        why = f"/healthz returned {status}"
    except (OSError, http.client.HTTPException, ValueError) as error:
        why = str(error) or type(error).__name__
    raise FleetError(
        f"A fleet is running (process {running.pid}), but it does not answer at {running.url}: {why}.",
        f"It may still be starting: try again. If it hangs, stop it with `kill {running.pid}` and run `/fleet doctor`.",
        code="no_answer",
    )


@contextmanager
def locked(state: Path) -> Iterator[None]:
    """Hold the lock of a state folder, so that one fleet runs on it. The lock ends with the process.

    Raises StoreError if the folder is not writable, and FleetError if another fleet holds the lock."""
    try:
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(state / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(
            f"The state folder {state} is not writable: {error.strerror}.",
            "Make it writable, or set FLEET_STATE to another folder.",
        ) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise FleetError(
                f"Another fleet is already running on {state}.",
                "Use it, or stop it first; `fleet doctor` shows its address and process.",
                code="running",
            ) from None
        yield
    finally:
        os.close(handle)


@contextmanager
def announced(state: Path, url: str, token: str) -> Iterator[None]:
    """Announce this process in `bot.json`, through which commands on this machine find it."""
    path = state / "bot.json"
    write_private(path, json.dumps({"pid": os.getpid(), "url": url, "token": token}))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def _read_announcement(state: Path) -> RunningFleet | None:
    """Return the fleet that `bot.json` announces, while its process exists."""
    try:
        said = json.loads((state / "bot.json").read_text())
        running = RunningFleet(int(said["pid"]), str(said["url"]), str(said["token"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return running if _exists(running.pid) else None


def _locked(state: Path) -> bool:
    """Return True if a fleet holds the state folder's lock, as it does before it answers."""
    try:
        with (state / "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _exists(pid: int) -> bool:
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
