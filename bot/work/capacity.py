"""What the guard looks at, gathered: what is in use, who is held, what is left to spend, what work is expected to take."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from bot.domain import GateState, Product, Work, WorkState
from bot.engine.base import RuntimeInfo
from bot.work import estimates, retry
from bot.work.admission import Admission, AdmissionInput, Capacity, Hold, Requirements, Spend, admit

if TYPE_CHECKING:
    from bot.fleet import Fleet

HOLDING = (WorkState.STARTING, WorkState.RUNNING)
"""States of work that has a place, unless its product is halted."""
ANSWERING = timedelta(minutes=10)
"""So long at most a coordinator that was woken for a question has a place for it."""
WHOLE = "*"
"""Stands for the whole fleet in notes about brakes and money."""


@dataclass
class Resuming:
    """Products being resumed. Their paused work already counts as using capacity."""

    products: set[str] = field(default_factory=set)


@dataclass
class CpuLoad:
    """CPU use of all sessions, percent of their machines, smoothed so that no start waits for a peak."""

    percent: float = 0.0


def measure_cpu(fleet: "Fleet") -> None:
    """Update the smoothed CPU load: half the previous value, half the newest snapshots."""
    cores = sum(runtime.cpus for runtime in fleet.engine.runtimes()) or 1
    used = sum(snapshot.cpu_percent for snapshot in fleet.snapshots.values()) / cores
    load = fleet.state(CpuLoad)
    load.percent = (load.percent + used) / 2


def decisions(
    fleet: "Fleet", queue: Sequence[Work], *, first: Sequence[str] = (), going_on: Iterable[str] = ()
) -> list[Admission]:
    """What the guard says of each of these as things stand: what the scheduler acts on, and what people are told beforehand."""
    return admit(queue, capacity(fleet), question(fleet, queue, first=first, going_on=going_on), fleet.now())


def products(fleet: "Fleet") -> Mapping[str, Product]:
    """The registry's products, with the priorities that people have set meanwhile."""
    known, changed = fleet.products, fleet.store.product_states.priorities()
    return (
        {name: replace(each, priority=changed.get(name, each.priority)) for name, each in known.items()} if changed else known
    )


def holding(fleet: "Fleet") -> list[Work]:
    """All work that has a place now: what stands still with its product leaves it to others."""
    known, standing = fleet.products, halted(fleet)
    states = (*HOLDING, WorkState.WAITING) if fleet.registry.scheduling.waiting_keeps_slot else HOLDING
    return [work for work in fleet.store.work.open(states=states) if work.product in known and work.product not in standing]


def woken(fleet: "Fleet", product: str) -> None:
    """Give a coordinator its place that is about to be woken for a question, or for an answer to work that is over."""
    fleet.store.product_states.set_woken(product, fleet.now())


def answered(fleet: "Fleet", product: str) -> None:
    """Its coordinator has written: it needs no place any more but for its work."""
    fleet.store.product_states.set_woken(product, None)


def answering(fleet: "Fleet") -> set[str]:
    """Products whose coordinator was woken, and has not written since."""
    now, known = fleet.now(), fleet.products
    since = {name: at for name, at in fleet.store.product_states.woken().items() if name in known}
    return {name for name, at in since.items() if timedelta() <= now - at < ANSWERING} - halted(fleet) if since else set()


def paused_products(fleet: "Fleet") -> set[str]:
    """Return the products that are paused, by us or in their runtime."""
    inside = {name for name, snapshot in fleet.snapshots.items() if snapshot.paused}
    return inside | fleet.store.product_states.pauses().keys()


def halted(fleet: "Fleet") -> set[str]:
    """Products in which nothing moves: paused by us or in their runtime, and not about to go on."""
    return paused_products(fleet) - fleet.state(Resuming).products


def capacity(fleet: "Fleet") -> Capacity:
    """What is in use of sessions, weight, memory, CPU and money."""
    scheduling, known, having = fleet.registry.scheduling, products(fleet), holding(fleet)
    expected = {work.id: need(fleet, work) for work in having}
    by_product: dict[str, float] = {}
    for work in having:
        by_product[work.product] = by_product.get(work.product, 0.0) + expected[work.id].memory_gb
    beside = answering(fleet) - by_product.keys()
    by_product |= {name: need(fleet, _plain(fleet, name)).memory_gb for name in beside}
    used = {name: snapshot.memory_mib / 1024 for name, snapshot in fleet.snapshots.items()}
    reserved = {name: max(0.0, gb - used.get(name, 0.0)) for name, gb in by_product.items()}
    free_gb, most_gb = _of_runtimes(fleet, reserved)
    spent = spent_today(fleet)
    return Capacity(
        running=len(having) + len(beside),
        max_sessions=scheduling.max_concurrent_sessions,
        memory_gb=sum(used.values()),
        max_memory_gb=scheduling.max_memory_gb,
        cpu_percent=fleet.state(CpuLoad).percent,
        max_cpu_percent=scheduling.max_cpu_percent,
        spent_usd=fleet.store.turns.spent_since(fleet.today()) + sum(spent.values()),
        budget_usd=limit(fleet, WHOLE),
        weight=sum(work.weight or known[work.product].resource_weight for work in having)
        + sum(known[name].resource_weight for name in beside),
        max_weight=scheduling.resource_budget.max_weight,
        reserved_gb=sum(reserved.values()),
        standing_gb=sum(gb for name, gb in used.items() if name not in by_product),
        free_gb=free_gb,
        most_gb=most_gb,
        reserved_usd=sum(_still_to_spend(work, expected[work.id]) for work in having),
        frozen=brake_words(WHOLE, fleet.store.brakes.get(WHOLE)),
    )


