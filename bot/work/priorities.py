"""Priorities that people have set on products in place of the registry's, and the focus on some while another is paused."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bot.domain import Person, Product
from bot.fleet import Change, Fleet
from bot.text.wording import listed


def products(fleet: Fleet) -> Mapping[str, Product]:
    """Return the registry's products by name, with the priorities that people have set."""
    known, changed = fleet.products, fleet.store.product_states.priorities()
    if not changed:
        return known
    return {name: replace(each, priority=changed.get(name, each.priority)) for name, each in known.items()}


def set_priority(fleet: Fleet, product: str, priority: str | None, person: Person) -> None:
    """Set a product's priority in place of the registry's, or restore that with None. The file does not change."""
    with fleet.transaction():
        fleet.store.product_states.set_priority(product, priority)
        fleet.record("priority", person.name, product, product, {"priority": priority or "as in products.yaml"})
    fleet.changed(Change("status", product=product))


def focus(fleet: Fleet, paused: str, on: Sequence[str], person: Person) -> None:
    """Give products critical priority for as long as another is paused."""
    store = fleet.store
    for name in on:
        if name not in store.focuses.focused():
            store.product_states.set_priority_before_focus(name, store.product_states.priority(name))
        set_priority(fleet, name, "critical", person)
    store.focuses.replace(paused, on)


def unfocus(fleet: Fleet, paused: str, person: Person) -> tuple[str, ...]:
    """Undo `focus` when the paused product resumes. Return the products whose old priority was restored."""
    store = fleet.store
    on = store.focuses.of(paused)
    store.focuses.replace(paused, ())
    others = store.focuses.focused()
    again = tuple(name for name in on if name not in others)
    for name in again:
        set_priority(fleet, name, store.product_states.priority_before_focus(name), person)
        store.product_states.set_priority_before_focus(name, None)
    return again


def focus_text(names: Sequence[str], paused: str) -> str:
    """Return in words which products have priority until the paused one resumes."""
    return f"{listed(names)} {'has' if len(names) == 1 else 'have'} priority until {paused} resumes"
