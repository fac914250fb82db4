"""The brake: everything, or one product, stands still at once, and nothing starts until it is released.

It needs no model, no chat platform, and no runtime either: that it is on is in the store first, and whatever can be reached is
halted then; what cannot be is halted when it is back. Nothing is ended, and conversations are kept.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from bot.domain import Gate, GateState, Person, Session, Work, WorkState
from bot.domain.errors import Conflict, EngineError
from bot.fleet import Change, Fleet
from bot.text.wording import shortened
from bot.work import capacity
from bot.work.pause import let_go_on


@dataclass(frozen=True, slots=True)
class InFlight:
    """What runs or waits where the brake would be put on."""

    sessions: tuple[tuple[str, Session], ...]
    """(product, session) of every agent that runs."""
    running: tuple[Work, ...]
    queued: int
    gates: tuple[Gate, ...]


def scope_of(product: str | None) -> str:
    """The name under which a brake is kept: a product's, or `*` for the fleet."""
    return product or capacity.WHOLE


def in_flight(fleet: "Fleet", product: str | None) -> InFlight:
    """What the brake would halt."""
    work = fleet.store.work.open(product)
    snapshots = [each for name, each in fleet.snapshots.items() if product in (None, name)]
    return InFlight(
        sessions=tuple((each.product, session) for each in snapshots for session in each.active if not each.paused),
        running=tuple(each for each in work if each.state in capacity.HOLDING),
        queued=sum(each.state is WorkState.QUEUED for each in work),
        gates=tuple(fleet.store.gates.in_states(GateState.OPEN, product=product)),
    )


def on(fleet: "Fleet") -> dict[str, str]:
    """Where the brake is on, and since when and by whom: by product, or `*` for the fleet."""
    return fleet.store.brakes.all()


async def pull(fleet: "Fleet", product: str | None, person: Person) -> tuple[list[str], list[str]]:
    """Put the brake on. Returns the products halted by it, and those that could not be reached yet."""
    with fleet.transaction():
        fleet.store.brakes.pull(scope_of(product), f"{person.name}, {fleet.now():%d %b %H:%M} UTC")
        fleet.record("brake", person.name, product, scope_of(product), {"on": True})
    fleet.changed(Change("status", product=product))
    wanted = unbraked(fleet)
    outcomes = await asyncio.gather(*(halt(fleet, name) for name in wanted), return_exceptions=True)
    failed = [name for name, outcome in zip(wanted, outcomes, strict=True) if isinstance(outcome, EngineError)]
    for outcome in outcomes:
        if isinstance(outcome, BaseException) and not isinstance(outcome, EngineError):
            raise outcome
    return [name for name in wanted if name not in failed], failed


def unbraked(fleet: "Fleet") -> list[str]:
    """Products under the brake in which something moves still."""
    braked = on(fleet)
    if not braked:
        return []
    paused, found = fleet.store.product_states.pauses(), []
    starting = {work.product for work in fleet.store.work.open(states=capacity.HOLDING)}
    for name in fleet.products:
        if capacity.WHOLE not in braked and name not in braked:
            continue
        snapshot = fleet.snapshots.get(name)
        moves = name in starting or (snapshot is not None and snapshot.active)
        if moves and name not in paused and not (snapshot and snapshot.paused):
            found.append(name)
    return found


async def halt(fleet: "Fleet", name: str) -> None:
    """Halt one product for the brake. Raises EngineError to be called again."""
    async with fleet.lock(name):
        if name not in unbraked(fleet):
            return
        fleet.store.product_states.set_braked(name)  # first: what was halted and not noted would stand still for ever
        await fleet.engine.pause(name)
    fleet.changed(Change("status", product=name))


def release(fleet: "Fleet", product: str | None, person: Person) -> list[str]:
    """Take the brake off. What it halted goes on as soon as there is room; what a person had paused stays so. Returns the
    products that go on. Raises Conflict where it is not on."""
    if fleet.store.brakes.get(scope_of(product)) is None:
        where = f"on {product}" if product else "on the fleet"
        others = ", ".join("the fleet" if each == capacity.WHOLE else each for each in on(fleet))
        raise Conflict(f"There is no brake {where}.", f"It is on: {others}." if others else "Nothing was changed.")
    with fleet.transaction():
        fleet.store.brakes.release(scope_of(product))
        fleet.record("brake", person.name, product, scope_of(product), {"on": False})
        goes_on = _released(fleet)
        for name in goes_on:
            let_go_on(fleet, name, person.name)
    fleet.changed(Change("status", product=product))
    return goes_on


def _released(fleet: "Fleet") -> list[str]:
    """Products that stand still for a brake that is off."""
    braked, paused = on(fleet), fleet.store.product_states.pauses()
    if capacity.WHOLE in braked:
        return []
    return [name for name in fleet.store.product_states.braked() if name not in braked and name not in paused]


def words(found: InFlight) -> Sequence[str]:
    """What is in flight and what would be lost, a line each."""
    lines = [f"**{product}**: {each.agent} ({each.capability}, {each.state})" for product, each in found.sessions]
    lines += [f"`{each.id}` of **{each.product}** “{shortened(each.objective, 80)}”" for each in found.running]
    return lines
