"""Slots: which work uses one of `max_concurrent_sessions`, and which products are halted and use none."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from bot.domain import Work, WorkState
from bot.fleet import Fleet

SLOT_STATES = (WorkState.STARTING, WorkState.RUNNING)
"""States of work that uses a slot, unless its product is halted."""
REPLY_WITHIN = timedelta(minutes=10)
"""Longest time for which a coordinator that was woken for a question keeps a slot without having written."""


@dataclass
class Resuming:
    """Products being resumed. Their paused work already counts as using slots."""

    products: set[str] = field(default_factory=set)


def in_use(fleet: Fleet) -> list[Work]:
    """Return all work that uses a slot now. Work of a halted product leaves its slot to others."""
    return using(fleet, fleet.store.work.open(states=_states(fleet)), paused_products(fleet))


def using(fleet: Fleet, work: Iterable[Work], paused: set[str]) -> list[Work]:
    """Return the work that uses a slot among this open work, given the paused products."""
    known, states, stopped = fleet.products, _states(fleet), paused - fleet.state(Resuming).products
    return [each for each in work if each.state in states and each.product in known and each.product not in stopped]


def _states(fleet: Fleet) -> tuple[WorkState, ...]:
    return (*SLOT_STATES, WorkState.WAITING) if fleet.registry.scheduling.waiting_keeps_slot else SLOT_STATES


def by_product(fleet: Fleet) -> Counter[str]:
    """Return the number of slots that the work of each product uses."""
    return Counter(work.product for work in in_use(fleet))


def take_for_reply(fleet: Fleet, product: str) -> None:
    """Give a slot to a coordinator that is about to be woken for a question, or for an answer to work that has ended."""
    fleet.store.product_states.set_woken(product, fleet.now())


def replied(fleet: Fleet, product: str) -> None:
    """Free the slot of a coordinator that was woken and has written now."""
    fleet.store.product_states.set_woken(product, None)


def replying(fleet: Fleet) -> set[str]:
    """Return the products whose coordinator was woken and has not written since."""
    now, known = fleet.now(), fleet.products
    since = {name: at for name, at in fleet.store.product_states.woken().items() if name in known}
    return {name for name, at in since.items() if timedelta() <= now - at < REPLY_WITHIN} - halted(fleet) if since else set()


def paused_products(fleet: Fleet) -> set[str]:
    """Return the products that are paused, by us or in their runtime."""
    inside = {name for name, snapshot in fleet.snapshots.items() if snapshot.paused}
    return inside | fleet.store.product_states.pauses().keys()


def halted(fleet: Fleet) -> set[str]:
    """Return the products whose agents are halted: paused, and not being resumed."""
    return paused_products(fleet) - fleet.state(Resuming).products
