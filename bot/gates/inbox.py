"""The inbox: open gates, the most urgent first, each with the reasons.

Escalations come first, because their agent cannot continue. Then the gates that block most work (their own, and queued work
that their product may not start meanwhile), then the product's priority, then what has been escalated or reminded of, then
the oldest.
"""

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bot.domain import PRIORITY_STEPS, Gate, GateKind, GateState, Person, Product, Role, WorkState, access
from bot.fleet import Fleet
from bot.text.wording import count

NOTHING: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Waiting:
    """A gate and the work that it blocks. A gate that is not open blocks nothing."""

    gate: Gate
    blocks: tuple[str, ...] = NOTHING
    """Ids of the blocked work: the gate's own first, then queued work that its product may not start."""
    holds: bool = False
    """True if its product starts no new work while the gate is open."""
    why: tuple[str, ...] = NOTHING
    """Reasons for its urgency, the weightiest first. Empty if only its age counts."""
    urgency: tuple[float, ...] = ()
    """Sort key: the smaller, the more urgent."""


def inbox(fleet: Fleet, product: str | None = None, person: Person | None = None) -> list[Waiting]:
    """Return the open gates (of one product if named) that a person may see, the most urgent first."""
    found = fleet.store.gates.in_states(GateState.OPEN, product=product)
    names = {gate.product for gate in found}
    visible = {name for name in names if person is None or access.may(person, Role.VIEWER, name) is None}
    return by_urgency(assess(fleet, [gate for gate in found if gate.product in visible]))


def assess(fleet: Fleet, gates: Sequence[Gate], unfinished: Mapping[str, tuple[str, WorkState]] | None = None) -> list[Waiting]:
    """Return each of these gates with what it blocks, in the order given.

    `unfinished` maps ids of open work to product and state. It is read from the store if left out."""
    if unfinished is None:
        unfinished = fleet.store.work.open_ids() if any(gate.state is GateState.OPEN for gate in gates) else {}
    queued: defaultdict[str, list[str]] = defaultdict(list)
    for id, (product, state) in unfinished.items():
        if state is WorkState.QUEUED:
            queued[product].append(id)
    return [impact(gate, fleet.products.get(gate.product), unfinished, queued.get(gate.product, NOTHING)) for gate in gates]


def impact(gate: Gate, product: Product | None, unfinished: Container[str], queued: Sequence[str]) -> Waiting:
    """Return what one gate blocks. `unfinished` are ids of open work, `queued` those of its product that have not started."""
    if gate.state is not GateState.OPEN:
        return Waiting(gate)
    holds = product is not None and product.approvals.hold_new_work
    own = (gate.work,) if gate.work and gate.work in unfinished else NOTHING
    blocks = (*own, *(queued if holds else NOTHING))
    urgency = (
        gate.kind is not GateKind.ESCALATION,
        -len(blocks),
        not holds,
        -(PRIORITY_STEPS.get(product.priority, 0.0) if product else 0.0),
        gate.escalated_at is None,
        -gate.reminders,
        gate.created_at.timestamp(),
        int(gate.id[1:] or 0),
    )
    return Waiting(gate, blocks, holds, tuple(_why(gate, product, own, len(queued))), urgency)


def by_urgency(waiting: Iterable[Waiting]) -> list[Waiting]:
    """Return these gates with the most urgent first."""
    return sorted(waiting, key=lambda each: each.urgency)


def _why(gate: Gate, product: Product | None, own: tuple[str, ...], queued: int) -> Iterable[str]:
    if gate.kind is GateKind.ESCALATION:
        yield f"{gate.sender or 'an agent'} cannot continue"
    if own:
        yield f"{own[0]} waits for it"
    if gate.escalated_at is not None:
        yield "overdue"
    if product is None:
        return
    if product.approvals.hold_new_work:
        yield f"{product.name} starts no new work until it is decided" + (
            f", {count(queued, 'piece')} of work queued" if queued else ""
        )
    if PRIORITY_STEPS.get(product.priority, 0.0) > PRIORITY_STEPS["medium"]:
        yield f"{product.priority} priority"
