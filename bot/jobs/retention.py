"""Old history is removed by age, in the background and in small transactions."""

import asyncio
from collections import Counter

from bot.fleet import Fleet
from bot.store import retention

PAUSE = 0.02
"""Seconds between two transactions, in which other work continues."""


async def remove_old(fleet: Fleet) -> Counter[str]:
    """Remove what the registry's `retention` no longer keeps. Returns the rows removed by kind."""
    removed: Counter[str] = Counter()
    days = fleet.registry.retention.days()
    for kind, rows in retention.remove_old(fleet.store, days, fleet.now()):
        removed[kind] += rows
        await asyncio.sleep(PAUSE)
    if found := {kind: rows for kind, rows in removed.items() if rows}:
        kept = {kind: days[kind] for kind in found}
        with fleet.transaction():
            fleet.record("retention", "fleet", None, "history", {"removed": found, "days": kept})
    return removed
