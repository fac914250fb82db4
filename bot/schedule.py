"""Which job runs when. APScheduler keeps the clock, in memory only: what has to last is in the store, and jobs read it anew."""

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from bot.jobs import Jobs
from bot.registry import RegistryFile

TICK = 15.0
"""Seconds between two looks of the net under the engine's pushes."""
REGISTRY = 1.0
"""Seconds between two looks at the registry file (one `stat` each)."""


def make(jobs: Jobs, registry: RegistryFile) -> AsyncIOScheduler:
    """The clock, not started. A job that is late runs once; none runs twice at a time."""
    clock = AsyncIOScheduler(timezone="UTC", job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None})

    async def look_at_registry() -> None:
        if registry.reload():
            await jobs.watch()

    clock.add_job(jobs.tick, "interval", seconds=TICK, id="tick")
    clock.add_job(look_at_registry, "interval", seconds=REGISTRY, id="registry")
    return clock
