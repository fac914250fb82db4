"""What would happen now: whether queued work starts, or waits, for what and about how long. Changes nothing."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from bot.domain import Work, WorkState
from bot.text.wording import span
from bot.work import capacity, estimates
from bot.work.admission import Admission

if TYPE_CHECKING:
    from bot.fleet import Fleet


def outlook(fleet: "Fleet", work: Work) -> Admission:
    """Whether this work starts as things stand, or waits, for what, and in which place."""
    queue = [each for each in fleet.store.work.open(states=(WorkState.QUEUED,)) if each.id != work.id]
    return next(each for each in capacity.decisions(fleet, [*queue, work]) if each.work.id == work.id)


def expected(fleet: "Fleet", work: Work) -> str:
    """The outlook in words: `It starts now.`, `It waits, 2nd in line: …`"""
    if work.state is not WorkState.QUEUED:
        return f"It is {work.state}{f': {work.reason}' if work.reason else ''}."
    found = outlook(fleet, work)
    if found.start:
        return "It starts now."
    return f"It waits, {ordinal(found.place)} in line: {found.reason}."


@dataclass(frozen=True, slots=True)
class Wait:
    """How long queued work will probably wait; `runs` is what that rests on."""

    span: timedelta
    runs: int

    def __str__(self) -> str:
        about = f"about {span(self.span)}" if self.span >= timedelta(seconds=1) else "any moment now"
        return f"{about} ({f'median of the last {self.runs} runs' if self.runs > 1 else 'by the last run'})"


FOR_A_PLACE = frozenset({"sessions", "memory", "weight", "kept", "machine"})
"""What becomes free when something that runs ends."""


def waits(fleet: "Fleet", made: Sequence[Admission]) -> dict[str, Wait]:
    """By id: how long those will probably wait that wait for a place; from the medians of the last runs.

    Each place is followed from the one who has it to those in line; what nobody has ever run cannot be told."""
    now, runs = fleet.now(), 0
    free: list[float] = []
    for work in capacity.holding(fleet):
        known = _length(fleet, work)
        gone = (now - (work.started_at or now)).total_seconds()
        # One that has run longer than the median is expected to end any moment now.
        free.append(max(known[0] - gone, 0.0) if known else float("inf"))
        runs = max(runs, known[1] if known else 0)
    heapq.heapify(free)
    found: dict[str, Wait] = {}
    for each in made:
        if each.start or each.code not in FOR_A_PLACE or not free:
            continue
        known, at = _length(fleet, each.work), heapq.heappop(free)
        if at < float("inf"):
            found[each.work.id] = Wait(timedelta(seconds=at), max(runs, 1))
        heapq.heappush(free, at + known[0] if known else float("inf"))
    return found


def _length(fleet: "Fleet", work: Work) -> tuple[float, int] | None:
    """Seconds that work of this kind takes, and from how many runs that is known."""
    known = estimates.expected(fleet, work.product, work.capability)
    return (known.seconds, known.runs) if known.seconds is not None else None


def ordinal(number: int) -> str:
    """`1st`, `2nd`, `3rd`, `11th`."""
    ending = "th" if number % 100 in {11, 12, 13} else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
