"""The guard that nothing goes around: which work may start or go on now, and why the rest waits. Pure.

Whatever would make an agent run is asked of `admit` first: a command, the agent, a schedule, a resumed product, a decision on
its way to a coordinator, recovery after a crash. `now` and every figure are handed in; each decision carries its reason and
the numbers behind it. The order among what may start is that of `bot.work.ordering`, or of judgement.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from bot.domain import Product, Work, WorkState
from bot.text.wording import money
from bot.work.ordering import Line, number

DEFAULT_MEMORY_GB = 2.0
"""What a session is expected to take while nothing is known of its like."""
PATIENCE = timedelta(hours=1)
"""Work that is short of something shared for this long gets what becomes free next: lighter work overtakes it no more."""
SLACK = 1e-9
"""Sums of floats may be so much above a limit."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """What is in use and what there may be. `None`: not limited. Memory in GiB, money in US dollars."""

    running: int
    max_sessions: int
    memory_gb: float = 0.0
    max_memory_gb: float | None = None
    cpu_percent: float = 0.0
    max_cpu_percent: float | None = None
    spent_usd: float = 0.0
    budget_usd: float | None = None
    weight: float = 0.0
    max_weight: float | None = None
    reserved_gb: float = 0.0
    """What running work is expected to take beyond what it takes already."""
    standing_gb: float = 0.0
    """Part of `memory_gb` that no end of work frees: of products that stand still, or wait for a person."""
    free_gb: Mapping[str, float] | None = None
    """By runtime: what its machine or container has left; runtimes that are not named are not limited."""
    most_gb: Mapping[str, float] | None = None
    """By runtime: what its machine or container has in all."""
    reserved_usd: float = 0.0
    """What running work is expected to cost still."""
    frozen: str = ""
    """Why nothing at all may start."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Why nothing may start on a product: `code` for programs, `reason` for people."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Spend:
    """A product's money today, US dollars."""

    spent: float = 0.0
    limit: float | None = None
    reserved: float = 0.0


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a piece of work is expected to take: GiB and US dollars."""

    memory_gb: float = DEFAULT_MEMORY_GB
    usd: float = 0.0


class Admission(NamedTuple):
    """One decision: start this work (or let it go on), or let it wait because of `reason`; `code` is that for programs."""

    work: Work
    start: bool
    reason: str
    place: int = 0
    """Its place among what waits, from 1."""
    code: str = "room"
    numbers: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class AdmissionInput:
    """All that the guard looks at beside the queue and what is in use."""

    products: Mapping[str, Product]
    held: Mapping[str, Hold]
    """By product."""
    purses: Mapping[str, Spend]
    """By product."""
    needs: Mapping[str, Requirements]
    """By id of work, or `<product>` for all others of it; of work under way what it will take still."""
    blocked: Mapping[str, Hold]
    """By id: work that waits for other work, or for a moment after a failure."""
    places: Mapping[str, int]
    """How many places each product has."""
    first: Sequence[str] = ()
    """Ids that judgement put before the others."""
    trials: Mapping[str, Hold] = field(default_factory=dict)
    """By product: what holds it back from its second place on."""


NOTHING = AdmissionInput({}, {}, {}, {}, {}, {})
KEEPS_OUT_RETURNING = frozenset({"paused", "brake", "trouble", "unheard", "gone"})
"""Holds that keep also work from going on that was under way."""


def admit(queue: Sequence[Work], capacity: Capacity, question: AdmissionInput, now: datetime) -> list[Admission]:
    """A decision for each of these, first in line first. Work that is not queued but under way wants its place back: it has
    its memory already, and comes before all that is new."""
    tally = _Tally(capacity, question)
    decisions: list[Admission] = []
    place = 0
    for work in sorted((each for each in queue if each.state is not WorkState.QUEUED), key=number):
        if (refusal := tally.refusal_of_returning(work)) is None:
            decisions.append(tally.placed(work, returning=True))
            continue
        place += 1
        decisions.append(Admission(work, False, refusal.reason, place, refusal.code, tally.numbers()))
    new = [each for each in queue if each.state is WorkState.QUEUED]
    line = Line(new, question.products, tally.places, now, question.first)
    while tally.shut is None and (following := line.take()) is not None:
        refusal, numbers = tally.weighed(following)
        if refusal is None:
            decisions.append(tally.placed(following))
            line.placed(following.product)
            continue
        place += 1
        decisions.append(Admission(following, False, refusal.reason, place, refusal.code, numbers))
        if refusal.code in _SHARED and now - following.created_at >= PATIENCE and tally.would_ever_fit(following):
            tally.keep_for(following, refusal)
    if (shut := tally.shut) is not None:
        numbers = tally.numbers()
        for waiting in line.rest():
            place += 1
            own = tally.own_refusal(waiting) or shut
            decisions.append(Admission(waiting, False, own.reason, place, own.code, numbers))
    return decisions


_SHARED = frozenset({"memory", "machine", "weight"})
"""Refusals of one that do not refuse the next, which may need less."""


class _Tally:
    """What is in use while decisions are made: each start takes its part at once."""

    def __init__(self, capacity: Capacity, question: AdmissionInput) -> None:
        self._capacity, self._question = capacity, question
        self.places = dict(question.places)
        self._running, self._weight = capacity.running, capacity.weight
        self._memory = capacity.memory_gb + capacity.reserved_gb
        self._free = dict(capacity.free_gb or {})
        self._reserved_usd = capacity.reserved_usd
        self._purses = dict(question.purses)
        self._own: dict[str, Hold | None] = {}
        self.shut = self._shut_for_new()
        """Why nothing new can start any more, whatever it is."""
        self._kept: dict[str, Hold] = {}
        """By runtime: for whom all of it is kept."""
        self._weighed: dict[tuple[str, str], tuple[Hold | None, dict[str, Any]]] = {}
        """Since the last place was given, by product, and by id where work has terms of its own: what all that is alike is
        short of."""

    def _shut_for_new(self) -> Hold | None:
        if (shut := self._shut_for_all()) is not None:
            return shut
        used, most = self._capacity.cpu_percent, self._capacity.max_cpu_percent
        if most is not None and used >= most:
            return Hold("cpu", f"waits for CPU ({used:.0f} of {most:g} % in use)")
        return None

    def _shut_for_all(self) -> Hold | None:
        """The same for all, also for what goes on, which takes no more than it has."""
        capacity = self._capacity
        if capacity.frozen:
            return Hold("brake", capacity.frozen)
        if self._running >= capacity.max_sessions:
            return Hold("sessions", f"waits for a session ({self._running} of {capacity.max_sessions} in use)")
        if capacity.budget_usd is not None and capacity.spent_usd >= capacity.budget_usd:
            return Hold("budget", f"the fleet has spent {money(capacity.spent_usd)} of {money(capacity.budget_usd)} today")
        return None

    def refusal_of_returning(self, work: Work) -> Hold | None:
        """Why this may not go on now, as far as it has been decided by then."""
        return self.own_refusal(work, returning=True) or self._shut_for_all() or self._overweight(work)

    def weighed(self, work: Work) -> tuple[Hold | None, dict[str, Any]]:
        """Why this may not start now, as far as it has been decided by then, and the figures."""
        alike = work.product, "" if work.weight is None and work.id not in self._question.needs else work.id
        if alike not in self._weighed:
            short = self._overweight(work) or self._short(work, self._need(work))
            self._weighed[alike] = short, self.numbers(work)
        short, numbers = self._weighed[alike]
        return self.own_refusal(work) or short, numbers

    def own_refusal(self, work: Work, *, returning: bool = False) -> Hold | None:
        """What stands against this work or its product alone."""
        if not returning and (blocked := self._question.blocked.get(work.id)) is not None:
            return blocked
        if work.product not in self._own:
            self._own[work.product] = self._product_refusal(work.product)
        found = self._own[work.product]
        return None if returning and found and found.code not in (KEEPS_OUT_RETURNING | {"budget"}) else found

    def _product_refusal(self, name: str) -> Hold | None:
        if name not in self._question.products:
            return Hold("gone", f"{name} is no longer in the registry")
        if (held := self._question.held.get(name)) is not None:
            return held
        if name in self._question.trials and self.places.get(name, 0):
            return self._question.trials[name]
        purse = self._purses.get(name, Spend())
        if purse.limit is not None and purse.spent >= purse.limit:
            return Hold("budget", f"{name} has spent {money(purse.spent)} of {money(purse.limit)} today")
        return None

    def _overweight(self, work: Work) -> Hold | None:
        weight, most = self._weigh(work), self._capacity.max_weight
        if most is None or self._weight + weight <= most + SLACK:
            return None
        return Hold("weight", f"waits for {weight:g} of weight ({self._weight:g} of {most:g} in use)")

    def _short(self, work: Work, need: Requirements) -> Hold | None:
        """What there is too little of for this one."""
        capacity = self._capacity
        if capacity.max_memory_gb is not None:
            short = self._memory + need.memory_gb - capacity.max_memory_gb
            if short > SLACK:
                return Hold("memory", _memory_words(short, self._memory, capacity.max_memory_gb, need.memory_gb))
        if (kept := self._kept.get(self._runtime(work))) is not None:
            return kept
        free = self._free.get(self._runtime(work))
        if free is not None and need.memory_gb > free + SLACK:
            figures = f"({free:.1f} GB left, {need.memory_gb:.1f} needed)"
            return Hold("machine", f"{need.memory_gb - free:.1f} GB short of memory where it runs {figures}")
        return self._unpayable(work, need)

    def _unpayable(self, work: Work, need: Requirements) -> Hold | None:
        capacity, purse = self._capacity, self._purses.get(work.product, Spend())
        sums = (
            (work.product, purse.spent + purse.reserved, purse.limit),
            ("the fleet", capacity.spent_usd + self._reserved_usd, capacity.budget_usd),
        )
        for whose, gone, limit in sums:
            # What has cost more than a whole day allows may start on a fresh one; it is paused when that is used up.
            if limit is not None and need.usd > 0 and gone + min(need.usd, limit) > limit + SLACK:
                left = f"{money(max(0.0, limit - gone))} of {money(limit)} are left today to {whose}"
                return Hold("estimate", f"{left}, and it is expected to cost {money(need.usd)}")
        return None

    def placed(self, work: Work, *, returning: bool = False) -> Admission:
        """Give it its place."""
        need = self._question.needs.get(work.id, Requirements(0.0)) if returning else self._need(work)
        self._running += 1
        self._weight += self._weigh(work)
        self._memory += need.memory_gb
        self._reserved_usd += need.usd
        self.places[work.product] = self.places.get(work.product, 0) + 1
        self._own.pop(work.product, None)
        self._weighed.clear()
        self.shut = self._shut_for_new()
        runtime, purse = self._runtime(work), self._purses.get(work.product, Spend())
        if runtime in self._free:
            self._free[runtime] -= need.memory_gb
        self._purses[work.product] = Spend(purse.spent, purse.limit, purse.reserved + need.usd)
        free = f"{self._running} of {self._capacity.max_sessions} sessions in use"
        return Admission(work, True, free, numbers=self.numbers(work))

    def would_ever_fit(self, work: Work) -> bool:
        """Whether it could start once all that runs has ended."""
        capacity, need = self._capacity, self._need(work).memory_gb
        light = capacity.max_weight is None or self._weigh(work) <= capacity.max_weight
        small = capacity.max_memory_gb is None or capacity.standing_gb + need <= capacity.max_memory_gb
        return light and small and need <= (capacity.most_gb or {}).get(self._runtime(work), need)

    def keep_for(self, work: Work, refusal: Hold) -> None:
        """Nothing that comes after it may take what it waits for: of all, or of the runtime that is full."""
        kept = Hold("kept", f"what becomes free is kept for {work.id}, which has waited longest: {refusal.reason}")
        if refusal.code == "machine":
            self._kept[self._runtime(work)] = kept
        else:
            self.shut = kept

    def numbers(self, work: Work | None = None) -> dict[str, Any]:
        """The figures behind a decision, for the record."""
        capacity = self._capacity
        found: dict[str, Any] = {
            "sessions": [self._running, capacity.max_sessions],
            "memory_gb": [round(self._memory, 2), capacity.max_memory_gb],
            "cpu_percent": [round(capacity.cpu_percent, 1), capacity.max_cpu_percent],
            "cost_usd_today": [round(capacity.spent_usd, 4), capacity.budget_usd],
        }
        if capacity.max_weight is not None:
            found["weight"] = [self._weight, capacity.max_weight]
        if work is not None:
            need, purse = self._need(work), self._purses.get(work.product, Spend())
            found |= {"needs_gb": round(need.memory_gb, 2), "expected_usd": round(need.usd, 4)}
            if purse.limit is not None:
                found["product_usd_today"] = [round(purse.spent, 4), purse.limit]
        return found

    def _need(self, work: Work) -> Requirements:
        needs = self._question.needs
        return needs.get(work.id) or needs.get(work.product) or Requirements()

    def _weigh(self, work: Work) -> float:
        if work.weight is not None:
            return work.weight
        product = self._question.products.get(work.product)
        return product.resource_weight if product else 1.0

    def _runtime(self, work: Work) -> str:
        product = self._question.products.get(work.product)
        return (product.runtime if product else None) or ""


def _memory_words(short: float, used: float, most: float, need: float) -> str:
    if need > most:
        return f"needs about {need:.1f} GB, and all sessions together may use {most:g} GB (max_memory_gb)"
    return f"{max(short, 0.1):.1f} GB short of memory ({used:.1f} of {most:g} GB in use or promised, {need:.1f} needed)"
