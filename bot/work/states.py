"""States of work as people see them. Started work of a paused product is shown as paused, though it is stored as running."""

from bot.domain import Work, WorkState
from bot.fleet import Fleet
from bot.text.wording import STATE_LABELS
from bot.work.slots import SLOT_STATES, paused_products

PAUSED = "paused"
"""State to show of started work whose product is paused."""

ENDED = {
    WorkState.DONE: "finished",
    WorkState.REJECTED: "was rejected",
    WorkState.FAILED: "failed",
    WorkState.CANCELLED: "was cancelled",
}
"""Outcome of ended work, as the verb of a sentence."""


def label(work: Work) -> str:
    """Return the label of a work's stored state, as within a sentence: `waiting for a decision`."""
    return STATE_LABELS[work.state].lower()


def shown_state(fleet: Fleet, work: Work, paused: set[str] | None = None) -> str:
    """Return the state of work to show: the stored one, or `paused` if the product of started work is paused.

    `paused` are the paused products. They are looked up if left out."""
    if work.state not in SLOT_STATES:
        return work.state.value
    return PAUSED if work.product in (paused_products(fleet) if paused is None else paused) else work.state.value


def shown_label(fleet: Fleet, work: Work) -> str:
    """Return the label of the state to show, as within a sentence."""
    return STATE_LABELS[shown_state(fleet, work)].lower()
