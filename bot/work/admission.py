"""Admission: which work may start or resume now, and why the rest waits. Pure, and never bypassed.

Everything that would make an agent run passes `admit` first: a command, the agent, a schedule, a resumed product, a decision
sent to a coordinator, recovery after a crash. `now` and every figure are arguments. Each decision carries its reason and the
numbers behind it. The order among work that may start is that of `bot.work.ordering`, or the model's choice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from bot.domain import Product, Work, WorkState
from bot.text.wording import money
from bot.work.ordering import Line, number

DEFAULT_MEMORY_GB = 2.0
"""Memory that a session is expected to take while too few runs of its kind are known, GiB."""
PATIENCE = timedelta(hours=1)
"""Waiting time after which capacity that becomes free is reserved for work that was short of it."""
SLACK = 1e-9
"""Tolerance when sums of floats are compared with a limit."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """Use of each shared limit. A limit of `None` means unlimited. Memory is in GiB, money in US dollars."""

    running: int
    """Slots in use."""
    max_sessions: int
    """Slots in all."""
    memory_gb: float = 0.0
    max_memory_gb: float | None = None
    cpu_percent: float = 0.0
    max_cpu_percent: float | None = None
    spent_usd: float = 0.0
    budget_usd: float | None = None
    weight: float = 0.0
    max_weight: float | None = None
    sessions: int = 0
    """Agent processes that are running. One piece of work uses one slot and may run several."""
    reserved_gb: float = 0.0
    """Memory that running work is expected to take beyond what it takes already."""
    standing_gb: float = 0.0
    """Memory held by paused or waiting products, which no finishing work will free. Part of `memory_gb`."""
    free_gb: Mapping[str, float] | None = None
    """Free memory of each runtime's machine or container. Runtimes that are not named are unlimited."""
    most_gb: Mapping[str, float] | None = None
    """Total memory of each runtime's machine or container."""
    reserved_usd: float = 0.0
    """Money that running work is still expected to cost."""
    frozen: str = ""
    """Reason why nothing at all may start, or empty."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Reason why something may not start: `code` for programs, `reason` for people."""

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
    """Memory (GiB) and money (US dollars) that a piece of work is expected to take."""

    memory_gb: float = DEFAULT_MEMORY_GB
    usd: float = 0.0


class Admission(NamedTuple):
    """Decision on one piece of work: start (or resume) it, or let it wait for `reason`. `code` is the reason for programs."""

    work: Work
    start: bool
    reason: str
    position: int = 0
    """Position among the work that waits, from 1."""
    code: str = "admitted"
    numbers: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class AdmissionInput:
    """Input of `admit` beside the queue and the capacity."""

    products: Mapping[str, Product]
    held: Mapping[str, Hold]
    """Holds by product."""
    spending: Mapping[str, Spend]
    """Money by product."""
    needs: Mapping[str, Requirements]
    """Requirements by id of work, and by product for all others of it. Of started work, what it will still take."""
    blocked: Mapping[str, Hold]
    """Holds by id, for work that waits for other work or for its next retry."""
    slots: Mapping[str, int]
    """Number of slots that each product uses."""
    first: Sequence[str] = ()
    """Ids that the model chose to come before the others."""
    trials: Mapping[str, Hold] = field(default_factory=dict)
    """Holds by product that apply once it uses a slot."""


NOTHING = AdmissionInput({}, {}, {}, {}, {}, {})
STOPS_RESUMING = frozenset({"paused", "brake", "trouble", "unheard", "gone"})
"""Codes of holds that also keep started work from resuming."""
_SHARED = frozenset({"memory", "machine", "weight"})
"""Codes of refusals that need not refuse the next in line, which may need less."""


def admit(queue: Sequence[Work], capacity: Capacity, given: AdmissionInput, now: datetime) -> list[Admission]:
    """Return a decision for each piece of work, in the order of the queue.

    Work that has started wants its slot back. It already has its memory, and comes before all new work."""
    tally = _Tally(capacity, given)
    decisions: list[Admission] = []
    position = 0
    for work in sorted((each for each in queue if each.state is not WorkState.QUEUED), key=number):
        if (refusal := tally.resume_refusal(work)) is None:
            decisions.append(tally.take(work, resuming=True))
            continue
        position += 1
        decisions.append(Admission(work, False, refusal.reason, position, refusal.code, tally.numbers()))
    new = [each for each in queue if each.state is WorkState.QUEUED]
    line = Line(new, given.products, tally.slots, now, given.first)
    while tally.closed is None and (following := line.take()) is not None:
        refusal, numbers = tally.start_refusal(following)
        if refusal is None:
            decisions.append(tally.take(following))
            line.add_slot(following.product)
            continue
        position += 1
        decisions.append(Admission(following, False, refusal.reason, position, refusal.code, numbers))
        if refusal.code in _SHARED and now - following.created_at >= PATIENCE and tally.would_ever_fit(following):
            tally.reserve_for(following, refusal)
    if (closed := tally.closed) is not None:
        numbers = tally.numbers()
        for waiting in line.rest():
            position += 1
            own = tally.own_refusal(waiting) or closed
            decisions.append(Admission(waiting, False, own.reason, position, own.code, numbers))
    return decisions


