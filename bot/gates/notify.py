"""How people hear of a gate: its card where the product's people are, a note to each who may decide, and reminders.

Whatever is said is said once for its key, in the transaction that says why, so that a repetition after a crash adds nothing.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from bot.domain import Card, Gate, GateKind, GateState, Person, Product, Role, WorkState, access
from bot.domain.errors import NotAllowed
from bot.fleet import Change
from bot.gates import lifecycle, reminders
from bot.text.wording import count, listed, since

if TYPE_CHECKING:
    from bot.fleet import Fleet


def show(fleet: "Fleet", gate: Gate) -> None:
    """Post a gate's card wherever its product's people are, and a note to those who may decide it."""
    revision = f", revision {gate.revision}" if gate.revision > 1 else ""
    text = f"**{gate.product}** waits for you: {lifecycle.named(gate)}{revision} (`{gate.id}`)"
    for place in fleet.targets(gate.product, gate.conversation):
        key = f"gate:{gate.id}:{place}"
        fleet.say(place, text, key=key, kind="gate", product=gate.product, cards=(Card("gate", gate=gate.id),))
    _notes(fleet, gate, deciders(fleet, gate), text, "")
    fleet.changed(Change("gate", product=gate.product, gate=gate))


def deciders(fleet: "Fleet", gate: Gate) -> tuple[str, ...]:
    """The names of those who may decide a gate as things stand."""
    product, people = fleet.products.get(gate.product), fleet.registry.people
    if gate.action is not None and (not gate.action.role.includes(Role.APPROVER) or product is None):
        return tuple(each.name for each in people if access.may(each, gate.action.role, gate.product or None) is None)
    return access.deciders(product, people, escalated=gate.escalated_at is not None) if product else ()


class Deciders:
    """Who may decide gates, asked once for each product however many gates there are."""

    def __init__(self, fleet: "Fleet") -> None:
        self._fleet = fleet
        self._known: dict[tuple[str, bool], tuple[tuple[str, ...], str]] = {}

    def of(self, gate: Gate) -> tuple[tuple[str, ...], str]:
        """The names of those who may decide a gate as things stand, and whom it waits for: `2 more of ana, ben or cy`."""
        if gate.action is not None or gate.answers:
            return self._of(gate)
        key = (gate.product, gate.escalated_at is not None)
        if key not in self._known:
            self._known[key] = self._of(gate)
        return self._known[key]

    def _of(self, gate: Gate) -> tuple[tuple[str, ...], str]:
        product, names = self._fleet.products.get(gate.product), deciders(self._fleet, gate)
        if product is None and gate.action is None:
            return names, "its product back in the registry"
        return names, needs(product, gate, names)


def waits_for(gate: Gate) -> str:
    """Why the work of an open gate waits."""
    return f"waits for {gate.id}: {lifecycle.named(gate, 80)}"


def remind(fleet: "Fleet") -> None:
    """Remind of every open gate that is due, and ask the backups where it is time."""
    for gate in fleet.store.gates.in_states(GateState.OPEN):
        product = fleet.products.get(gate.product)
        if product is None:
            continue
        rules, now = product.approvals, fleet.now()
        at = reminders.escalates_at(gate, rules, fleet.registry.loud)
        if at is not None and at <= now:
            _escalate(fleet, gate, product)
            continue
        at = reminders.reminds_at(gate, rules, fleet.registry.loud)
        if at is not None and at <= now:
            _remind(fleet, gate, product)


def _remind(fleet: "Fleet", gate: Gate, product: Product) -> None:
    """Say once more that a gate waits, and for whom."""
    gate = lifecycle.reminded(gate, fleet.now())
    missing = [name for name in deciders(fleet, gate) if name not in {each.by for each in gate.answers}]
    text = f"{_still(fleet, gate, product)} Needs {needs(product, gate, missing)}."
    with fleet.transaction():
        fleet.record("gate", "fleet", gate.product, gate.id, {"reminded": missing, "times": gate.reminders})
        _say(fleet, gate, text, f"reminder:{gate.id}:{gate.reminders}")
        _notes(fleet, gate, missing, text, f":reminder {gate.reminders}")
        fleet.save_gate(gate)


def _escalate(fleet: "Fleet", gate: Gate, product: Product) -> None:
    """Ask the backups; where there are none, every admin hears of it."""
    gate = lifecycle.escalated(lifecycle.reminded(gate, fleet.now()), fleet.now())
    admins = [each.name for each in fleet.registry.people if access.may(each, Role.ADMIN, gate.product) is None]
    asked = product.approvals.backups or admins
    ask = f"I ask {listed(asked)}, too." if product.approvals.backups else "Nobody has answered yet."
    with fleet.transaction():
        fleet.record("gate", "fleet", gate.product, gate.id, {"escalated": list(asked)})
        text = f"{_still(fleet, gate, product)} {ask} Needs {needs(product, gate, deciders(fleet, gate))}."
        _say(fleet, gate, text, f"escalated:{gate.id}")
        _notes(fleet, gate, dict.fromkeys((*asked, *deciders(fleet, gate))), text, ":escalated")
        fleet.save_gate(gate)


def decide(fleet: "Fleet", id: str, choice: str, person: Person, **given: Any) -> Gate:
    """One person's answer to a gate, as `Fleet.decide`. Where this person may not give it, those who may hear of it, once."""
    try:
        return fleet.decide(id, choice, person, **given)
    except NotAllowed as refusal:
        gate = fleet.gate(id)
        known = access.may(person, Role.VIEWER, gate.product or None) is None
        if gate.state is GateState.OPEN and known and tell_asked(fleet, gate, person):
            raise NotAllowed(f"{refusal.message} I have let them know that you asked.") from refusal
        raise


