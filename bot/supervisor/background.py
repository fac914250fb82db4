"""Background jobs of the daemon, restarted when they fail."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

log = logging.getLogger(__name__)

RETRY_DELAY = 1.0
"""Seconds before a failed job runs again."""


def start_job(what: str, job: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
    """Run a job in the background until it returns or is cancelled.

    A failure is logged and the job runs again."""
    return asyncio.create_task(_run(what, job), name=what)


async def _run(what: str, job: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await job()
            return
        except Exception:
            # A failure in one product's job must end neither the job nor the daemon.
            log.exception("%s failed and is restarted", what)
        await asyncio.sleep(RETRY_DELAY)
