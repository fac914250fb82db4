"""As a container's first process, the supervisor inherits every process whose parent has ended, and has to collect them."""

import asyncio
import contextlib
import os

from bot.supervisor.host import processes

ROUND = 15.0
"""Seconds between two rounds. What is still uncollected after a whole round is nobody's: our own are waited for at once."""


async def collect() -> None:
    """Collect what nobody else will, for ever; nothing to do where another process is the first."""
    seen: frozenset[int] = frozenset()
    while os.getpid() == 1:
        await asyncio.sleep(ROUND)
        waiting = await asyncio.to_thread(processes.uncollected)
        for pid in waiting & seen:
            _collect(pid)
        seen = waiting


def _collect(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
