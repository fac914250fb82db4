"""The end of work: done, failed or cancelled, or rejected if people rejected its plan."""

from typing import Any

from bot.domain import Work, WorkState
from bot.fleet import Fleet
from bot.gates import lifecycle


def end(fleet: Fleet, work: Work, state: WorkState, **changes: Any) -> Work:
    """Store the end of work in this state, or as rejected if its plan was rejected."""
    return fleet.save_work(work, state=WorkState.REJECTED if rejected(fleet, work) else state, **changes)


def rejected(fleet: Fleet, work: Work) -> bool:
    """Return True if people rejected a plan of this work and approved no other."""
    return lifecycle.plan_rejected(fleet.store.gates.of_work(work.id))
