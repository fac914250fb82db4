"""Commands on the queue: submit work, cancel it, move it, change its terms. Callers have passed the access check."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from bot.domain import Person, Work, WorkState
from bot.domain.errors import Conflict, UsageError
from bot.fleet import Change, Fleet
from bot.text.wording import money
from bot.work import limits, ordering, priorities, slots
from bot.work.holds import NEVER_DONE
from bot.work.states import ENDED, label


@dataclass(frozen=True, slots=True)
class Terms:
    """Terms of work beside its objective. See the fields of `Work`."""

    priority: str | None = None
    weight: float | None = None
    estimate_usd: float | None = None
    depends_on: tuple[str, ...] = ()
    deadline: datetime | None = None
    source: str = "person"
    schedule: str | None = None


def submit(
    fleet: Fleet,
    product: str,
    objective: str,
    *,
    capability: str | None,
    person: Person,
    conversation: str,
    request: str,
    terms: Terms = Terms(),
) -> tuple[Work, bool]:
    """Queue work once for each `request`. Return the work, and True if it is new. The jobs start it once it is admitted.

    Raises UsageError if the product runs no agents, or for terms under which the work could never start."""
    wanted, now = fleet.product(product), fleet.now()
    if not wanted.overstory:
        raise UsageError(f"{wanted.name} has `overstory: false`: it runs no agents.", "Set it to true in products.yaml.")
    asked = Work(
        id="",
        product=wanted.name,
        objective=objective,
        state=WorkState.QUEUED,
        created_at=now,
        updated_at=now,
        capability=capability,
        asked_by=person.name,
        conversation=conversation,
        reason="just asked for",
        **asdict(terms),
    )
    with fleet.transaction():
        if (known := fleet.store.work.requested(request)) is not None:
            return known, False
        _check_terms(fleet, asked, terms)
        work, new = fleet.store.work.add(asked, request)
        if new:
            detail = {"asked": objective, "capability": capability, "by": terms.source, "priority": terms.priority}
            fleet.record("work", person.name, work.product, work.id, detail)
            fleet.changed(Change("work", product=work.product, work=work))
    return work, new


def requeue(fleet: Fleet, lost: Sequence[Work], why: str) -> None:
    """Queue work again whose session has ended. It starts as another attempt, with a recap of what is known."""
    for work in lost:
        again = {"attempt": work.attempt + 1, "agent": None, "mail": None}
        fleet.save_work(work, state=WorkState.QUEUED, reason=why, **again)


def cancel(fleet: Fleet, work: Work, person: Person) -> Work:
    """Take queued work out of the queue. Raises Conflict if it has started."""
    if work.state is WorkState.CANCELLED:
        return work
    if work.state is not WorkState.QUEUED:
        hint = f"Run `/fleet stop {work.product}` to stop running work." if work.state.open else "Nothing was changed."
        raise Conflict(f"{work.id} is {label(work)}.", hint)
    fleet.record("work", person.name, work.product, work.id, {"cancelled": True})
    return fleet.save_work(work, state=WorkState.CANCELLED, reason=f"cancelled by {person.name}")


def line(fleet: Fleet) -> ordering.Line:
    """Return the queue in its current order."""
    queue = fleet.store.work.open(states=(WorkState.QUEUED,))
    return ordering.Line(queue, priorities.products(fleet), slots.by_product(fleet), fleet.now())


def move(fleet: Fleet, work: Work, before: Work | None, person: Person) -> Work:
    """Move queued work right before another, or to the end with None. Raises Conflict if either is not queued."""
    for each in (work, *([before] if before else [])):
        _check_queued(each)
    boost = ordering.moved(work, before, line(fleet), priorities.products(fleet).get(work.product), fleet.now())
    said = {"moved before": before.id if before else "the end", "boost": round(boost, 4)}
    fleet.record("work", person.name, work.product, work.id, said)
    return fleet.save_work(work, boost=boost)


def change(fleet: Fleet, work: Work, person: Person, terms: Terms) -> Work:
    """Change the priority, deadline or dependencies of queued work.

    Raises Conflict if it is not queued, or UsageError for circular dependencies."""
    _check_queued(work)
    _check_terms(fleet, work, terms)
    if circle := _circle(fleet, work.id, terms.depends_on):
        raise UsageError(f"Circular dependency: {' → '.join(circle)}. None of them could ever start.", "Nothing was changed.")
    detail = {"priority": terms.priority, "after": list(terms.depends_on), "deadline": str(terms.deadline or "")}
    fleet.record("work", person.name, work.product, work.id, {"prioritized": detail})
    return fleet.save_work(work, priority=terms.priority, depends_on=terms.depends_on, deadline=terms.deadline)


def _check_queued(work: Work) -> None:
    if work.state is not WorkState.QUEUED:
        raise Conflict(f"{work.id} is not in the queue: it is {label(work)}.", "Run `/fleet queue` to list queued work.")


def _check_terms(fleet: Fleet, work: Work, terms: Terms) -> None:
    most = fleet.registry.scheduling.resource_budget.max_weight
    if terms.weight is not None and most is not None and terms.weight > most:
        raise UsageError(
            f"A weight of {terms.weight:g} never fits: all work together may weigh {most:g} (max_weight).",
            "Use a lower weight.",
        )
    least = min((each for each in _limits(fleet, work) if each is not None), default=None)
    if terms.estimate_usd is not None and least is not None and terms.estimate_usd > least:
        hint = "Split the work, lower the estimate, or raise the budget in products.yaml."
        raise UsageError(f"The estimate of {money(terms.estimate_usd)} is above the limit of {money(least)}.", hint)
    if terms.deadline is not None and terms.deadline <= fleet.now():
        raise UsageError(f"The deadline {terms.deadline:%Y-%m-%d %H:%M} UTC has passed.", "Use a later one.")
    for id in terms.depends_on:
        before = fleet.work(id)
        if before.state in NEVER_DONE:
            raise UsageError(f"{id} {ENDED[before.state]}, so work that depends on it would never start.", "Name other work.")


def _limits(fleet: Fleet, work: Work) -> list[float | None]:
    scopes = (work.product, limits.WHOLE_FLEET)
    return [*(limits.daily_limit(fleet, scope) for scope in scopes), limits.work_limit(fleet, work)]


def _circle(fleet: Fleet, id: str, after: Sequence[str], way: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the ids from work over its dependencies back to itself, or an empty tuple if there is no circle."""
    way = (*way, id)
    for each in after:
        if each == way[0]:
            return (*way, each)
        if each in way:
            continue
        known = fleet.store.work.get(each)
        if known is not None and (found := _circle(fleet, each, known.depends_on, way)):
            return found
    return ()
