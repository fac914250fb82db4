"""Sees the engine's databases change: looks at their sizes and times, which costs microseconds, for every product in turn.

`ov serve` pushes mail over its WebSocket, but it polls the same files itself every 250 ms, and only while it runs.
"""

import asyncio
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

LOOK = 0.1
"""Seconds from one look to the next."""

SLOW = 0.05
"""Seconds that looking at one product may take before it is looked at in a thread, so that it holds up nobody else."""

RESCAN = 10.0
"""Seconds after which a product counts as changed anyway: two writes within a tick of the file system's clock look like one."""

FILES = ("mail.db", "mail.db-wal", "sessions.db", "sessions.db-wal", "metrics.db", "metrics.db-wal", "config.yaml")

Signature = tuple[tuple[int, int, int], ...]


def signature(folder: Path) -> Signature:
    """What stands for the state of the files: number, time and size of each; zeros for one that is missing."""
    # Without pathlib, which costs four times as much as the looking: this is done hundreds of times a second.
    found, base = [], f"{folder}/"
    for name in FILES:
        try:
            stat = os.stat(base + name)  # noqa: PTH116
            found.append((stat.st_ino, stat.st_mtime_ns, stat.st_size))
        except OSError:
            found.append((0, 0, 0))
    return tuple(found)


class Watched:
    """One folder under watch."""

    def __init__(self, folder: Path, changed: Callable[[], None]) -> None:
        self.folder, self.changed = folder, changed
        self._seen: Signature | None = None
        self._again = False
        self._told = 0.0
        self._busy = False
        self.slow = False

    async def look(self) -> None:
        """Look, and tell if something changed; a change is told twice, one look apart, in case it was caught half-way."""
        if self._busy:
            return
        self._busy = True
        try:
            started = time.monotonic()
            found = await asyncio.to_thread(signature, self.folder) if self.slow else signature(self.folder)
            self.slow = time.monotonic() - started > SLOW
        finally:
            self._busy = False
        fresh = found != self._seen
        if fresh or self._again or started - self._told > RESCAN:
            self._told = started
            self.changed()
        self._seen, self._again = found, fresh


async def watch(folders: Callable[[], Iterable[Watched]]) -> None:
    """Look at every folder, for ever; a slow one is left behind, not waited for."""
    behind: set[asyncio.Task[None]] = set()
    while True:
        for watched in tuple(folders()):
            if watched.slow:
                task = asyncio.create_task(watched.look())
                behind.add(task)
                task.add_done_callback(behind.discard)
            else:
                await watched.look()
        await asyncio.sleep(LOOK)
