"""Thirty days of a large fleet, in seconds: 200 products and 10,000 pieces of work go through the guard, as they would, and the
same trace through first come, first served and through strict priority.

Lengths, answers and failures are drawn as others have counted them (see `LENGTHS`, `ANSWERS`, `failing`); what nobody has
published is chosen, and said to be: arrivals by working days, memory, money, how many ask. All of it is drawn once, so that
every policy meets the same luck.
"""

import heapq
import math
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from statistics import mean

from bot.domain import PRIORITY_STEPS, Product, Work, WorkState
from bot.work import estimates, retry
from bot.work.admission import AdmissionInput, Capacity, Requirements, Spend, admit
from tests.bench.bench import Bench
from tests.bench.figures import Figure, Goal, Section, percentile

PRODUCTS, PIECES, DAYS = 200, 10_000, 30
SESSIONS, MEMORY_GB, WEIGHT = 6, 32.0, 13.0
BUDGET_USD = 12.0
"""Of every tenth product, for a day."""
START = datetime(2026, 3, 2, tzinfo=UTC)
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
LENGTHS = {(2, 5): 2151, (5, 15): 2105, (15, 30): 1053, (30, 360): 351}
"""Minutes, and how many sessions of one autonomous agent took so long, in half a year: “What 7,500 Autonomous Sessions Taught
Me About Agent Productivity”, March 2026. Those under two minutes are pings, and left out; the last has no end there."""
ANSWERS = {0.2: 31_491, 0.5: 25_754, 0.9: 37_657, 1.1: 8_356, 0.8: 14_155}
"""Hours until half of them had a first review, and how many pull requests of that size there were: “Cycle time decoded”,
117,413 reviewed pull requests of October 2025. How far they spread is not said: a lognormal of 1.3, cut off after 14 hours."""
ASKS = 0.35
"""So many ask a person. Half of 4,265 sessions of people with coding agents had one request and no more: “SyFI Trace Atlas”."""


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

    waits: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in PRIORITY_STEPS})
    """By priority: seconds until the first start of each piece of a product without a budget of its own."""
    spans: list[tuple[float, float]] = field(default_factory=list)
    """When a place was taken, and left."""
    beyond: int = 0
    """Starts beyond a limit."""
    done: int = 0
    most: int = 0
    """Longest queue."""
    crowded: list[tuple[float, float]] = field(default_factory=list)
    """When something waited, and for no money."""
    most_gb: float = 0.0
    """Most memory that was really in use."""

    @property
    def every(self) -> list[float]:
        """All waits."""
        return [wait for waits in self.waits.values() for wait in waits]

    def busy(self, parts: Sequence[tuple[float, float]]) -> float:
        """Session-seconds within these parts of the time."""
        changes = sorted([(began, 1) for began, _ in self.spans] + [(ended, -1) for _, ended in self.spans])
        times, totals, counts = [0.0], [0.0], [0]
        for at, change in changes:
            totals.append(totals[-1] + counts[-1] * (at - times[-1]))
            times.append(at)
            counts.append(counts[-1] + change)

        def until(at: float) -> float:
            place = bisect_right(times, at) - 1
            return totals[place] + counts[place] * (at - times[place])

        return sum(until(end) - until(begin) for begin, end in parts)