def _of_runtimes(fleet: "Fleet", reserved: Mapping[str, float]) -> tuple[dict[str, float], dict[str, float]]:
    """GiB by runtime: what is left where its sessions run, less what has just started there will take still; and all of it."""
    left, most = dict[str, float](), dict[str, float]()
    for place, info in enumerate(fleet.engine.runtimes()):
        if (memory := _memory(info)) is None:
            continue
        mine = [each for each in fleet.registry.products if each.runtime == info.name or (not each.runtime and place == 0)]
        promised = sum(reserved.get(each.name, 0.0) for each in mine)
        for name in (info.name, "") if place == 0 else (info.name,):
            left[name], most[name] = memory[0] - promised, memory[1]
    return left, most


def _memory(info: RuntimeInfo) -> tuple[float, float] | None:
    """GiB that a runtime has left, and that it has in all: under its container's limit, or on this machine."""
    if info.memory_limit_mib is not None:
        return max(0.0, info.memory_limit_mib - info.memory_mib) / 1024, info.memory_limit_mib / 1024
    if info.kind in {"local", "rehearsal"}:
        import psutil

        memory = psutil.virtual_memory()
        return memory.available / 2**30, memory.total / 2**30
    return None


def spent_today(fleet: "Fleet") -> dict[str, float]:
    """US dollars by product since the day began (UTC): the highest that was said, also by a coordinator before this one."""
    day = fleet.today().date()
    spent = fleet.store.spending.on(day)
    for name, snapshot in fleet.snapshots.items():
        if snapshot.at.date() == day:
            spent[name] = max(spent.get(name, 0.0), snapshot.cost_usd_today)
    return spent


def limit(fleet: "Fleet", scope: str) -> float | None:
    """The most that may be spent today by a product, or by the fleet (`WHOLE`), with what a person has added to it."""
    product = fleet.products.get(scope)
    budget = fleet.registry.budget if scope == WHOLE else product.budget if product else None
    if budget is None or budget.per_day_usd is None:
        return None
    return budget.per_day_usd + added(fleet, scope)


def work_limit(fleet: "Fleet", work: Work) -> float | None:
    """The most that one piece of work may cost: its product's limit, else the fleet's, with what a person has added to it."""
    product = fleet.products.get(work.product)
    own = product.budget.per_work_usd if product else None
    most = fleet.registry.budget.per_work_usd if own is None else own
    return None if most is None else most + added(fleet, work.id)


def added(fleet: "Fleet", scope: str) -> float:
    """US dollars that a person has added to a limit; for a day, or for a piece of work."""
    day = None if scope.startswith("w") and scope[1:].isdigit() else fleet.today().date()
    return fleet.store.raised_limits.get(scope, day)


def need(fleet: "Fleet", work: Work) -> Requirements:
    """What a piece of work is expected to take."""
    expected = estimates.expected(fleet, work.product, work.capability)
    return Requirements(expected.memory_gb, expected.usd if work.estimate_usd is None else work.estimate_usd)


def _still_to_take(fleet: "Fleet", work: Work) -> Requirements:
    """What work that is under way takes when it goes on, beyond what its product has."""
    expected, snapshot = need(fleet, work), fleet.snapshots.get(work.product)
    has = snapshot.memory_mib / 1024 if snapshot else 0.0
    return Requirements(max(0.0, expected.memory_gb - has), _still_to_spend(work, expected))


def _still_to_spend(work: Work, expected: Requirements) -> float:
    return max(0.0, expected.usd - work.cost_usd)


