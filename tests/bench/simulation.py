"""Thirty days of a large fleet, in seconds: 200 products and 10,000 pieces of work go through the guard, as they would, and the
same trace through first come, first served and through strict priority.

Lengths, gates and failures are drawn from distributions with long tails, arrivals follow working days. What nobody knows
beforehand (how long a person takes, whether a session dies) is drawn once, so that every policy meets the same luck.
"""

import heapq
import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from statistics import mean

from bot.admission import Capacity, Need, Purse, Question, admit
from bot.domain import Product, Work, WorkState
from bot.work import failures, learned
from bot.work.choice import PRIORITIES
from tests.bench.bench import Bench
from tests.bench.figures import Figure, Goal, Section, percentile

PRODUCTS, PIECES, DAYS = 200, 10_000, 30
SESSIONS, MEMORY_GB = 8, 20.0
BUDGET_USD = 12.0
"""Of every tenth product, for a day."""
START = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Drawn:
    """What fate has in store for one piece of work. Times in seconds; `dies` and `asks` are parts of its length."""

    work: Work
    at: float
    length: float
    memory_gb: float
    usd: float
    asks: float | None
    answer: float
    dies: float | None


@dataclass(slots=True)
class Run:
    """One policy's thirty days."""

    waits: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in PRIORITIES})
    """By priority: seconds until the first start of each piece of a product without a budget of its own."""
    busy: float = 0.0
    """Session-seconds within the days."""
    beyond: int = 0
    """Starts beyond a limit."""
    done: int = 0
    most: int = 0
    """Longest queue."""

    @property
    def every(self) -> list[float]:
        """All waits."""
        return [wait for waits in self.waits.values() for wait in waits]


def trace(seed: int = 7) -> tuple[dict[str, Product], list[Drawn]]:
    """The products and all that is asked of them, oldest first."""
    luck = Random(seed)
    names = [f"product-{number:03}" for number in range(PRODUCTS)]
    priorities = luck.choices(list(PRIORITIES), weights=(5, 20, 50, 25), k=PRODUCTS)
    products = {
        name: Product(name, f"/{name}", priority=priority, resource_weight=luck.choice((1, 1, 2, 3)))
        for name, priority in zip(names, priorities, strict=True)
    }
    usual = {name: min(4.0, luck.lognormvariate(math.log(1.3), 0.5)) for name in names}
    popular = [1 / (rank + 3) ** 0.8 for rank in range(PRODUCTS)]
    times = sorted(_moment(luck) for _ in range(PIECES))
    drawn = []
    for number, at in enumerate(times, 1):
        name = luck.choices(names, weights=popular)[0]
        asked = START + timedelta(seconds=at)
        work = Work(f"w{number}", name, "", WorkState.QUEUED, asked, asked)
        length = min(6 * HOUR, luck.lognormvariate(math.log(14 * 60), 1.0))
        drawn.append(
            Drawn(
                work,
                at,
                length,
                usual[name] * luck.uniform(0.7, 1.15),
                length / 60 * luck.uniform(0.02, 0.12),
                luck.uniform(0.1, 0.5) if luck.random() < 0.35 else None,
                min(14 * HOUR, luck.lognormvariate(math.log(20 * 60), 1.3)),
                luck.uniform(0.1, 0.9) if luck.random() < 0.08 else None,
            )
        )
    return products, drawn


def _moment(luck: Random) -> float:
    """When something is asked for: four in five in the working hours of a working day, the rest whenever."""
    while True:
        day, hour = luck.randrange(DAYS), luck.gauss(13, 3) if luck.random() < 0.8 else luck.uniform(0, 24)
        if 0 <= hour < 24 and (day % 7 < 5 or luck.random() < 0.25):
            return day * 86400 + hour * HOUR