def trace(pieces: int = PIECES, days: int = DAYS, seed: int = 7) -> tuple[dict[str, Product], list[Drawn]]:
    """The products and all that is asked of them, oldest first."""
    luck = Random(seed)
    names = [f"product-{number:03}" for number in range(PRODUCTS)]
    priorities = luck.choices(list(PRIORITY_STEPS), weights=(5, 20, 50, 25), k=PRODUCTS)
    products = {
        name: Product(name, f"/{name}", priority=priority, resource_weight=luck.choice((1, 1, 2, 3)))
        for name, priority in zip(names, priorities, strict=True)
    }
    usual = {name: min(4.0, luck.lognormvariate(math.log(1.3), 0.5)) for name in names}
    popular = [1 / (rank + 3) ** 0.8 for rank in range(PRODUCTS)]
    times = sorted(_moment(luck, days) for _ in range(pieces))
    drawn = []
    for number, at in enumerate(times, 1):
        name = luck.choices(names, weights=popular)[0]
        asked = START + timedelta(seconds=at)
        work = Work(f"w{number}", name, "", WorkState.QUEUED, asked, asked)
        length = _length(luck)
        drawn.append(
            Drawn(
                work,
                at,
                length,
                usual[name] * luck.uniform(0.7, 1.15),
                length / 60 * luck.uniform(0.02, 0.12),
                luck.uniform(0.1, 0.5) if luck.random() < ASKS else None,
                _answer(luck),
                luck.uniform(0.1, 0.9) if luck.random() < failing(length) else None,
            )
        )
    return products, drawn


def _length(luck: Random) -> float:
    """Seconds of work; within each part of `LENGTHS` the shorter are more."""
    low, high = luck.choices(list(LENGTHS), weights=list(LENGTHS.values()))[0]
    return MINUTE * math.exp(luck.uniform(math.log(low), math.log(high)))


def _answer(luck: Random) -> float:
    """Seconds until a person answers."""
    median = luck.choices(list(ANSWERS), weights=list(ANSWERS.values()))[0]
    return min(14 * HOUR, luck.lognormvariate(math.log(median * HOUR), 1.3))


def failing(length: float) -> float:
    """How likely a session is lost on the way: as “454 Autonomous Tasks Later”, March 2026, has it, 92 % of tasks of up to 45
    minutes came through and 33 % of those of two hours and more; in between, something in between."""
    return 0.08 if length < 45 * MINUTE else 0.67 if length > 2 * HOUR else 0.3


def _moment(luck: Random, days: int) -> float:
    """When something is asked for: four in five in the working hours of a working day, the rest whenever."""
    while True:
        day, hour = luck.randrange(days), luck.gauss(13, 3) if luck.random() < 0.8 else luck.uniform(0, 24)
        if 0 <= hour < 24 and (day % 7 < 5 or luck.random() < 0.25):
            return day * DAY + hour * HOUR


