"""Who comes first in line: priority, age, deadline, weight, and fairness between products. Pure; never whether it may start.

A rank is counted in steps of priority. Age has no ceiling, so whatever waits is overtaken for a known time only: the
distance from low to critical is three steps, which is an hour and a half of waiting.
"""

from bisect import insort
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from bot.domain import PRIORITY_STEPS, Product, Work

MINUTES_PER_STEP = 30.0
"""Waiting this long is worth one step, so that nothing starves."""
CROWD = 1.0
"""Steps that a product stands back for each place that it has already, so that one product does not take all of them."""
URGENT = timedelta(hours=12)
"""This long before its deadline work begins to move up; by `MOST_URGENT` steps when it comes."""
MOST_URGENT = 3.0
NEXT = 1e-9
"""Steps between neighbours; two microseconds of waiting are as much."""


def rank(work: Work, product: Product | None, now: datetime) -> float:
    """How urgent queued work is by itself, in steps: priority, age, deadline, where a person moved it, a little for weight."""
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
    """Where it stands among all work ever asked for: equals go in this order."""
    digits = work.id[1:]
    return int(digits) if digits.isdigit() else 0


class Line:
    """Queued work in the order in which it may start, which moves as products get places.

    `first` are ids that judgement has put before all others, in that order."""

    def __init__(
        self,
        queue: Sequence[Work],
        products: Mapping[str, Product],
        places: Mapping[str, int],
        now: datetime,
        first: Sequence[str] = (),
    ) -> None:
        self._places = dict(places)
        head = {id: place for place, id in enumerate(first)}
        self._head = sorted((work for work in queue if work.id in head), key=lambda work: head[work.id])
        self._line: list[tuple[float, int, int, float, Work]] = []
        """By rank less what each stands back, the next one last; with that, the older one later, the places and the rank."""
        for work in queue:
            if work.id not in head:
                base = rank(work, products.get(work.product), now)
                had = 0 if work.boost else places.get(work.product, 0)
                self._line.append((base - CROWD * had, -number(work), had, base, work))
        self._line.sort()
        self._grown: set[str] = set()
        """Products that have got places since."""

    def _stands_back(self, work: Work) -> int:
        """For how many places its product stands back; what a person has moved by hand does not."""
        return 0 if work.boost else self._places.get(work.product, 0)

    def take(self) -> Work | None:
        """The next in line."""
        if self._head:
            return self._head.pop(0)
        while self._line:
            _, order, had, base, work = self._line.pop()
            has = self._stands_back(work)
            if has == had:
                return work
            insort(self._line, (base - CROWD * has, order, has, base, work))
        return None

    def placed(self, product: str) -> None:
        """A product has got one more place."""
        self._places[product] = self._places.get(product, 0) + 1
        self._grown.add(product)

    def rest(self) -> Iterator[Work]:
        """All that is left, in order, when nothing more can get a place."""
        yield from self._head
        for _, work in self.standing():
            yield work

    def standing(self) -> list[tuple[float, Work]]:
        """What is left beside the head, each with its rank less what it stands back, the highest first."""
        if self._grown:
            for at, (_, order, _, base, work) in enumerate(self._line):
                if work.product in self._grown:
                    has = self._stands_back(work)
                    self._line[at] = (base - CROWD * has, order, has, base, work)
            self._line.sort()
            self._grown.clear()
        return [(score, work) for score, _, _, _, work in reversed(self._line)]


def moved(work: Work, before: Work | None, line: Line, product: Product | None, now: datetime) -> float:
    """The boost that brings queued work right before another of a line, or to its end (None)."""
    others = [(score, each.id) for score, each in line.standing() if each.id != work.id]
    at = next((place for place, (_, id) in enumerate(others) if before and id == before.id), len(others))
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
