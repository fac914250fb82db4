"""Notifications about a gate: its card in the product's channels, and a direct message to each person who may decide it.

Each message is sent once for its key, in the transaction that caused it, so repeating after a crash adds nothing.
"""

from collections.abc import Iterable

from bot.domain import Card, Gate, GateKind, Person, Product, Role, access
from bot.fleet import Change, Fleet
from bot.gates import lifecycle
from bot.text.wording import listed


def show(fleet: Fleet, gate: Gate) -> None:
    """Post a gate's card in its product's channels, and notify the people who may decide it."""
    revision = f", revision {gate.revision}" if gate.revision > 1 else ""
    text = f"**{gate.product}** waits for you: {lifecycle.named(gate)}{revision} (`{gate.id}`)"
    for target in fleet.targets(gate.product, gate.conversation):
        key = f"gate:{gate.id}:{target}"
        fleet.say(target, text, key=key, kind="gate", product=gate.product, cards=(Card("gate", gate=gate.id),))
    message(fleet, gate, deciders(fleet, gate), text, "")
    fleet.changed(Change("gate", product=gate.product, gate=gate))


def message(fleet: Fleet, gate: Gate, names: Iterable[str], text: str, key: str) -> bool:
    """Send these people a direct message on their first platform that is on, unless the card is already shown there.

    Returns True if any message is new. The same `key` is sent once to each person."""
    shown, told = fleet.targets(gate.product, gate.conversation), False
    for person in fleet.registry.people:
        direct = fleet.direct_target(person)
        if person.name in names and direct and not any(target.startswith(direct) for target in shown):
            name = f"note:{gate.id}:{person.name}{key}"
            cards = (Card("gate", gate=gate.id),)
            told = fleet.say(direct, text, key=name, kind="note", product=gate.product, cards=cards) is not None or told
    return told


def notify_deciders(fleet: Fleet, gate: Gate, person: Person) -> bool:
    """Notify the deciders once that this person tried to decide a gate without the right. Return True if any was notified."""
    text = f"{person.name} would like “{gate.title}” (`{gate.id}`) of **{gate.product}** to be decided, and may not do it."
    return message(fleet, gate, deciders(fleet, gate), text, f":asked by {person.name}")


def deciders(fleet: Fleet, gate: Gate) -> tuple[str, ...]:
    """Return the names of the people who may decide a gate now."""
    product, people = fleet.products.get(gate.product), fleet.registry.people
    if gate.action is not None and (not gate.action.role.includes(Role.APPROVER) or product is None):
        return tuple(each.name for each in people if access.may(each, gate.action.role, gate.product or None) is None)
    return access.deciders(product, people, escalated=gate.escalated_at is not None) if product else ()


class Deciders:
    """The people who may decide gates, computed once per product however many gates there are."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._known: dict[tuple[str, bool], tuple[tuple[str, ...], str]] = {}

    def of(self, gate: Gate) -> tuple[tuple[str, ...], str]:
        """Return the names of those who may decide a gate now, and the same in words: `2 more of ana, ben or cy`."""
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


def needs(product: Product | None, gate: Gate, names: Iterable[str]) -> str:
    """Return the people that a gate still needs, in words: `2 more of ana, ben or cy`."""
    who = listed(tuple(names), "or") or "anyone with the admin token"
    approved = {each.by for each in gate.answers if each.choice == lifecycle.APPROVE}
    if gate.kind is GateKind.ACTION or product is None or product.approvals.required == 1:
        return who
    missing = max(1, product.approvals.required - len(approved))
    return f"{missing}{' more' if approved else ''} of {who}"


def waits_for(gate: Gate) -> str:
    """Return the reason of work that waits for an open gate."""
    return f"waits for {gate.id}: {lifecycle.named(gate, 80)}"
