"""The order of the queue by priority, age, deadline, weight and fairness between products. Pure.

A rank is counted in steps of priority. Age has no ceiling, so waiting work can be overtaken for a limited time only: the
distance from low to critical is three steps, which is an hour and a half of waiting. Whether work may start is decided by
`bot.work.admission`.
"""

from bisect import insort
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from bot.domain import PRIORITY_STEPS, Product, Work

MINUTES_PER_STEP = 30.0
"""Minutes of waiting that are worth one step, so that nothing starves."""
CROWD = 1.0
"""Steps that a product loses for each slot it already uses, so that one product does not take all slots."""
URGENT = timedelta(hours=12)
"""Time before its deadline from which on work moves up, by `MOST_URGENT` steps at the deadline."""
MOST_URGENT = 3.0
NEXT = 1e-9
"""Steps between neighbours, worth two microseconds of waiting."""


def rank(work: Work, product: Product | None, now: datetime) -> float:
    """Return the rank of queued work in steps: priority, age, deadline, a person's boost, and a little for weight."""
    priority = work.priority or (product.priority if product else "medium")
    weight = work.weight or (product.resource_weight if product else 1.0)
    waited = (now - work.created_at).total_seconds() / 60
    age = waited / MINUTES_PER_STEP if waited > 0 else 0.0
    steps = PRIORITY_STEPS.get(priority, 2.0) + age + work.boost + weight / 10_000
    return steps if work.deadline is None else steps + _urgency(work.deadline, now)


def _urgency(deadline: datetime, now: datetime) -> float:
    left = max(deadline - now, timedelta())
    return MOST_URGENT * max(0.0, 1 - left / URGENT)


def number(work: Work) -> int:
    """Return the number in an id of work. Work of equal rank goes in this order."""
    digits = work.id[1:]
    return int(digits) if digits.isdigit() else 0


class Line:
    """Queued work in the order in which it may start, which changes as products get slots.

    `first` are ids that the model put before all others, in that order."""

    def __init__(
        self,
        queue: Sequence[Work],
        products: Mapping[str, Product],
        slots: Mapping[str, int],
        now: datetime,
        first: Sequence[str] = (),
    ) -> None:
        self._slots = dict(slots)
        head = {id: position for position, id in enumerate(first)}
        self._head = sorted((work for work in queue if work.id in head), key=lambda work: head[work.id])
        self._line: list[tuple[float, int, int, float, Work]] = []
        """Sorted by rank less the penalty, the next one last, then by age. Also holds the slots counted and the bare rank."""
        for work in queue:
            if work.id not in head:
                base = rank(work, products.get(work.product), now)
                had = 0 if work.boost else slots.get(work.product, 0)
                self._line.append((base - CROWD * had, -number(work), had, base, work))
        self._line.sort()
        self._grown: set[str] = set()
        """Products that have got slots since the line was sorted."""

    def _penalty(self, work: Work) -> int:
        """Return the number of slots that count against this work. Work that a person moved has no penalty."""
        return 0 if work.boost else self._slots.get(work.product, 0)

    def take(self) -> Work | None:
        """Take the next piece of work from the line, or return None."""
        if self._head:
            return self._head.pop(0)
        while self._line:
            _, order, had, base, work = self._line.pop()
            has = self._penalty(work)
            if has == had:
                return work
            insort(self._line, (base - CROWD * has, order, has, base, work))
        return None

    def add_slot(self, product: str) -> None:
        """Count one more slot for a product."""
        self._slots[product] = self._slots.get(product, 0) + 1
        self._grown.add(product)

    def rest(self) -> Iterator[Work]:
        """Yield everything that is left, in order."""
        yield from self._head
        for _, work in self.ranked():
            yield work

    def ranked(self) -> list[tuple[float, Work]]:
        """Return what is left, without the model's choice, each with its rank less the penalty, the highest first."""
        if self._grown:
            for at, (_, order, _, base, work) in enumerate(self._line):
                if work.product in self._grown:
                    has = self._penalty(work)
                    self._line[at] = (base - CROWD * has, order, has, base, work)
            self._line.sort()
            self._grown.clear()
        return [(score, work) for score, _, _, _, work in reversed(self._line)]


def moved(work: Work, before: Work | None, line: Line, product: Product | None, now: datetime) -> float:
    """Return the boost that moves queued work right before another in a line, or to its end with None."""
    others = [(score, each.id) for score, each in line.ranked() if each.id != work.id]
    at = next((position for position, (_, id) in enumerate(others) if before and id == before.id), len(others))
    own = rank(work, product, now) - work.boost
    above = others[at - 1][0] if at else None
    below = others[at][0] if at < len(others) else None
    if above is not None and below is not None:
        wanted = (above + below) / 2 if above - below > 2 * NEXT else below + NEXT
    elif below is not None:
        wanted = below + 0.5
    else:
        wanted = above - 0.5 if above is not None else own + work.boost
    return wanted - own or NEXT
