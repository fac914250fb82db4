"""What work is expected to take, learned from the last runs of its like: memory, money and time."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from bot.domain import Work, WorkState
from bot.store import Store

RUNS = 9
"""How many of the last runs count."""
ENOUGH = 3
"""From so many on they are believed."""
REMEMBERED = 40
"""How many ended pieces of work of a product are looked at."""


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


class Learned:
    """The past of each product, read once and again when something of it has ended."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._ended: dict[str, list[Work]] = {}
        self._known: dict[tuple[str, str | None, float], Expectation] = {}

    def ended(self, product: str) -> list[Work]:
        """What was done or failed, newest first."""
        if product not in self._ended:
            self._ended[product] = self._store.work.lately_ended(product, REMEMBERED)
        return self._ended[product]

    def of(self, product: str, capability: str | None, default_gb: float) -> Expectation:
        """What work of this kind is expected to take."""
        key = (product, capability, default_gb)
        if key not in self._known:
            self._known[key] = expectation(self.ended(product), capability, default_gb)
        return self._known[key]

    def forget(self, product: str) -> None:
        """Something of it has ended."""
        self._ended.pop(product, None)
        self._known = {key: value for key, value in self._known.items() if key[0] != product}
