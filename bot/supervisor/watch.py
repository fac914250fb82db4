"""Detection of changes in the engine's databases by size and time.

A check costs microseconds. `ov serve` pushes mail over its WebSocket, but it polls the same files every 250 ms, and only while
it runs.
"""

import asyncio
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

POLL_INTERVAL = 0.1
"""Seconds between two checks."""

SLOW_THRESHOLD = 0.05
"""Seconds for one check after which a product is checked in a thread.

It then does not delay the others."""

RESCAN = 10.0
"""Seconds after which a product counts as changed anyway.

Two writes within one clock tick look like one."""

FILES = ("mail.db", "mail.db-wal", "sessions.db", "sessions.db-wal", "metrics.db", "metrics.db-wal", "config.yaml")

Signature = tuple[tuple[int, int, int], ...]


def signature(folder: Path) -> Signature:
    """Return inode, modification time and size of each file, zeros for a missing one."""
    # This runs hundreds of times a second, and pathlib would cost four times as much as the check.
    found, base = [], f"{folder}/"
    for name in FILES:
        try:
            stat = os.stat(base + name)  # noqa: PTH116
            found.append((stat.st_ino, stat.st_mtime_ns, stat.st_size))
        except OSError:
            found.append((0, 0, 0))
    return tuple(found)


class Watched:
    """One watched folder."""

    def __init__(self, folder: Path, changed: Callable[[], None]) -> None:
        self.folder, self.changed = folder, changed
        self._seen: Signature | None = None
        self._again = False
        self._reported = 0.0
        self._busy = False
        self.slow = False

    async def check(self) -> None:
        """Check the folder and report a change.

        A change is reported twice, one check apart, in case the first one saw half of it."""
        if self._busy:
            return
        self._busy = True
        try:
            started = time.monotonic()
            found = await asyncio.to_thread(signature, self.folder) if self.slow else signature(self.folder)
            self.slow = time.monotonic() - started > SLOW_THRESHOLD
        finally:
            self._busy = False
        fresh = found != self._seen
        if fresh or self._again or started - self._reported > RESCAN:
            self._reported = started
            self.changed()
        self._seen, self._again = found, fresh


async def watch(folders: Callable[[], Iterable[Watched]]) -> None:
    """Check every folder until cancelled, without waiting for a slow one."""
    behind: set[asyncio.Task[None]] = set()
    while True:
        for watched in tuple(folders()):
            if watched.slow:
                task = asyncio.create_task(watched.check())
                behind.add(task)
                task.add_done_callback(behind.discard)
            else:
                await watched.check()
        await asyncio.sleep(POLL_INTERVAL)
