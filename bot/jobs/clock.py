"""Which job runs when. APScheduler keeps the clock, in memory only: what has to last is in the store, and jobs read it anew."""

import logging

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from bot.fleet import Change
from bot.jobs.loop import Jobs
from bot.registry import RegistryFile
from bot.text.wording import count

log = logging.getLogger(__name__)

TICK = 15.0
"""Seconds between two looks of the net under the engine's pushes."""
PRUNE = 6
"""Hours between two looks for rows of the journal that are old enough to go."""
REGISTRY = 1.0
"""Seconds between two looks at the registry file (one `stat` each)."""

SCHEDULES = 1.0
"""Seconds between two looks whether a schedule is due (one query each); the table says so, this only wakes."""


def make(jobs: Jobs, registry: RegistryFile) -> AsyncIOScheduler:
    """The clock, not started. A job that is late runs once; none runs twice at a time."""
    clock = AsyncIOScheduler(timezone="UTC", job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None})

    async def look_at_registry() -> None:
        before = registry.problems
        if registry.reload():
            log.info("%s was taken up: %s", registry.path, count(len(registry.current.products), "product"))
            await jobs.watch()
        elif registry.problems != before:
            found, since = "\n".join(map(str, registry.problems)), registry.current.loaded_at
            log.warning("%s is broken; the one loaded at %s UTC stays in use:\n%s", registry.path, f"{since:%H:%M}", found)
            jobs.fleet.changed(Change("registry"))

    async def look_at_schedules() -> None:
        due = jobs.fleet.store.schedules.next_at()
        if due is not None and due <= jobs.fleet.now():
            jobs.wake()

    clock.add_job(look_at_schedules, "interval", seconds=SCHEDULES, id="schedules")
    clock.add_job(jobs.tick, "interval", seconds=TICK, id="tick")
    clock.add_job(jobs.prune, "interval", hours=PRUNE, id="prune")
    clock.add_job(look_at_registry, "interval", seconds=REGISTRY, id="registry")
    return clock
