"""The inbox: open gates, what hurts most first, each with the reasons. Pure.

Escalations come first, for their agent cannot go on. Then what holds up most work: a gate's own, and all that its product may
not start meanwhile. Then the product's priority, then what has been escalated or reminded of, then the oldest.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bot.domain import Gate, GateKind, GateState, Product
from bot.text.wording import count
from bot.work.ordering import PRIORITIES

NOTHING: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Waiting:
    """A gate, and what waits for it. Of a gate that is not open nothing does."""

    gate: Gate
    blocks: tuple[str, ...] = NOTHING
    """Ids of the work that cannot go on before it is decided: its own, then what its product may not start meanwhile."""
    holds: bool = False
    """Whether its product starts nothing new meanwhile."""
    why: tuple[str, ...] = NOTHING
    """What makes it urgent, in words, the weightiest first; empty where nothing but its age does."""
    urgency: tuple[float, ...] = ()
    """Where it stands: the smaller, the more it hurts."""


def weigh(gate: Gate, product: Product | None, unfinished: Container[str], queued: Sequence[str]) -> Waiting:
    """What one gate holds up. `unfinished`: ids of work; `queued`: of that which waits for its product to be free."""
    if gate.state is not GateState.OPEN:
        return Waiting(gate)
    holds = product is not None and product.approvals.hold
    own = (gate.work,) if gate.work and gate.work in unfinished else NOTHING
    blocks = (*own, *(queued if holds else NOTHING))
    urgency = (
        gate.kind is not GateKind.ESCALATION,
        -len(blocks),
        not holds,
        -(PRIORITIES.get(product.priority, 0.0) if product else 0.0),
        gate.escalated_at is None,
        -gate.reminders,
        gate.created_at.timestamp(),
        int(gate.id[1:] or 0),
    )
    return Waiting(gate, blocks, holds, tuple(_why(gate, product, own, len(queued))), urgency)


def hurting_first(waiting: Iterable[Waiting]) -> list[Waiting]:
    """What hurts most first."""
    return sorted(waiting, key=lambda each: each.urgency)


def weighed(
    gates: Iterable[Gate],
    products: Mapping[str, Product],
    unfinished: Container[str],
    queued: Mapping[str, Sequence[str]],
) -> list[Waiting]:
    """Each gate weighed, in the order given. `unfinished`: ids of work; `queued`: of that which is queued, by product."""
    return [weigh(gate, products.get(gate.product), unfinished, queued.get(gate.product, NOTHING)) for gate in gates]


def _why(gate: Gate, product: Product | None, own: tuple[str, ...], queued: int) -> Iterable[str]:
    if gate.kind is GateKind.ESCALATION:
        yield f"{gate.sender or 'an agent'} cannot go on"
    if own:
        yield f"{own[0]} waits for it"
    if gate.escalated_at is not None:
        yield "overdue"
    if product is None:
        return
    if product.approvals.hold:
        yield f"{product.name} starts nothing new meanwhile" + (f", {count(queued, 'piece')} of work queued" if queued else "")
    if PRIORITIES.get(product.priority, 0.0) > PRIORITIES["medium"]:
        yield f"{product.priority} priority"