class Fleet:
    """One simulated fleet under one policy: `order` says who comes first, or nothing for the weights of `bot.work.ordering`."""

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
        self.asking: set[str] = set()
        """Their sessions wait for a person, and keep their memory."""
        self.running: dict[str, float] = {}
        self.past: dict[str, deque[Work]] = {name: deque(maxlen=9) for name in products}
        self.known: dict[str, Requirements] = {}
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
            if int(now // DAY) != self.day:
                self.day, self.spent = int(now // DAY), {}
            self.run.most = max(self.run.most, len(self.queue))
            self._decide(now)
            if self.events and any(work.product not in self.limited for work in self.queue.values()):
                self.run.crowded.append((now, self.events[0][0]))
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
        self.run.spans.append((began, now))
        self.left[id] -= now - began
        name = fate.work.product
        self.spent[name] = self.spent.get(name, 0.0) + fate.usd * (now - began) / fate.length
        stage = self.stage[id]
        if stage == "asks":
            self.asking.add(id)
            self._later(now + fate.answer, "answered", id)
        elif stage == "dies":
            self.lost[id] = self.lost.get(id, 0) + 1
            self._later(now + retry.pause_before(self.lost[id]).total_seconds(), "again", id)
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
        for id, work in self.back.items():
            expected = needs[work.product]
            needs[id] = Requirements(max(0.0, expected.memory_gb - self.fate[id].memory_gb), expected.usd)
        purses = {name: Spend(self.spent.get(name, 0.0), BUDGET_USD) for name in self.limited}
        places = Counter(self.fate[id].work.product for id in self.running)
        first = self.order(list(self.queue.values())) if self.order else ()
        standing = self._standing()
        capacity = Capacity(
            len(self.running),
            SESSIONS,
            memory_gb=self._promised(now) + standing,
            max_memory_gb=MEMORY_GB,
            standing_gb=standing,
            weight=self._weight(),
            max_weight=WEIGHT,
        )
        question = AdmissionInput(self.products, {}, purses, needs, {}, places, first)
        for decision in admit(queue, capacity, question, START + timedelta(seconds=now)):
            if decision.start:
                self._start(now, decision.work)
            elif decision.code in {"budget", "estimate"}:
                self._later((self.day + 1) * DAY, "midnight", decision.work.id)

    def _need(self, name: str) -> Requirements:
        if name not in self.known:
            known = estimates.expectation(list(self.past[name]), None, 2.0)
            self.known[name] = Requirements(known.memory_gb, known.usd if name in self.limited else 0.0)
        return self.known[name]

    def _promised(self, now: float) -> float:
        """GiB that what runs takes, or is expected to take: of what starts this very moment nobody knows more."""
        return sum(
            max(self.fate[id].memory_gb if began < now else 0.0, self._need(self.fate[id].work.product).memory_gb)
            for id, began in self.running.items()
        )

    def _standing(self) -> float:
        return sum(self.fate[id].memory_gb for id in self.asking)

    def _weight(self) -> float:
        return sum(self.products[self.fate[id].work.product].resource_weight for id in self.running)

    def _start(self, now: float, work: Work) -> None:
        id, fate = work.id, self.fate[work.id]
        new = work.state is WorkState.QUEUED
        (self.queue if new else self.back).pop(id)
        self.asking.discard(id)
        if id not in self.stage and work.product not in self.limited:
            self.run.waits[self.products[work.product].priority].append(now - fate.at)
        self.running[id] = now
        self.run.beyond += self._beyond(now, work, new=new)
        self.run.most_gb = max(self.run.most_gb, sum(self.fate[each].memory_gb for each in (*self.running, *self.asking)))
        self.stage[id], stretch = self._stretch(id)
        self._later(now + stretch, "stops", id)

    def _beyond(self, now: float, work: Work, *, new: bool) -> bool:
        """Whether a limit is passed now that this has started, counted anew. What goes on has its memory."""
        broke = work.product in self.limited and self.spent.get(work.product, 0.0) >= BUDGET_USD
        heavy = new and self._promised(now) + self._standing() > MEMORY_GB + 1e-6
        return broke or heavy or len(self.running) > SESSIONS or self._weight() > WEIGHT

    def _stretch(self, id: str) -> tuple[str, float]:
        """How the stretch that begins now ends, and how long it is."""
        fate, gone = self.fate[id], self.fate[id].length - self.left[id]
        if fate.asks is not None and gone < fate.asks * fate.length - 1:
            return "asks", fate.asks * fate.length - gone
        if fate.dies is not None and not self.lost.get(id) and gone < fate.dies * fate.length - 1:
            return "dies", fate.dies * fate.length - gone
        return "ends", self.left[id]


def best(products: Mapping[str, Product], drawn: Sequence[Drawn], days: int) -> float:
    """Session-seconds that no packing of this trace can exceed within the days: work may be cut into any pieces and be done at
    once by all places, waits for no person, and memory and weight are only other servers of the same kind. The least holds."""
    whole = sum(each.length for each in drawn)
    parts = (
        (SESSIONS, [each.length for each in drawn]),
        (MEMORY_GB, [(each.length + (each.answer if each.asks else 0.0)) * each.memory_gb for each in drawn]),
        (WEIGHT, [each.length * products[each.work.product].resource_weight for each in drawn]),
    )
    return min(whole * _served(drawn, amounts, rate, days) / sum(amounts) for rate, amounts in parts)


def _served(drawn: Sequence[Drawn], amounts: Sequence[float], rate: float, days: int) -> float:
    """What a server of this rate has done when the days are over."""
    left = served = before = 0.0
    for each, amount in zip(drawn, amounts, strict=True):
        part = min(left, (each.at - before) * rate)
        served, left, before = served + part, left - part + amount, each.at
    return served + min(left, (days * DAY - before) * rate)


def by_arrival(queue: Sequence[Work]) -> list[str]:
    """First come, first served."""
    return [work.id for work in sorted(queue, key=lambda work: work.created_at)]


def by_priority(products: Mapping[str, Product]) -> Callable[[Sequence[Work]], list[str]]:
    """The higher priority always first, whoever waits."""

    def order(queue: Sequence[Work]) -> list[str]:
        ranked = sorted(queue, key=lambda work: (-PRIORITY_STEPS[products[work.product].priority], work.created_at))
        return [work.id for work in ranked]

    return order


async def measure(bench: Bench) -> Section:
    """The three policies over one trace."""
    products, drawn = trace()
    bound, figures = best(products, drawn, DAYS), list[Figure]()
    policies = {"the scheduler": None, "first come, first served": by_arrival, "strict priority": by_priority(products)}
    for name, order in policies.items():
        run = Fleet(products, drawn, order).live()
        ours = order is None
        if ours:
            figures.append(Figure("starts beyond a limit", run.beyond, "", Goal(1)))
            figures.append(Figure("work done", run.done, "pieces", Goal(PIECES, at_least=True)))
            figures.append(Figure("most memory really in use", run.most_gb, "GB", spread=f"the limit: {MEMORY_GB:g} GB"))
        share, goal = 100 * run.busy([(0.0, DAYS * DAY)]) / bound, Goal(95, at_least=True) if ours else None
        figures.append(Figure(f"places used, {name}, of the best packing", share, "%", goal))
        crowded = sum(end - begin for begin, end in run.crowded)
        share, spread = 100 * run.busy(run.crowded) / (SESSIONS * crowded), f"{crowded / HOUR:.0f} h"
        figures.append(Figure(f"places used, {name}, of all, while something waits", share, "%", spread=spread))
        for priority in ("critical", "low"):
            waits = run.waits[priority]
            spread = f"p95 {percentile(waits, 95) / HOUR:.2f} h"
            figures.append(Figure(f"mean wait, {priority}, {name}", mean(waits) / HOUR, "h", spread=spread))
        figures.append(Figure(f"worst wait, {name}", max(run.every) / HOUR, "h", spread=f"{run.most} waited at once"))
    used = f"{100 * bound / (SESSIONS * DAYS * DAY):.0f} %"
    method = (
        f"{PIECES:,} pieces of work for {PRODUCTS} products over {DAYS} days, {SESSIONS} sessions, {MEMORY_GB:g} GB and "
        f"{WEIGHT:g} of weight, through the same `admit` that decides in earnest. Lengths are those counted of 5,660 sessions "
        "of an autonomous agent (half under 8 minutes, one in sixteen over half an hour), answers of people those to 117,413 "
        "pull requests (median half an hour), and sessions are lost as tasks of such lengths failed (8 % of the short, two in "
        "three of the longest); `tests/bench/simulation.py` names the sources. Chosen, for nobody has counted them: arrivals "
        "by working days, memory (1.3 GB in the median), money, and that a third ask a person; they give their place away and "
        "keep their memory. Memory is learned; every tenth product has a budget. Every start is checked against all limits "
        "anew, beside the guard. The best packing is a bound that nobody can reach: work cut into any pieces, each done by all "
        f"places at once, nobody waited for; it uses {used} of the places. Over a month that is no hard goal, so the places "
        "used while something waits are told beside it: the rest is short of memory or of weight, or kept for who has waited "
        "longest. Waits are until the first start, of products without a budget of their own."
    )
    return Section("Thirty days simulated", method, tuple(figures))
