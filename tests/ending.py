"""Ends what a test has started, and what that has started in turn."""

import contextlib
import os
import signal
from pathlib import Path


def end_everything_in(folder: Path) -> None:
    """Kill the processes that work in a folder or name it on their command line."""
    for _ in range(3):
        for pid in processes_of(folder):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                os.kill(pid, signal.SIGCONT)


def processes_of(folder: Path) -> list[int]:
    """Return the processes that work in a folder or name it on their command line, except this one."""
    found, text = [], os.fsencode(folder)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                state = (entry / "stat").read_bytes().rpartition(b")")[2].split()[0]
                if state not in b"ZX" and (
                    text in (entry / "cmdline").read_bytes() or text in os.fsencode((entry / "cwd").readlink())
                ):
                    found.append(int(entry.name))
    return found
