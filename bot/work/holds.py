"""Holds: why nothing may start on a product now, or why one piece of queued work may not."""

from collections.abc import Mapping, Sequence

from bot.domain import GateState, Trouble, Work, WorkState
from bot.fleet import Fleet
from bot.text.wording import STATE_LABELS
from bot.work import estimates, retry
from bot.work.admission import Hold
from bot.work.limits import WHOLE_FLEET
from bot.work.states import ENDED

NEVER_DONE = frozenset({WorkState.FAILED, WorkState.REJECTED, WorkState.CANCELLED})
"""Ended states in which work cannot be done any more, so that work that depends on it never starts."""


def holds(fleet: Fleet, slots: Mapping[str, int]) -> dict[str, Hold]:
    """Return the products on which nothing may start now, with the reason. `slots` is the number that each product uses."""
    found: dict[str, Hold] = {}
    paused = fleet.store.product_states.pauses()
    waiting = {gate.product for gate in fleet.store.gates.in_states(GateState.OPEN)}
    brakes = fleet.store.brakes.all()
    for product in fleet.registry.products:
        name, snapshot = product.name, fleet.snapshots.get(product.name)
        if name in brakes:
            found[name] = Hold("brake", brake_reason(name, brakes[name]))
        elif name in paused:
            found[name] = Hold("paused", pause_reason(name, paused[name]))
        elif trouble := fleet.trouble(product) or (snapshot.trouble if snapshot else None):
            found[name] = Hold("trouble", trouble_reason(name, trouble))
        elif name in fleet.unheard:
            found[name] = Hold("unheard", f"the runtime of {name} has just started and has not reported yet")
        elif snapshot and snapshot.paused:
            # The brake of the whole fleet pauses every product, and only its release resumes them.
            frozen = brake_reason(WHOLE_FLEET, brakes.get(WHOLE_FLEET))
            paused_here = f"{name} is paused in its runtime; /fleet resume {name}"
            found[name] = Hold("brake", frozen) if frozen else Hold("paused", paused_here)
        elif product.approvals.hold_new_work and name in waiting:
            found[name] = Hold("gates", f"{name} is held while a gate is open")
        elif hold := _failing(fleet, name, slots.get(name, 0)):
            found[name] = hold
    return found


def failures(fleet: Fleet, product: str) -> list[Work]:
    """Return a product's failures in a row, newest first, since a person last had it try again."""
    ended = estimates.recently_ended(fleet, product)
    if not ended or ended[0].state is not WorkState.FAILED:
        return []
    return retry.in_a_row(ended, fleet.store.product_states.retried_at(product))


def trouble_reason(name: str, trouble: Trouble) -> str:
    """Return what is wrong with a product and what to do about it, as the middle of a sentence."""
    return f"{name}: {trouble.message} {trouble.hint}".strip().removesuffix(".").replace("`", "")


def pause_reason(name: str, cause: str) -> str:
    """Return why a product is paused. `cause` is the stored cause of the pause."""
    return f"{name} is paused, its budget is spent" if cause.startswith("budget") else f"{name} is paused"


def brake_reason(scope: str, note: str | None) -> str:
    """Return why nothing may start while the brake is on, or an empty string. `note` names who pulled it and when."""
    if note is None:
        return ""
    release = "/fleet brake --release" if scope == WHOLE_FLEET else f"/fleet brake {scope} --release"
    return f"the brake is on ({note}); {release}"


def blocked(fleet: Fleet, queue: Sequence[Work]) -> dict[str, Hold]:
    """Return, by id, the queued work that waits for other work or for its next retry."""
    states = fleet.store.work.states([id for work in queue for id in work.depends_on])
    found: dict[str, Hold] = {}
    for work in queue:
        if work.not_before is not None and fleet.now() < work.not_before:
            found[work.id] = Hold("backoff", f"retried at {work.not_before:%H:%M} UTC after its session was lost")
        elif work.depends_on and (hold := _depends(work, states)) is not None:
            found[work.id] = hold
    return found


def _failing(fleet: Fleet, name: str, slots: int) -> Hold | None:
    ended, most = failures(fleet, name), fleet.registry.scheduling.failures_in_a_row
    return retry.cooling(name, ended, most, fleet.now()) or (retry.trial(name, ended, most) if slots else None)


def _depends(work: Work, states: Mapping[str, WorkState]) -> Hold | None:
    for id in work.depends_on:
        state = states.get(id)
        if state is not None and state in NEVER_DONE:
            fix = f"/fleet prioritize {work.id} --after none removes the dependency"
            return Hold("depends", f"depends on {id}, which {ENDED[state]}, so it never starts; {fix}")
        if state is not None and state is not WorkState.DONE:
            return Hold("depends", f"waits for {id}, which is {STATE_LABELS[state].lower()}")
    return None
