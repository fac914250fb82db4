"""Meters the cost and peak memory of running work from its product's snapshots.

A snapshot's figures cover all sessions of the product, so work that runs at the same time gets equal shares.
"""

from dataclasses import replace

from bot.domain import Snapshot, Work, WorkState
from bot.fleet import Fleet

NOTICEABLE = 1.05
"""Factor by which memory must exceed the stored peak to count as a new one."""


def record(fleet: Fleet, snapshot: Snapshot, before: Snapshot | None) -> None:
    """Store a product's cost and memory from a snapshot.

    `before` is the previous snapshot."""
    if snapshot.trouble is not None:
        return
    if before is None or (before.cost_usd_today, before.at.date()) != (snapshot.cost_usd_today, snapshot.at.date()):
        fleet.store.spending.note(snapshot.at.date(), snapshot.product, snapshot.cost_usd_today)
    cost = _cost_since_last(fleet, snapshot)
    if not cost and not snapshot.memory_mib:
        return
    running = fleet.store.work.open(snapshot.product, states=(WorkState.RUNNING,))
    paying = running or fleet.store.work.open(snapshot.product, states=(WorkState.WAITING,))
    for work in paying:
        peak = snapshot.memory_mib / len(running) if running else 0.0
        _save(fleet, work, cost / len(paying), peak)


def _save(fleet: Fleet, work: Work, cost: float, peak: float) -> None:
    higher = peak > work.peak_mib * NOTICEABLE
    if cost or higher:
        changed = replace(work, cost_usd=work.cost_usd + cost, peak_mib=peak if higher else work.peak_mib)
        fleet.store.work.save(changed)


def _cost_since_last(fleet: Fleet, snapshot: Snapshot) -> float:
    """Return the product's cost since it was last metered, perhaps by an earlier run of the fleet."""
    states, total = fleet.store.product_states, snapshot.cost_usd_total or snapshot.cost_usd_today
    last = states.metered_usd(snapshot.product)
    if last == total:
        return 0.0
    states.set_metered_usd(snapshot.product, total)
    return max(0.0, total - last) if last is not None else 0.0
