"""Jobs that go on for as long as the daemon does, whatever happens in them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

log = logging.getLogger(__name__)

REST = 1.0
"""Seconds before a job that failed is taken up again."""


def keep(what: str, job: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
    """Run a job in the background until it ends or is cancelled; one that fails is logged and taken up again."""
    return asyncio.create_task(_kept(what, job), name=what)


async def _kept(what: str, job: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await job()
            return
        except Exception:
            # A fault in one product's job must cost neither the job nor the daemon.
            log.exception("%s failed; it goes on", what)
        await asyncio.sleep(REST)
