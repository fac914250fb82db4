"""What would happen now: whether queued work starts, or waits and for what. Changes nothing."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bot.admission import Admission, admit
from bot.domain import Work, WorkState

if TYPE_CHECKING:
    from bot.fleet import Fleet


def outlook(fleet: "Fleet", work: Work) -> Admission:
    """Whether this work starts as things stand, or waits, for what, and in which place."""
    queue = [each for each in fleet.store.work.open(states=(WorkState.QUEUED,)) if each.id != work.id]
    return next(each for each in decisions(fleet, [*queue, work]) if each.work.id == work.id)


def decisions(fleet: "Fleet", queue: Sequence[Work]) -> list[Admission]:
    """What the guard says of each of these as things stand: what the jobs act on, and what people are told beforehand."""
    spent = {name: snapshot.cost_usd_today for name, snapshot in fleet.snapshots.items()}
    return admit(queue, fleet.products, fleet.capacity(), fleet.held(), spent, fleet.now())


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