def question(
    fleet: "Fleet", queue: Sequence[Work], *, first: Sequence[str] = (), going_on: Iterable[str] = ()
) -> AdmissionInput:
    """What the guard has to know of these pieces of work. `going_on` are products whose pause is about to end."""
    known, having = products(fleet), holding(fleet)
    places, most = Counter(work.product for work in having), fleet.registry.scheduling.failures_in_a_row
    held = holds(fleet, places)
    for name in going_on:
        if name in held and held[name].code == "paused":
            del held[name]
    names = {work.product for work in queue}
    needs = {work.id: need(fleet, work) for work in queue if work.estimate_usd is not None or work.capability is not None}
    needs |= {name: need(fleet, _plain(fleet, name)) for name in names}
    needs |= {work.id: _still_to_take(fleet, work) for work in queue if work.state is not WorkState.QUEUED}
    reserved: dict[str, float] = {}
    for work in having:
        reserved[work.product] = reserved.get(work.product, 0.0) + _still_to_spend(work, need(fleet, work))
    spent = spent_today(fleet)
    purses = {name: Spend(spent.get(name, 0.0), limit(fleet, name), reserved.get(name, 0.0)) for name in names & known.keys()}
    trials = {name: hold for name in names if (hold := retry.trial(name, failed(fleet, name), most))}
    return AdmissionInput(known, held, purses, needs, _blocked(fleet, queue), places, first, trials)


def _plain(fleet: "Fleet", product: str) -> Work:
    return Work("w0", product, "", WorkState.QUEUED, fleet.now(), fleet.now())


def holds(fleet: "Fleet", places: Mapping[str, int]) -> dict[str, Hold]:
    """Products on which nothing may start now, and why."""
    found: dict[str, Hold] = {}
    paused = fleet.store.product_states.pauses()
    waiting = {gate.product for gate in fleet.store.gates.in_states(GateState.OPEN)}
    brakes = fleet.store.brakes.all()
    for product in fleet.registry.products:
        name, snapshot = product.name, fleet.snapshots.get(product.name)
        if name in brakes:
            found[name] = Hold("brake", brake_words(name, brakes[name]))
        elif name in paused:
            found[name] = Hold("paused", paused_words(name, paused[name]))
        elif trouble := fleet.trouble(product) or (snapshot.trouble if snapshot else None):
            found[name] = Hold("trouble", f"{name}: {trouble.message}")
        elif name in fleet.unheard:
            found[name] = Hold("unheard", f"{name} is being looked at, its runtime has just come up")
        elif snapshot and snapshot.paused:
            found[name] = Hold("paused", f"{name} is paused in its runtime; /fleet resume {name}")
        elif product.approvals.hold_new_work and name in waiting:
            found[name] = Hold("gates", f"{name} is held while a gate is open")
        elif hold := _failing(fleet, name, places.get(name, 0)):
            found[name] = hold
    return found


def _failing(fleet: "Fleet", name: str, places: int) -> Hold | None:
    ended, most = failed(fleet, name), fleet.registry.scheduling.failures_in_a_row
    return retry.cooling(name, ended, most, fleet.now()) or (retry.trial(name, ended, most) if places else None)


def failed(fleet: "Fleet", product: str) -> list[Work]:
    """The failures in a row of a product, newest first, since a person last had it tried again."""
    ended = estimates.lately_ended(fleet, product)
    if not ended or ended[0].state is not WorkState.FAILED:
        return []
    return retry.in_a_row(ended, fleet.store.product_states.retried_at(product))


def paused_words(name: str, how: str) -> str:
    """Why a product is paused, from its note."""
    return f"{name} is paused, its budget is spent" if how.startswith("budget") else f"{name} is paused"


def brake_words(scope: str, said: str | None) -> str:
    """Why nothing may start there while the brake is on, from its note; nothing without one."""
    if said is None:
        return ""
    release = "/fleet brake --release" if scope == WHOLE else f"/fleet brake {scope} --release"
    return f"the brake is on ({said}); {release}"


def _blocked(fleet: "Fleet", queue: Sequence[Work]) -> dict[str, Hold]:
    """Queued work that waits for other work, or for a moment after a failure."""
    states = fleet.store.work.states([id for work in queue for id in work.depends_on])
    found: dict[str, Hold] = {}
    for work in queue:
        if work.not_before is not None and fleet.now() < work.not_before:
            found[work.id] = Hold("backoff", f"tried again at {work.not_before:%H:%M} UTC, after its session was lost")
        elif work.depends_on and (hold := _depends(work, states)) is not None:
            found[work.id] = hold
    return found


def _depends(work: Work, states: Mapping[str, WorkState]) -> Hold | None:
    for id in work.depends_on:
        state = states.get(id)
        if state in {WorkState.FAILED, WorkState.CANCELLED}:
            cure = f"/fleet prioritize {work.id} --after none lets it start all the same"
            return Hold("depends", f"depends on {id}, which is {state}; {cure}")
        if state is not None and state is not WorkState.DONE:
            return Hold("depends", f"waits for {id}, which is {state}")
    return None
