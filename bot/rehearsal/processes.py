"""Start, check and end of the engine's own processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from bot.rehearsal.dialects import CHILD

"""The program that every child process runs."""
GRACE_SECONDS = 2.0
"""Seconds that a process may take to end before it is killed."""


def alive(pid: int | None) -> bool:
    """Return True if a process of ours runs under this id. Zombies do not count."""
    if pid is None or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return False
    proc = Path(f"/proc/{pid}")
    if not proc.exists():
        return True
    try:
        state = proc.joinpath("stat").read_text().rpartition(")")[2].split()[0]
        return state != "Z" and CHILD.encode() in proc.joinpath("cmdline").read_bytes()
    except (OSError, IndexError):
        return False


def spawn(
    role: str,
    arguments: Sequence[str],
    cwd: Path,
    *,
    log: Path,
    stdin: int | None = subprocess.DEVNULL,
    stdout: int | IO[bytes] | None = None,
    environment: dict[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a child with a role (coordinator, worker).

    Its stderr, and stdout unless requested, go to a log."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "bot.rehearsal", CHILD + role, *arguments],
            cwd=cwd,
            stdin=stdin,
            stdout=out if stdout is None else stdout,
            stderr=out,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )


def die_with_parent() -> None:
    """Be killed when the parent of this process dies, even while stopped.

    This needs Linux. Elsewhere the end of stdin does it."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def end(pid: int | None) -> bool:
    """End a process of ours, by force if necessary. Return True if there was one."""
    if pid is None or not alive(pid):
        return False
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.kill(pid, sign)
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            return True
        deadline = time.monotonic() + GRACE_SECONDS
        while alive(pid) and time.monotonic() < deadline:
            time.sleep(0.01)
        if not alive(pid):
            return True
    return True
