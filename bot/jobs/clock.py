"""The clock of jobs that run by time.

APScheduler keeps it in memory only. Due times are persisted in the store and read again.
"""

import logging

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from bot.fleet import Change
from bot.jobs.table import Jobs
from bot.registry import RegistryFile
from bot.text.wording import count

log = logging.getLogger(__name__)

TICK = 15.0
"""Seconds between two fetches of fresh snapshots, which back up the engine's pushed events."""
RETENTION = 1
"""Hours between two removals of old history."""
REGISTRY = 1.0
"""Seconds between two checks of the registry file (one `stat` each)."""
SCHEDULES = 1.0
"""Seconds between two checks whether a schedule is due (one query each)."""


def make(jobs: Jobs, registry: RegistryFile) -> AsyncIOScheduler:
    """Build the clock without starting it. A late job runs once, and none runs twice at a time."""
    clock = AsyncIOScheduler(timezone="UTC", job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None})

    async def check_registry() -> None:
        before = registry.problems
        if registry.reload():
            log.info("Loaded %s with %s.", registry.path, count(len(registry.current.products), "product"))
            await jobs.watch()
        elif registry.problems != before:
            found, since = "\n".join(map(str, registry.problems)), registry.current.loaded_at
            log.warning("%s has errors; the version loaded at %s UTC stays in use:\n%s", registry.path, f"{since:%H:%M}", found)
            jobs.fleet.changed(Change("registry"))

    async def check_schedules() -> None:
        due = jobs.fleet.store.schedules.next_at()
        if due is not None and due <= jobs.fleet.now():
            jobs.wake()

    clock.add_job(check_schedules, "interval", seconds=SCHEDULES, id="schedules")
    clock.add_job(jobs.tick, "interval", seconds=TICK, id="tick")
    clock.add_job(jobs.remove_old, "interval", hours=RETENTION, id="retention")
    clock.add_job(check_registry, "interval", seconds=REGISTRY, id="registry")
    return clock
