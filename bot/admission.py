"""Which queued work may start now, and why the rest waits. Pure: `now` is handed in, the decisions carry their reasons."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.domain import Product, Work

PRIORITIES = {"critical": 4.0, "high": 3.0, "medium": 2.0, "low": 1.0}
MINUTES_PER_STEP = 30.0
"""Waiting this long is worth one step of priority, so that nothing starves."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """What is in use and what there may be. `None`: not limited."""

    running: int
    max_sessions: int
    memory_gb: float = 0.0
    max_memory_gb: float | None = None
    cpu_percent: float = 0.0
    max_cpu_percent: float | None = None
    spent_usd: float = 0.0
    budget_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Admission:
    """One decision: start this work, or let it wait because of `reason`."""

    work: Work
    start: bool
    reason: str
    place: int = 0
    """Its place among what waits, from 1."""


def admit(
    queue: Sequence[Work],
    products: Mapping[str, Product],
    capacity: Capacity,
    held: Mapping[str, str],
    spent: Mapping[str, float],
    now: datetime,
) -> list[Admission]:
    """A decision for each queued work, first in line first.

    `held` maps a product to the reason why nothing may start on it (paused, in trouble, gate held); `spent` to the US dollars
    it has cost today. Order: priority, plus age, plus a little for weight; equals in the order in which they were asked."""
    decisions: list[Admission] = []
    running, place = capacity.running, 0
    for work in sorted(queue, key=lambda work: (-rank(work, products.get(work.product), now), int(work.id[1:] or 0))):
        product = products.get(work.product)
        reason = _own_reason(product, work, held, spent) or _shared_reason(capacity, running)
        if reason:
            place += 1
            decisions.append(Admission(work, start=False, reason=reason, place=place))
        else:
            running += 1
            free = f"{running} of {capacity.max_sessions} sessions in use"
            decisions.append(Admission(work, start=True, reason=free))
    return decisions


def rank(work: Work, product: Product | None, now: datetime) -> float:
    """How urgent queued work is: steps of priority, of age, and a hundredth of the product's weight."""
    if product is None:
        return 0.0
    age = max(0.0, (now - work.created_at).total_seconds() / 60)
    return PRIORITIES.get(product.priority, 2.0) + age / MINUTES_PER_STEP + product.resource_weight / 100


def _own_reason(product: Product | None, work: Work, held: Mapping[str, str], spent: Mapping[str, float]) -> str:
    if product is None:
        return f"{work.product} is no longer in the registry"
    if work.product in held:
        return held[work.product]
    limit = product.budget.per_day_usd
    if limit is not None and spent.get(work.product, 0.0) >= limit:
        return f"{work.product} has spent ${spent[work.product]:.2f} of ${limit:.2f} today"
    return ""


def _shared_reason(capacity: Capacity, running: int) -> str:
    if running >= capacity.max_sessions:
        return f"waits for a session ({running} of {capacity.max_sessions} in use)"
    if capacity.max_memory_gb is not None and capacity.memory_gb >= capacity.max_memory_gb:
        return f"waits for memory ({capacity.memory_gb:.1f} of {capacity.max_memory_gb:g} GB in use)"
    if capacity.max_cpu_percent is not None and capacity.cpu_percent >= capacity.max_cpu_percent:
        return f"waits for CPU ({capacity.cpu_percent:.0f} of {capacity.max_cpu_percent:g} % in use)"
    if capacity.budget_usd is not None and capacity.spent_usd >= capacity.budget_usd:
        return f"the fleet has spent ${capacity.spent_usd:.2f} of ${capacity.budget_usd:.2f} today"
    return ""