def tell_asked(fleet: "Fleet", gate: Gate, person: Person) -> bool:
    """Let those who may decide know that somebody who may not has tried to, once for each person; whether anybody is told."""
    text = f"{person.name} would like “{gate.title}” (`{gate.id}`) of **{gate.product}** to be decided, and may not do it."
    return _notes(fleet, gate, deciders(fleet, gate), text, f":asked by {person.name}")


def needs(product: Product | None, gate: Gate, names: Iterable[str]) -> str:
    """Whom a gate waits for: `2 more of ana, ben or cy`."""
    who = listed(tuple(names), "or") or "whoever holds the web token"
    approved = {each.by for each in gate.answers if each.choice == lifecycle.APPROVE}
    if gate.kind is GateKind.ACTION or product is None or product.approvals.required == 1:
        return who
    missing = max(1, product.approvals.required - len(approved))
    return f"{missing}{' more' if approved else ''} of {who}"


def _still(fleet: "Fleet", gate: Gate, product: Product) -> str:
    revision = f", revision {gate.revision}" if gate.revision > 1 else ""
    waits = f"**{gate.product}** still waits: {lifecycle.named(gate)}{revision} (`{gate.id}`)"
    held = len(fleet.store.work.open(gate.product, states=(WorkState.QUEUED,))) if product.approvals.hold else 0
    blocks = f" It holds {count(held, 'piece')} of queued work." if held else ""
    return f"{waits}, {since(gate.created_at, fleet.now())}.{blocks}"


def _say(fleet: "Fleet", gate: Gate, text: str, key: str) -> None:
    for place in fleet.targets(gate.product, gate.conversation):
        card = (Card("gate", gate=gate.id),)
        fleet.say(place, text, key=f"{key}:{place}", kind="reminder", product=gate.product, cards=card)


def _notes(fleet: "Fleet", gate: Gate, names: Iterable[str], text: str, key: str) -> bool:
    """A direct message to each of these people on the first of their platforms that is on, unless the card stands there;
    whether any was new."""
    shown, told = fleet.targets(gate.product, gate.conversation), False
    for person in fleet.registry.people:
        address = fleet.direct_target(person)
        if person.name in names and address and not any(place.startswith(address) for place in shown):
            name = f"note:{gate.id}:{person.name}{key}"
            cards = (Card("gate", gate=gate.id),)
            told = fleet.say(address, text, key=name, kind="note", product=gate.product, cards=cards) is not None or told
    return told
