"""The input of admission, gathered from the fleet: holds, money, requirements and slots of the products in the queue."""

from collections.abc import Iterable, Sequence

from bot.domain import Work, WorkState
from bot.fleet import Fleet
from bot.work import estimates, limits, priorities, retry, slots
from bot.work.admission import Admission, AdmissionInput, Requirements, Spend, admit
from bot.work.capacity import capacity, remaining_usd
from bot.work.holds import blocked, failures, holds


def admissions(
    fleet: Fleet, queue: Sequence[Work], *, first: Sequence[str] = (), resuming: Iterable[str] = ()
) -> list[Admission]:
    """Return the admission decision for each of these now. The scheduler acts on it, and forecasts show it.

    `first` are ids that come before the others. `resuming` are products whose pause is about to end."""
    return admit(queue, capacity(fleet), admission_input(fleet, queue, first=first, resuming=resuming), fleet.now())


def admission_input(
    fleet: Fleet, queue: Sequence[Work], *, first: Sequence[str] = (), resuming: Iterable[str] = ()
) -> AdmissionInput:
    """Return what admission has to know about these pieces of work."""
    known, having = priorities.products(fleet), slots.in_use(fleet)
    used, most = slots.by_product(fleet), fleet.registry.scheduling.failures_in_a_row
    held = holds(fleet, used)
    for name in resuming:
        if name in held and held[name].code == "paused":
            del held[name]
    names = {work.product for work in queue}
    needs = {
        work.id: estimates.requirements(fleet, work)
        for work in queue
        if work.estimate_usd is not None or work.capability is not None
    }
    needs |= {name: estimates.default_requirements(fleet, name) for name in names}
    needs |= {work.id: _remaining(fleet, work) for work in queue if work.state is not WorkState.QUEUED}
    reserved: dict[str, float] = {}
    for work in having:
        remaining = remaining_usd(work, estimates.requirements(fleet, work))
        reserved[work.product] = reserved.get(work.product, 0.0) + remaining
    spent = limits.spent_today(fleet)
    spending = {
        name: Spend(spent.get(name, 0.0), limits.daily_limit(fleet, name), reserved.get(name, 0.0))
        for name in names & known.keys()
    }
    trials = {name: hold for name in names if (hold := retry.trial(name, failures(fleet, name), most))}
    return AdmissionInput(known, held, spending, needs, blocked(fleet, queue), used, first, trials)


def _remaining(fleet: Fleet, work: Work) -> Requirements:
    """Return what started work will take when it resumes, beyond what its product uses already."""
    expected, snapshot = estimates.requirements(fleet, work), fleet.snapshots.get(work.product)
    has = snapshot.memory_mib / 1024 if snapshot else 0.0
    return Requirements(max(0.0, expected.memory_gb - has), remaining_usd(work, expected))
