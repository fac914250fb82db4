"""What people do to the queue: ask for work, take it out, put it into another place. Callers have passed the access check."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from bot.domain import Person, Work, WorkState
from bot.domain.errors import Conflict, UsageError
from bot.fleet import Change, Fleet
from bot.text.wording import listed, money
from bot.work import capacity, ordering


@dataclass(frozen=True, slots=True)
class Terms:
    """What is asked beside the objective; see the fields of `Work`."""

    priority: str | None = None
    weight: float | None = None
    estimate_usd: float | None = None
    depends_on: tuple[str, ...] = ()
    deadline: datetime | None = None
    source: str = "person"
    schedule: str | None = None


def submit(
    fleet: "Fleet",
    product: str,
    objective: str,
    *,
    capability: str | None,
    person: Person,
    conversation: str,
    request: str,
    terms: Terms = Terms(),
) -> tuple[Work, bool]:
    """Queue work once for each `request`. Returns the work, and True if it is new. The jobs start it once it is admitted.

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


def requeue(fleet: "Fleet", lost: Sequence[Work], why: str) -> None:
    """Queue work again whose session has ended. It starts as another attempt, with a recap of what is known."""
    for work in lost:
        again = {"attempt": work.attempt + 1, "agent": None, "mail": None}
        fleet.save_work(work, state=WorkState.QUEUED, reason=why, **again)


def _check_terms(fleet: "Fleet", work: Work, terms: Terms) -> None:
    most = fleet.registry.scheduling.resource_budget.max_weight
    if terms.weight is not None and most is not None and terms.weight > most:
        raise UsageError(f"A weight of {terms.weight:g} never fits: all together may have {most:g} (max_weight).", "Name less.")
    limits = [capacity.limit(fleet, work.product), capacity.limit(fleet, capacity.WHOLE), capacity.work_limit(fleet, work)]
    least = min((each for each in limits if each is not None), default=None)
    if terms.estimate_usd is not None and least is not None and terms.estimate_usd > least:
        hint = "Split it, name a lower estimate, or have the budget raised in products.yaml."
        raise UsageError(f"{money(terms.estimate_usd)} is more than may be spent on it: {money(least)}.", hint)
    if terms.deadline is not None and terms.deadline <= fleet.now():
        raise UsageError(f"The deadline {terms.deadline:%Y-%m-%d %H:%M} UTC has passed.", "Name a later one.")
    for id in terms.depends_on:
        before = fleet.work(id)
        if before.state in {WorkState.FAILED, WorkState.CANCELLED}:
            raise UsageError(f"{id} is {before.state}, so what depends on it would never start.", "Name other work.")


def cancel(fleet: "Fleet", work: Work, person: Person) -> Work:
    """Take queued work out of the queue. Raises Conflict when it has started."""
    if work.state is WorkState.CANCELLED:
        return work
    if work.state is not WorkState.QUEUED:
        hint = f"Say `/fleet stop {work.product}` to stop what runs." if work.state.open else "Nothing was changed."
        raise Conflict(f"{work.id} is {work.state}.", hint)
    fleet.record("work", person.name, work.product, work.id, {"cancelled": True})
    return fleet.save_work(work, state=WorkState.CANCELLED, reason=f"cancelled by {person.name}")


def line(fleet: "Fleet") -> ordering.Line:
    """The queue in its order now."""
    queue, known = fleet.store.work.open(states=(WorkState.QUEUED,)), capacity.products(fleet)
    places: dict[str, int] = {}
    for work in capacity.holding(fleet):
        places[work.product] = places.get(work.product, 0) + 1
    return ordering.Line(queue, known, places, fleet.now())


def move(fleet: "Fleet", work: Work, before: Work | None, person: Person) -> Work:
    """Put queued work right before another, or at the end (None)."""
    for each in (work, *([before] if before else [])):
        if each.state is not WorkState.QUEUED:
            raise Conflict(f"{each.id} is not in the queue: it is {each.state}.", "Say `/fleet queue` for what waits.")
    boost = ordering.moved(work, before, line(fleet), capacity.products(fleet).get(work.product), fleet.now())
    said = {"moved before": before.id if before else "the end", "boost": round(boost, 4)}
    fleet.record("work", person.name, work.product, work.id, said)
    return fleet.save_work(work, boost=boost)


def change(fleet: "Fleet", work: Work, person: Person, terms: Terms) -> Work:
    """Change the priority, deadline or dependencies of queued work. Raises UsageError for a circle of dependencies."""
    if work.state is not WorkState.QUEUED:
        raise Conflict(f"{work.id} is not in the queue: it is {work.state}.", "Say `/fleet queue` for what waits.")
    _check_terms(fleet, work, terms)
    if circle := _circle(fleet, work.id, terms.depends_on):
        said = " → ".join(circle)
        raise UsageError(f"That would go in a circle: {said}. None of them could ever start.", "Nothing was changed.")
    detail = {"priority": terms.priority, "after": list(terms.depends_on), "deadline": str(terms.deadline or "")}
    fleet.record("work", person.name, work.product, work.id, {"prioritized": detail})
    return fleet.save_work(work, priority=terms.priority, depends_on=terms.depends_on, deadline=terms.deadline)


def _circle(fleet: "Fleet", id: str, after: Sequence[str], way: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The way from work over what it depends on back to itself; empty if there is none."""
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


def set_priority(fleet: "Fleet", product: str, priority: str | None, person: Person) -> None:
    """Give a product another priority than the registry's, or (None) that one again. The file stays as it is."""
    with fleet.transaction():
        fleet.store.product_states.set_priority(product, priority)
        fleet.record("priority", person.name, product, product, {"priority": priority or "as in products.yaml"})
    fleet.changed(Change("status", product=product))


def focus(fleet: "Fleet", paused: str, on: Sequence[str], person: Person) -> None:
    """Put products before all others for as long as another is paused."""
    store = fleet.store
    for name in on:
        if name not in store.focuses.focused():
            store.product_states.set_priority_before_focus(name, store.product_states.priority(name))
        set_priority(fleet, name, "critical", person)
    store.focuses.replace(paused, on)


def unfocus(fleet: "Fleet", paused: str, person: Person) -> tuple[str, ...]:
    """Undo `focus` when the product goes on. Returns the products that have their old priority again."""
    store = fleet.store
    on = store.focuses.of(paused)
    store.focuses.replace(paused, ())
    others = store.focuses.focused()
    again = tuple(name for name in on if name not in others)
    for name in again:
        set_priority(fleet, name, store.product_states.priority_before_focus(name), person)
        store.product_states.set_priority_before_focus(name, None)
    return again


def said_of(names: Sequence[str]) -> str:
    """Products that come first, in words."""
    return f"{listed(names)} {'comes' if len(names) == 1 else 'come'} first until then"
