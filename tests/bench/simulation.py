"""Thirty simulated days of a large fleet, run in seconds.

200 products and 10,000 pieces of work pass through the real admission, and the same trace through first come, first
served and through strict priority. Lengths, answers and failures follow published counts (see `LENGTHS`, `ANSWERS`,
`failing`). Arrivals by working days, memory, money and the share of work that asks are unpublished, so they are
assumptions. Everything is drawn once, so that every policy gets the same trace.
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
"""Daily budget of every tenth product."""
START = datetime(2026, 3, 2, tzinfo=UTC)
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
LENGTHS = {(2, 5): 2151, (5, 15): 2105, (15, 30): 1053, (30, 360): 351}
"""Lengths of sessions in minutes, with their number in half a year. Source: “What 7,500 Autonomous Sessions Taught Me
About Agent Productivity” (March 2026). Sessions under two minutes are pings and left out. The last class has no upper
bound there."""
ANSWERS = {0.2: 31_491, 0.5: 25_754, 0.9: 37_657, 1.1: 8_356, 0.8: 14_155}
"""Hours until half of the pull requests of a size were reviewed, with their number. From “Cycle time decoded”
(117,413 reviewed pull requests, October 2025). The spread is not published: a lognormal of 1.3 is used, cut off after
14 hours."""
ASKS = 0.35
"""Share of work that asks a person. In “SyFI Trace Atlas”, half of 4,265 sessions had one request."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """Random outcome of one piece of work. Times are in seconds. `dies` and `asks` are parts of its length."""

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
    """Thirty simulated days under one policy."""

    waits: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in PRIORITY_STEPS})
    """Seconds until the first start, by priority, for products without their own budget."""
    spans: list[tuple[float, float]] = field(default_factory=list)
    """Times at which a slot was taken and released."""
    beyond: int = 0
    """Number of starts beyond a limit."""
    done: int = 0
    most: int = 0
    """Longest queue."""
    crowded: list[tuple[float, float]] = field(default_factory=list)
    """Times at which work waited for something other than money."""
    most_gb: float = 0.0
    """Most memory in actual use, GB."""

    @property
    def every(self) -> list[float]:
        """Return all waits."""
        return [wait for waits in self.waits.values() for wait in waits]

    def busy(self, parts: Sequence[tuple[float, float]]) -> float:
        """Return the session-seconds within these intervals."""
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
    """Generate the products and all requests, oldest first."""
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
    """Return the seconds of work. Within each class of `LENGTHS`, shorter ones are more frequent."""
    low, high = luck.choices(list(LENGTHS), weights=list(LENGTHS.values()))[0]
    return MINUTE * math.exp(luck.uniform(math.log(low), math.log(high)))


def _answer(luck: Random) -> float:
    """Return the seconds until a person answers."""
    median = luck.choices(list(ANSWERS), weights=list(ANSWERS.values()))[0]
    return min(14 * HOUR, luck.lognormvariate(math.log(median * HOUR), 1.3))


def failing(length: float) -> float:
    """Return the probability that a session is lost.

    In “454 Autonomous Tasks Later” (March 2026), 92 % of tasks up to 45 minutes and 33 % of those over two hours
    succeeded; lengths in between are interpolated.
    """
    return 0.08 if length < 45 * MINUTE else 0.67 if length > 2 * HOUR else 0.3


def _moment(luck: Random, days: int) -> float:
    """Return the time of a request. Four in five fall into working hours, the rest at any time."""
    while True:
        day, hour = luck.randrange(days), luck.gauss(13, 3) if luck.random() < 0.8 else luck.uniform(0, 24)
        if 0 <= hour < 24 and (day % 7 < 5 or luck.random() < 0.25):
            return day * DAY + hour * HOUR


class Fleet:
    """A simulated fleet under one policy. `order` sorts the queue, by default with the weights of `bot.work.ordering`."""

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
        """Work whose sessions wait for a person and keep their memory."""
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
        """Run the simulation until nothing is left."""
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
        """Trigger a decision at midnight, when budgets reset."""

    def _stops(self, now: float, id: str) -> None:
        """Handle the end of a stretch of work, which asks, dies or completes."""
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
        """Return the GiB that running work uses or is expected to use.

        Nothing more is known of work that starts at this moment.
        """
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
        """Return True if a limit is exceeded after this start. Resumed work already has its memory."""
        broke = work.product in self.limited and self.spent.get(work.product, 0.0) >= BUDGET_USD
        heavy = new and self._promised(now) + self._standing() > MEMORY_GB + 1e-6
        return broke or heavy or len(self.running) > SESSIONS or self._weight() > WEIGHT

    def _stretch(self, id: str) -> tuple[str, float]:
        """Return the outcome and the length of the stretch that begins now."""
        fate, gone = self.fate[id], self.fate[id].length - self.left[id]
        if fate.asks is not None and gone < fate.asks * fate.length - 1:
            return "asks", fate.asks * fate.length - gone
        if fate.dies is not None and not self.lost.get(id) and gone < fate.dies * fate.length - 1:
            return "dies", fate.dies * fate.length - gone
        return "ends", self.left[id]


def best(products: Mapping[str, Product], drawn: Sequence[Drawn], days: int) -> float:
    """Return the session-seconds that no packing of this trace can exceed.

    The bound lets work be split arbitrarily and run on all slots at once without waiting for people, and treats
    memory and weight as further servers. The smallest bound applies.
    """
    whole = sum(each.length for each in drawn)
    parts = (
        (SESSIONS, [each.length for each in drawn]),
        (MEMORY_GB, [(each.length + (each.answer if each.asks else 0.0)) * each.memory_gb for each in drawn]),
        (WEIGHT, [each.length * products[each.work.product].resource_weight for each in drawn]),
    )
    return min(whole * _served(drawn, amounts, rate, days) / sum(amounts) for rate, amounts in parts)


def _served(drawn: Sequence[Drawn], amounts: Sequence[float], rate: float, days: int) -> float:
    """Return the work that a server of this rate completes within the simulated days."""
    left = served = before = 0.0
    for each, amount in zip(drawn, amounts, strict=True):
        part = min(left, (each.at - before) * rate)
        served, left, before = served + part, left - part + amount, each.at
    return served + min(left, (days * DAY - before) * rate)


def by_arrival(queue: Sequence[Work]) -> list[str]:
    """Sort by arrival."""
    return [work.id for work in sorted(queue, key=lambda work: work.created_at)]


def by_priority(products: Mapping[str, Product]) -> Callable[[Sequence[Work]], list[str]]:
    """Sort by priority only."""

    def order(queue: Sequence[Work]) -> list[str]:
        ranked = sorted(queue, key=lambda work: (-PRIORITY_STEPS[products[work.product].priority], work.created_at))
        return [work.id for work in ranked]

    return order


async def measure(bench: Bench) -> Section:
    """Run the three policies on one trace."""
    products, drawn = trace()
    bound, figures = best(products, drawn, DAYS), list[Figure]()
    policies = {"the scheduler": None, "first come, first served": by_arrival, "strict priority": by_priority(products)}
    for name, order in policies.items():
        run = Fleet(products, drawn, order).live()
        ours = order is None
        if ours:
            figures.append(Figure("starts beyond a limit", run.beyond, "", Goal(1)))
            figures.append(Figure("work done", run.done, "pieces", Goal(PIECES, at_least=True)))
            figures.append(Figure("peak memory in use", run.most_gb, "GB", spread=f"limit {MEMORY_GB:g} GB"))
        share, goal = 100 * run.busy([(0.0, DAYS * DAY)]) / bound, Goal(95, at_least=True) if ours else None
        figures.append(Figure(f"slot use, {name}, relative to the best packing", share, "%", goal))
        crowded = sum(end - begin for begin, end in run.crowded)
        share, spread = 100 * run.busy(run.crowded) / (SESSIONS * crowded), f"{crowded / HOUR:.0f} h"
        figures.append(Figure(f"slot use, {name}, while work is queued", share, "%", spread=spread))
        for priority in ("critical", "low"):
            waits = run.waits[priority]
            spread = f"p95 {percentile(waits, 95) / HOUR:.2f} h"
            figures.append(Figure(f"mean wait, {priority}, {name}", mean(waits) / HOUR, "h", spread=spread))
        figures.append(Figure(f"worst wait, {name}", max(run.every) / HOUR, "h", spread=f"longest queue {run.most}"))
    used = f"{100 * bound / (SESSIONS * DAYS * DAY):.0f} %"
    method = (
        f"{PIECES:,} pieces of work for {PRODUCTS} products over {DAYS} days, with {SESSIONS} slots, {MEMORY_GB:g} GB and a "
        f"weight of {WEIGHT:g}, decided by the same `admit` as in production. Durations follow 5,660 published sessions of an "
        "autonomous agent (half under 8 minutes, one in sixteen over half an hour), decision times follow 117,413 "
        "pull requests (median half an hour), and sessions are lost at the published failure rates of tasks of that length "
        "(8 % of short ones, two thirds of the longest); `tests/bench/simulation.py` names the sources. No figures are "
        "published for arrivals, memory (median 1.3 GB), cost, and the third of the work that asks a person; these are "
        "assumptions. Waiting work gives up its slot and keeps its memory. Memory is learned, and every tenth product has a "
        "budget. Every start is checked against all limits independently of the guard. The best packing is an upper bound "
        "that no schedule can reach, with work split arbitrarily across all slots and no waiting for people; it uses "
        f"{used} of the slots. Every policy comes close to it over a month, so slot use while work is queued is listed as "
        "well; the remainder lacks memory or weight, or is reserved for the work that has waited longest. Waits are until the "
        "first start, for products without their own budget."
    )
    return Section("Thirty days simulated", method, tuple(figures))
