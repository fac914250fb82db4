"""The brake: halts everything, or one product, at once, and lets nothing start until it is released.

It needs no model, no chat platform and no runtime. The store records it first, then everything reachable is halted, and a
runtime that is unreachable is halted when it is back. No session ends, and conversations are preserved.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from bot.domain import Gate, GateState, Person, Session, Work, WorkState
from bot.domain.errors import Conflict, EngineError
from bot.fleet import Change, Fleet
from bot.text.wording import shortened
from bot.work.limits import WHOLE_FLEET
from bot.work.pause import resume_later
from bot.work.slots import SLOT_STATES


@dataclass(frozen=True, slots=True)
class InFlight:
    """Running and waiting work that the brake would affect."""

    sessions: tuple[tuple[str, Session], ...]
    """Every running agent's session, with its product."""
    running: tuple[Work, ...]
    queued: int
    gates: tuple[Gate, ...]


def scope_of(product: str | None) -> str:
    """Return the scope of a brake: the product's name, or `*` for the fleet."""
    return product or WHOLE_FLEET


def in_flight(fleet: Fleet, product: str | None) -> InFlight:
    """Return what the brake would halt."""
    work = fleet.store.work.open(product)
    snapshots = [each for name, each in fleet.snapshots.items() if product in (None, name)]
    return InFlight(
        sessions=tuple((each.product, session) for each in snapshots for session in each.active if not each.paused),
        running=tuple(each for each in work if each.state in SLOT_STATES),
        queued=sum(each.state is WorkState.QUEUED for each in work),
        gates=tuple(fleet.store.gates.in_states(GateState.OPEN, product=product)),
    )


def describe(found: InFlight) -> Sequence[str]:
    """Return what is running in words, a line for each agent and each piece of work."""
    lines = [f"**{product}**: {each.agent} ({each.capability}, {each.state})" for product, each in found.sessions]
    lines += [f"`{each.id}` of **{each.product}** “{shortened(each.objective, 80)}”" for each in found.running]
    return lines


def brakes(fleet: Fleet) -> dict[str, str]:
    """Return the brakes that are on by scope, each with who pulled it and when."""
    return fleet.store.brakes.all()


async def pull(fleet: Fleet, product: str | None, person: Person) -> tuple[list[str], list[str]]:
    """Pull the brake. Return the products that it halted, and those that could not be reached yet."""
    with fleet.transaction():
        fleet.store.brakes.pull(scope_of(product), f"{person.name}, {fleet.now():%d %b %H:%M} UTC")
        fleet.record("brake", person.name, product, scope_of(product), {"on": True})
    fleet.changed(Change("status", product=product))
    wanted = to_halt(fleet)
    outcomes = await asyncio.gather(*(halt(fleet, name) for name in wanted), return_exceptions=True)
    failed = [name for name, outcome in zip(wanted, outcomes, strict=True) if isinstance(outcome, EngineError)]
    for outcome in outcomes:
        if isinstance(outcome, BaseException) and not isinstance(outcome, EngineError):
            raise outcome
    return [name for name in wanted if name not in failed], failed


def to_halt(fleet: Fleet) -> list[str]:
    """Return the products under a brake whose agents are still running."""
    braked = brakes(fleet)
    if not braked:
        return []
    paused, found = fleet.store.product_states.pauses(), []
    starting = {work.product for work in fleet.store.work.open(states=SLOT_STATES)}
    for name in fleet.products:
        if WHOLE_FLEET not in braked and name not in braked:
            continue
        snapshot = fleet.snapshots.get(name)
        moves = name in starting or (snapshot is not None and snapshot.active)
        if moves and name not in paused and not (snapshot and snapshot.paused):
            found.append(name)
    return found


async def halt(fleet: Fleet, name: str) -> None:
    """Halt one product for the brake. Raises EngineError, and is then called again."""
    async with fleet.lock(name):
        if name not in to_halt(fleet):
            return
        fleet.store.product_states.set_braked(name)  # before the halt: a halt without this record would never be undone
        await fleet.engine.pause(name)
    fleet.changed(Change("status", product=name))


def release(fleet: Fleet, product: str | None, person: Person) -> list[str]:
    """Release the brake and return the products that resume as soon as there is capacity.

    Products that a person had paused stay paused. Raises Conflict if the brake is not on."""
    if fleet.store.brakes.get(scope_of(product)) is None:
        where = f"on {product}" if product else "on the fleet"
        others = ", ".join("the fleet" if each == WHOLE_FLEET else each for each in brakes(fleet))
        raise Conflict(f"There is no brake {where}.", f"It is on: {others}." if others else "Nothing was changed.")
    with fleet.transaction():
        fleet.store.brakes.release(scope_of(product))
        fleet.record("brake", person.name, product, scope_of(product), {"on": False})
        resuming = _released(fleet)
        for name in resuming:
            resume_later(fleet, name, person.name)
    fleet.changed(Change("status", product=product))
    return resuming


def _released(fleet: Fleet) -> list[str]:
    """Return the products that a brake had halted which is off now."""
    braked, paused = brakes(fleet), fleet.store.product_states.pauses()
    if WHOLE_FLEET in braked:
        return []
    return [name for name in fleet.store.product_states.braked() if name not in braked and name not in paused]
