"""Estimates of the memory, money and time that work will take, learned from the last runs of its kind."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from bot.domain import Work, WorkState
from bot.fleet import Fleet
from bot.work.admission import Requirements

RUNS = 9
"""Number of last runs that count."""
ENOUGH = 3
"""Number of runs from which on their figures are used."""
NEWEST_ENDED = 40
"""Number of a product's newest ended pieces of work in which runs of one kind are searched for."""
REHEARSED_GB = 0.1
"""Memory that a session of the rehearsal is expected to take, GiB. Its agents are small scripts."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """Expected requirements of a piece of work. `seconds` is None if no work of its kind has ended."""

    memory_gb: float
    usd: float = 0.0
    seconds: float | None = None
    runs: int = 0
    """Number of runs that the figures rest on."""


@dataclass
class Past:
    """Ended work of each product, read once and read again after more work of it has ended."""

    endings: dict[str, int] = field(default_factory=dict)
    """Value of `Fleet.endings` when the product's work was read."""
    ended: dict[str, list[Work]] = field(default_factory=dict)
    known: dict[str, dict[tuple[str | None, float], Expectation]] = field(default_factory=dict)


def recently_ended(fleet: Fleet, product: str) -> list[Work]:
    """Return a product's work that was done or failed, newest first."""
    return _past(fleet, product).ended[product]


def expected(fleet: Fleet, product: str, capability: str | None) -> Expectation:
    """Return what work of this kind is expected to take."""
    past, kind = _past(fleet, product), (capability, default_gb(fleet, product))
    if kind not in past.known[product]:
        past.known[product][kind] = expectation(past.ended[product], *kind)
    return past.known[product][kind]


def requirements(fleet: Fleet, work: Work) -> Requirements:
    """Return the memory and money that a piece of work is expected to take. A person's estimate of the cost has priority."""
    found = expected(fleet, work.product, work.capability)
    return Requirements(found.memory_gb, found.usd if work.estimate_usd is None else work.estimate_usd)


def default_requirements(fleet: Fleet, product: str) -> Requirements:
    """Return the memory and money that a product's objectives are expected to take."""
    found = expected(fleet, product, None)
    return Requirements(found.memory_gb, found.usd)


def default_gb(fleet: Fleet, product: str) -> float:
    """Return the memory that a session of a product is expected to take while too few runs are known, GiB."""
    infos = fleet.engine.runtimes()
    known = fleet.products.get(product)
    named = known.runtime if known else None
    info = next((each for each in infos if each.name == named), infos[0] if infos else None)
    usual = fleet.registry.scheduling.resource_budget.session_memory_gb
    return min(REHEARSED_GB, usual) if info is not None and info.rehearsal else usual


def expectation(ended: Sequence[Work], capability: str | None, default_gb: float) -> Expectation:
    """Return the expectation from a product's ended work, newest first. Pure.

    Runs of this capability count, or all runs if there are too few of these. Memory is the highest peak, because a limit has
    to hold. Money and time are medians."""
    ran = [work for work in ended if work.started_at and work.ended_at]
    alike = [work for work in ran if work.capability == capability]
    runs = (alike if len(alike) >= ENOUGH else ran)[:RUNS]
    peaks = [work.peak_mib / 1024 for work in runs if work.peak_mib > 0]
    costs = [work.cost_usd for work in runs if work.cost_usd > 0 and work.state is WorkState.DONE]
    lengths = [(work.ended_at - work.started_at).total_seconds() for work in runs if work.ended_at and work.started_at]
    return Expectation(
        memory_gb=max(peaks) if len(peaks) >= ENOUGH else default_gb,
        usd=median(costs) if len(costs) >= ENOUGH else 0.0,
        seconds=max(0.0, median(lengths)) if lengths else None,
        runs=len(runs),
    )


def _past(fleet: Fleet, product: str) -> Past:
    past = fleet.state(Past)
    if product not in past.ended or past.endings[product] != fleet.endings[product]:
        past.endings[product] = fleet.endings[product]
        past.ended[product] = fleet.store.work.recently_ended(product, NEWEST_ENDED)
        past.known[product] = {}
    return past
