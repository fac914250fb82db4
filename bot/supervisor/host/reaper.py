"""Collection of orphaned processes, which a supervisor inherits as a container's first process."""

import asyncio
import contextlib
import os

from bot.supervisor.host import processes

ROUND = 15.0
"""Seconds between two rounds.

A zombie that survives a whole round is an orphan, because our own children are waited for at once."""


async def collect() -> None:
    """Collect orphans until cancelled. Returns at once unless this is the first process."""
    seen: frozenset[int] = frozenset()
    while os.getpid() == 1:
        await asyncio.sleep(ROUND)
        waiting = await asyncio.to_thread(processes.zombies)
        for pid in waiting & seen:
            _collect(pid)
        seen = waiting


def _collect(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
