"""A product's agents as people address them: finding one, waking a coordinator, and the marker of a mail."""

import difflib
from hashlib import sha256

from bot.domain import Session, Work, WorkState
from bot.domain.errors import Conflict, NotFound
from bot.fleet import Fleet
from bot.work import slots
from bot.work.forecast import forecast


def sessions_of(fleet: Fleet, product: str) -> tuple[Session, ...]:
    """Return every session of a product that the engine knows, including ended ones."""
    snapshot = fleet.snapshots.get(product)
    return snapshot.sessions if snapshot else ()


def session(fleet: Fleet, product: str, agent: str) -> Session:
    """Return the session of an agent. Raises NotFound with the nearest name."""
    known = {each.agent: each for each in sessions_of(fleet, product)}
    if agent in known:
        return known[agent]
    near = difflib.get_close_matches(agent, known, n=1, cutoff=0.5)
    there = f"There are: {', '.join(list(known)[:12])}." if known else f"Nothing has run in {product} yet."
    raise NotFound(f"{product} has no agent “{agent[:60]}”.", f"Did you mean {near[0]}?" if near else there)


def take_slot_to_wake(fleet: Fleet, product: str) -> None:
    """Take a slot for a product's coordinator if writing to it would start it.

    Raises Conflict if it may not be started now."""
    snapshot = fleet.snapshots.get(product)
    if snapshot is not None and snapshot.coordinator and fleet.store.product_states.pause(product) is None:
        return
    if product in slots.replying(fleet):
        return
    found = forecast(fleet, Work("w0", product, "", WorkState.QUEUED, fleet.now(), fleet.now()))
    if not found.start:
        raise Conflict(
            f"{product}'s coordinator is not running and cannot be started now: {found.reason}.",
            f"Nothing was sent. `/fleet spawn {product} …` queues work for later.",
            code="no_room",
        )
    slots.take_for_reply(fleet, product)


def mark(letter: str, request: str, origin: str) -> str:
    """Return the marker of a person's mail, such as `[q12345678.k3f9]`.

    A repetition after a crash finds the mail by its marker instead of sending it again."""
    return f"[{letter}{int(sha256(request.encode()).hexdigest(), 16) % 10**8}.{origin}]"
