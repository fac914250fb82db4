"""A product's agents as people speak to them: looking one up, whether a coordinator may be woken, and the mark of a mail."""

import difflib
from hashlib import sha256
from typing import TYPE_CHECKING

from bot.domain import Session, Work, WorkState
from bot.domain.errors import Conflict, NotFound
from bot.work import capacity
from bot.work.forecast import outlook

if TYPE_CHECKING:
    from bot.fleet import Fleet


def sessions_of(fleet: "Fleet", product: str) -> tuple[Session, ...]:
    """Every session of a product that the engine knows, ended ones too."""
    snapshot = fleet.snapshots.get(product)
    return snapshot.sessions if snapshot else ()


def session(fleet: "Fleet", product: str, agent: str) -> Session:
    """The session of this agent. Raises NotFound with the nearest name."""
    known = {each.agent: each for each in sessions_of(fleet, product)}
    if agent in known:
        return known[agent]
    near = difflib.get_close_matches(agent, known, n=1, cutoff=0.5)
    there = f"There are: {', '.join(list(known)[:12])}." if known else f"Nothing has run in {product} yet."
    raise NotFound(f"{product} has no agent “{agent[:60]}”.", f"Did you mean {near[0]}?" if near else there)


def room_to_wake(fleet: "Fleet", product: str) -> None:
    """Raises Conflict when writing to the product's coordinator would start one that may not be started now; else it has a
    place from here on."""
    snapshot = fleet.snapshots.get(product)
    if snapshot is not None and snapshot.coordinator and fleet.store.product_states.pause(product) is None:
        return
    if product in capacity.answering(fleet):
        return
    found = outlook(fleet, Work("w0", product, "", WorkState.QUEUED, fleet.now(), fleet.now()))
    if not found.start:
        raise Conflict(
            f"{product}'s coordinator does not run, and cannot be started now: {found.reason}.",
            f"Nothing was sent. `/fleet spawn {product} …` queues work for when it can.",
            code="no_room",
        )
    capacity.woken(fleet, product)


def mark(letter: str, request: str, origin: str) -> str:
    """`[q12345678.k3f9]`: of a mail that a person sends; a repetition after a crash finds that mail in place of sending it
    anew."""
    return f"[{letter}{int(sha256(request.encode()).hexdigest(), 16) % 10**8}.{origin}]"