class _Tally:
    """Capacity in use while decisions are made. Each start takes its share at once."""

    def __init__(self, capacity: Capacity, given: AdmissionInput) -> None:
        self._capacity, self._given = capacity, given
        self.slots = dict(given.slots)
        self._running, self._weight = capacity.running, capacity.weight
        self._memory = capacity.memory_gb + capacity.reserved_gb
        self._free = dict(capacity.free_gb or {})
        self._reserved_usd = capacity.reserved_usd
        self._spending = dict(given.spending)
        self._own: dict[str, Hold | None] = {}
        self.closed = self._closed_for_new()
        """Hold that keeps all new work from starting, or None."""
        self._reserved: dict[str, Hold] = {}
        """Hold by runtime whose free memory is reserved."""
        self._assessed: dict[tuple[str, str], tuple[Hold | None, dict[str, Any]]] = {}
        """Shortages since the last start, by product, and by id for work with terms of its own."""

    def _closed_for_new(self) -> Hold | None:
        if (closed := self._closed_for_all()) is not None:
            return closed
        used, most = self._capacity.cpu_percent, self._capacity.max_cpu_percent
        if most is not None and used >= most:
            return Hold("cpu", f"waits for CPU ({used:.0f} of {most:g} % in use)")
        return None

    def _closed_for_all(self) -> Hold | None:
        """Return the hold that also applies to work that resumes, which takes no more memory than it has."""
        capacity = self._capacity
        if capacity.frozen:
            return Hold("brake", capacity.frozen)
        if self._running >= capacity.max_sessions:
            return Hold("sessions", f"waits for a slot ({self._running} of {capacity.max_sessions} in use)")
        if capacity.budget_usd is not None and capacity.spent_usd >= capacity.budget_usd:
            return Hold("budget", f"the fleet has spent {money(capacity.spent_usd)} of {money(capacity.budget_usd)} today")
        return None

    def resume_refusal(self, work: Work) -> Hold | None:
        """Return why started work may not resume now, given the decisions so far."""
        return self.own_refusal(work, resuming=True) or self._closed_for_all() or self._overweight(work)

    def start_refusal(self, work: Work) -> tuple[Hold | None, dict[str, Any]]:
        """Return why queued work may not start now, given the decisions so far, and the numbers."""
        alike = work.product, "" if work.weight is None and work.id not in self._given.needs else work.id
        if alike not in self._assessed:
            short = self._overweight(work) or self._short(work, self._need(work))
            self._assessed[alike] = short, self.numbers(work)
        short, numbers = self._assessed[alike]
        return self.own_refusal(work) or short, numbers

    def own_refusal(self, work: Work, *, resuming: bool = False) -> Hold | None:
        """Return the hold on this work or its product alone."""
        if not resuming and (blocked := self._given.blocked.get(work.id)) is not None:
            return blocked
        if work.product not in self._own:
            self._own[work.product] = self._product_refusal(work.product)
        found = self._own[work.product]
        return None if resuming and found and found.code not in (STOPS_RESUMING | {"budget"}) else found

    def _product_refusal(self, name: str) -> Hold | None:
        if name not in self._given.products:
            return Hold("gone", f"{name} is no longer in the registry")
        if (held := self._given.held.get(name)) is not None:
            return held
        if name in self._given.trials and self.slots.get(name, 0):
            return self._given.trials[name]
        spend = self._spending.get(name, Spend())
        if spend.limit is not None and spend.spent >= spend.limit:
            return Hold("budget", f"{name} has spent {money(spend.spent)} of {money(spend.limit)} today")
        return None

    def _overweight(self, work: Work) -> Hold | None:
        weight, most = self._weigh(work), self._capacity.max_weight
        if most is None or self._weight + weight <= most + SLACK:
            return None
        return Hold("weight", f"waits for {weight:g} of weight ({self._weight:g} of {most:g} in use)")

    def _short(self, work: Work, need: Requirements) -> Hold | None:
        """Return what this work is short of: memory, or money."""
        capacity = self._capacity
        if capacity.max_memory_gb is not None:
            short = self._memory + need.memory_gb - capacity.max_memory_gb
            if short > SLACK:
                return Hold("memory", _memory_reason(short, self._memory, capacity.max_memory_gb, need.memory_gb))
        if (reserved := self._reserved.get(self._runtime(work))) is not None:
            return reserved
        free = self._free.get(self._runtime(work))
        if free is not None and need.memory_gb > free + SLACK:
            figures = f"({free:.1f} GB free, {need.memory_gb:.1f} needed)"
            return Hold("machine", f"{need.memory_gb - free:.1f} GB short of memory on its runtime's machine {figures}")
        return self._unaffordable(work, need)

    def _unaffordable(self, work: Work, need: Requirements) -> Hold | None:
        capacity, spend = self._capacity, self._spending.get(work.product, Spend())
        sums = (
            (work.product, spend.spent + spend.reserved, spend.limit),
            ("the fleet", capacity.spent_usd + self._reserved_usd, capacity.budget_usd),
        )
        for whose, gone, limit in sums:
            # Work that costs more than a whole day's limit may start on a fresh day, and is paused when that is used up.
            if limit is not None and need.usd > 0 and gone + min(need.usd, limit) > limit + SLACK:
                left = f"{money(max(0.0, limit - gone))} of {money(limit)} left today for {whose}"
                return Hold("estimate", f"{left}, and it is expected to cost {money(need.usd)}")
        return None

    def take(self, work: Work, *, resuming: bool = False) -> Admission:
        """Give the work a slot and its share of everything else."""
        need = self._given.needs.get(work.id, Requirements(0.0)) if resuming else self._need(work)
        self._running += 1
        self._weight += self._weigh(work)
        self._memory += need.memory_gb
        self._reserved_usd += need.usd
        self.slots[work.product] = self.slots.get(work.product, 0) + 1
        self._own.pop(work.product, None)
        self._assessed.clear()
        self.closed = self._closed_for_new()
        runtime, spend = self._runtime(work), self._spending.get(work.product, Spend())
        if runtime in self._free:
            self._free[runtime] -= need.memory_gb
        self._spending[work.product] = Spend(spend.spent, spend.limit, spend.reserved + need.usd)
        used = f"{self._running} of {self._capacity.max_sessions} slots in use"
        return Admission(work, True, used, numbers=self.numbers(work))

    def would_ever_fit(self, work: Work) -> bool:
        """Return True if the work could start once everything that runs has ended."""
        capacity, need = self._capacity, self._need(work).memory_gb
        light = capacity.max_weight is None or self._weigh(work) <= capacity.max_weight
        small = capacity.max_memory_gb is None or capacity.standing_gb + need <= capacity.max_memory_gb
        return light and small and need <= (capacity.most_gb or {}).get(self._runtime(work), need)

    def reserve_for(self, work: Work, refusal: Hold) -> None:
        """Reserve capacity that becomes free for this work: of its runtime if that is full, else of the fleet."""
        reserved = Hold("kept", f"free capacity is reserved for {work.id}, which has waited longest: {refusal.reason}")
        if refusal.code == "machine":
            self._reserved[self._runtime(work)] = reserved
        else:
            self.closed = reserved

    def numbers(self, work: Work | None = None) -> dict[str, Any]:
        """Return the numbers behind a decision, for the record."""
        capacity = self._capacity
        found: dict[str, Any] = {
            "slots": [self._running, capacity.max_sessions],
            "memory_gb": [round(self._memory, 2), capacity.max_memory_gb],
            "cpu_percent": [round(capacity.cpu_percent, 1), capacity.max_cpu_percent],
            "cost_usd_today": [round(capacity.spent_usd, 4), capacity.budget_usd],
        }
        if capacity.max_weight is not None:
            found["weight"] = [self._weight, capacity.max_weight]
        if work is not None:
            need, spend = self._need(work), self._spending.get(work.product, Spend())
            found |= {"needs_gb": round(need.memory_gb, 2), "expected_usd": round(need.usd, 4)}
            if spend.limit is not None:
                found["product_usd_today"] = [round(spend.spent, 4), spend.limit]
        return found

    def _need(self, work: Work) -> Requirements:
        needs = self._given.needs
        return needs.get(work.id) or needs.get(work.product) or Requirements()

    def _weigh(self, work: Work) -> float:
        if work.weight is not None:
            return work.weight
        product = self._given.products.get(work.product)
        return product.resource_weight if product else 1.0

    def _runtime(self, work: Work) -> str:
        product = self._given.products.get(work.product)
        return (product.runtime if product else None) or ""


def _memory_reason(short: float, used: float, most: float, need: float) -> str:
    if need > most:
        return f"needs about {need:.1f} GB, and all sessions together may use {most:g} GB (max_memory_gb)"
    return f"{max(short, 0.1):.1f} GB short of memory ({used:.1f} of {most:g} GB in use or reserved, {need:.1f} needed)"