class Fleet:
    """One simulated fleet under one policy: `order` says who comes first, or nothing for the weights of `bot.work.choice`."""

    def __init__(
        self, products: Mapping[str, Product], drawn: Sequence[Drawn], order: Callable[[Sequence[Work]], list[str]] | None
    ) -> None:
        self.products, self.order = products, order
        self.fate = {each.work.id: each for each in drawn}
        self.left = {each.work.id: each.length for each in drawn}
        self.stage: dict[str, str] = {}
        self.lost: dict[str, int] = {}
        self.queue: dict[str, Work] = {}
        self.back: dict[str, Work] = {}
        self.running: dict[str, float] = {}
        self.past: dict[str, deque[Work]] = {name: deque(maxlen=9) for name in products}
        self.known: dict[str, Need] = {}
        self.spent: dict[str, float] = {}
        self.day = 0
        self.events = [(each.at, number, "asked", each.work.id) for number, each in enumerate(drawn)]
        heapq.heapify(self.events)
        self.number = len(self.events)
        self.limited = frozenset(list(products)[::10])
        self.run = Run()

    def live(self) -> Run:
        """All of it, until nothing is left."""
        while self.events:
            now = self.events[0][0]
            while self.events and self.events[0][0] <= now:
                _, _, what, id = heapq.heappop(self.events)
                getattr(self, f"_{what}")(now, id)
            if int(now // 86400) != self.day:
                self.day, self.spent = int(now // 86400), {}
            self.run.most = max(self.run.most, len(self.queue))
            self._decide(now)
        return self.run

    def _later(self, at: float, what: str, id: str) -> None:
        self.number += 1
        heapq.heappush(self.events, (at, self.number, what, id))

    def _asked(self, now: float, id: str) -> None:
        self.queue[id] = self.fate[id].work

    def _again(self, now: float, id: str) -> None:
        self.queue[id] = self.fate[id].work

    def _answered(self, now: float, id: str) -> None:
        self.back[id] = replace(self.fate[id].work, state=WorkState.WAITING)

    def _midnight(self, now: float, id: str) -> None:
        """Only that there is a decision then: budgets begin anew."""

    def _stops(self, now: float, id: str) -> None:
        """The end of a stretch of work: it asks, dies, or is done."""
        fate, began = self.fate[id], self.running.pop(id)
        self.run.busy += max(0.0, min(now, DAYS * 86400) - min(began, DAYS * 86400))
        self.left[id] -= now - began
        name = fate.work.product
        self.spent[name] = self.spent.get(name, 0.0) + fate.usd * (now - began) / fate.length
        stage = self.stage[id]
        if stage == "asks":
            self._later(now + fate.answer, "answered", id)
        elif stage == "dies":
            self.lost[id] = self.lost.get(id, 0) + 1
            self._later(now + failures.pause_before(self.lost[id]).total_seconds(), "again", id)
        else:
            self.run.done += 1
            ended = START + timedelta(seconds=now)
            began_at = ended - timedelta(seconds=fate.length)
            done = replace(fate.work, state=WorkState.DONE, started_at=began_at, ended_at=ended, cost_usd=fate.usd)
            self.past[name].appendleft(replace(done, peak_mib=fate.memory_gb * 1024))
            self.known.pop(name, None)

    def _decide(self, now: float) -> None:
        if not (self.queue or self.back) or len(self.running) >= SESSIONS:
            return
        queue = [*self.back.values(), *self.queue.values()]
        needs = {name: self._need(name) for name in {work.product for work in queue}}
        taken = sum(self._promised(id) for id in self.running)
        purses = {name: Purse(self.spent.get(name, 0.0), BUDGET_USD) for name in self.limited}
        places: dict[str, int] = {}
        for id in self.running:
            places[self.fate[id].work.product] = places.get(self.fate[id].work.product, 0) + 1
        first = self.order(list(self.queue.values())) if self.order else ()
        capacity = Capacity(len(self.running), SESSIONS, memory_gb=taken, max_memory_gb=MEMORY_GB)
        question = Question(self.products, {}, purses, needs, {}, places, first)
        for decision in admit(queue, capacity, question, START + timedelta(seconds=now)):
            if decision.start:
                new = decision.work.state is WorkState.QUEUED
                taken += needs[decision.work.product].memory_gb if new else 0.0
                self.run.beyond += new and taken > MEMORY_GB + 1e-6
                self._start(now, decision.work, new=new)
            elif decision.code in {"budget", "estimate"}:
                self._later((self.day + 1) * 86400.0, "midnight", decision.work.id)

    def _need(self, name: str) -> Need:
        if name not in self.known:
            known = learned.expectation(list(self.past[name]), None, 2.0)
            self.known[name] = Need(known.memory_gb, known.usd if name in self.limited else 0.0)
        return self.known[name]

    def _promised(self, id: str) -> float:
        return max(self.fate[id].memory_gb, self._need(self.fate[id].work.product).memory_gb)

    def _start(self, now: float, work: Work, *, new: bool) -> None:
        id, fate = work.id, self.fate[work.id]
        (self.queue if new else self.back).pop(id)
        if id not in self.stage and work.product not in self.limited:
            self.run.waits[self.products[work.product].priority].append(now - fate.at)
        broke = work.product in self.limited and self.spent.get(work.product, 0.0) >= BUDGET_USD
        self.run.beyond += len(self.running) >= SESSIONS or broke
        self.running[id] = now
        self.stage[id], stretch = self._stretch(id)
        self._later(now + stretch, "stops", id)

    def _stretch(self, id: str) -> tuple[str, float]:
        """How the stretch that begins now ends, and how long it is."""
        fate, gone = self.fate[id], self.fate[id].length - self.left[id]
        if fate.asks is not None and gone < fate.asks * fate.length - 1:
            return "asks", fate.asks * fate.length - gone
        if fate.dies is not None and not self.lost.get(id) and gone < fate.dies * fate.length - 1:
            return "dies", fate.dies * fate.length - gone
        return "ends", self.left[id]


def best(drawn: Sequence[Drawn]) -> float:
    """Session-seconds that no packing of this trace can exceed within the days: work may be cut into any pieces and be done at
    once by all places, needs no person, and memory is only a second server of the same kind. The lesser of both holds."""
    horizon = DAYS * 86400.0
    by_session = _served(((each.at, each.length) for each in drawn), SESSIONS, horizon)
    whole = sum(each.length * each.memory_gb for each in drawn)
    by_memory = _served(((each.at, each.length * each.memory_gb) for each in drawn), MEMORY_GB, horizon)
    return min(by_session, by_memory / whole * sum(each.length for each in drawn))


def _served(arrivals: Iterator[tuple[float, float]], rate: float, horizon: float) -> float:
    """What a server of this rate has done at the horizon."""
    left = served = before = 0.0
    for at, amount in arrivals:
        part = min(left, (at - before) * rate)
        served, left, before = served + part, left - part + amount, at
    return served + min(left, (horizon - before) * rate)


def by_arrival(queue: Sequence[Work]) -> list[str]:
    """First come, first served."""
    return [work.id for work in sorted(queue, key=lambda work: work.created_at)]


def by_priority(products: Mapping[str, Product]) -> Callable[[Sequence[Work]], list[str]]:
    """The higher priority always first, whoever waits."""

    def order(queue: Sequence[Work]) -> list[str]:
        ranked = sorted(queue, key=lambda work: (-PRIORITIES[products[work.product].priority], work.created_at))
        return [work.id for work in ranked]

    return order


async def measure(bench: Bench) -> Section:
    """The three policies over one trace."""
    products, drawn = trace()
    bound, figures = best(drawn), list[Figure]()
    policies = {"the scheduler": None, "first come, first served": by_arrival, "strict priority": by_priority(products)}
    for name, order in policies.items():
        run = Fleet(products, drawn, order).live()
        ours = order is None
        share = 100 * run.busy / bound
        if ours:
            figures.append(Figure("starts beyond a limit", run.beyond, "", Goal(1)))
            figures.append(Figure("work done", run.done, "pieces", Goal(PIECES, at_least=True)))
        figures.append(
            Figure(f"places used, {name}, of the best packing", share, "%", Goal(95, at_least=True) if ours else None)
        )
        for priority in ("critical", "low"):
            waits = run.waits[priority]
            spread = f"p95 {percentile(waits, 95) / HOUR:.2f} h"
            figures.append(Figure(f"mean wait, {priority}, {name}", mean(waits) / HOUR, "h", spread=spread))
        figures.append(Figure(f"worst wait, {name}", max(run.every) / HOUR, "h", spread=f"{run.most} waited at once"))
    used = f"{100 * bound / (SESSIONS * DAYS * 86400):.0f} %"
    scale = f"{SESSIONS} sessions and {MEMORY_GB:g} GB"
    method = (
        f"{PIECES:,} pieces of work for {PRODUCTS} products over {DAYS} days, {scale}: median length 14 min with a long tail, "
        "a third ask a person (median answer 20 min, place given away), 8 % lose their session and start again, memory is "
        "learned, every tenth product has a budget. The best packing is a bound that nobody can reach: work cut into any "
        f"pieces, no person to wait for; it uses {used} of the places. Waits are until the first start, of products without "
        "a budget of their own."
    )
    return Section("Thirty days simulated", method, tuple(figures))
