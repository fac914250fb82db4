"""What work is expected to take, learned from the last runs of its like: memory, money and time."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from bot.domain import Work, WorkState
from bot.fleet import Fleet

RUNS = 9
"""How many of the last runs count."""
ENOUGH = 3
"""From so many on they are believed."""
REMEMBERED = 40
"""How many ended pieces of work of a product are looked at."""
REHEARSED_GB = 0.1
"""Memory that a session of the rehearsal is expected to take, GiB: its agents are small scripts."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a piece of work will take. `seconds` is None where nothing of its like has ended; `runs` is what it rests on."""

    memory_gb: float
    usd: float = 0.0
    seconds: float | None = None
    runs: int = 0


def expectation(ended: Sequence[Work], capability: str | None, default_gb: float) -> Expectation:
    """From a product's ended work, newest first: the runs of this capability, or all where there are too few of these.

    Memory is the most that was seen (a limit has to hold), money and time are medians."""
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


@dataclass
class Past:
    """Past work of each product, read once and again after work of the product has ended."""

    endings: dict[str, int] = field(default_factory=dict)
    """Value of `Fleet.endings` by product when its past was read."""
    ended: dict[str, list[Work]] = field(default_factory=dict)
    known: dict[str, dict[tuple[str | None, float], Expectation]] = field(default_factory=dict)


def lately_ended(fleet: Fleet, product: str) -> list[Work]:
    """Return the product's work that was done or failed, newest first."""
    return _past(fleet, product).ended[product]


def expected(fleet: Fleet, product: str, capability: str | None) -> Expectation:
    """Return what work of this kind is expected to take."""
    past, key = _past(fleet, product), (capability, default_gb(fleet, product))
    if key not in past.known[product]:
        past.known[product][key] = expectation(past.ended[product], *key)
    return past.known[product][key]


def default_gb(fleet: Fleet, product: str) -> float:
    """Return the memory that a session of a product is expected to take while too few runs are known, in GiB."""
    infos = fleet.engine.runtimes()
    known = fleet.products.get(product)
    named = known.runtime if known else None
    info = next((each for each in infos if each.name == named), infos[0] if infos else None)
    usual = fleet.registry.scheduling.resource_budget.session_memory_gb
    return min(REHEARSED_GB, usual) if info is not None and info.rehearsal else usual


def _past(fleet: Fleet, product: str) -> Past:
    past = fleet.state(Past)
    if product not in past.ended or past.endings[product] != fleet.endings[product]:
        past.endings[product] = fleet.endings[product]
        past.ended[product] = fleet.store.work.lately_ended(product, REMEMBERED)
        past.known[product] = {}
    return past
