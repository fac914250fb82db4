"""What would happen now: whether queued work starts, or waits and for what. Changes nothing."""

from typing import TYPE_CHECKING

from bot.admission import Admission, admit
from bot.domain import Work, WorkState

if TYPE_CHECKING:
    from bot.fleet import Fleet


def outlook(fleet: "Fleet", work: Work) -> Admission:
    """Whether this work starts as things stand, or waits, for what, and in which place."""
    queue = [each for each in fleet.store.work.open(states=(WorkState.QUEUED,)) if each.id != work.id]
    spent = {name: snapshot.cost_usd_today for name, snapshot in fleet.snapshots.items()}
    decisions = admit([*queue, work], fleet.products, fleet.capacity(), fleet.held(), spent, fleet.now())
    return next(each for each in decisions if each.work.id == work.id)


def expected(fleet: "Fleet", work: Work) -> str:
    """The outlook in words: `It starts now.`, `It waits, 2nd in line: …`"""
    if work.state is not WorkState.QUEUED:
        return f"It is {work.state}{f': {work.reason}' if work.reason else ''}."
    found = outlook(fleet, work)
    if found.start:
        return "It starts now."
    return f"It waits, {ordinal(found.place)} in line: {found.reason}."


def ordinal(number: int) -> str:
    """`1st`, `2nd`, `3rd`, `11th`."""
    ending = "th" if number % 100 in {11, 12, 13} else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
