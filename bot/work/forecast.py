"""Forecasts: whether queued work starts now, or what it waits for and about how long. Changes nothing."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from bot.domain import Work, WorkState
from bot.fleet import Fleet
from bot.text.wording import STATE_LABELS, span
from bot.work import estimates, slots
from bot.work.admission import Admission
from bot.work.admission_input import admissions

NEEDS_AN_END = frozenset({"sessions", "memory", "weight", "kept", "machine"})
"""Codes of refusals that end when other work ends."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Expected waiting time of queued work. `runs` is the number of past runs that it rests on."""

    span: timedelta
    runs: int

    def __str__(self) -> str:
        about = f"about {span(self.span)}" if self.span >= timedelta(seconds=1) else "any moment now"
        return f"{about} ({f'median of the last {self.runs} runs' if self.runs > 1 else 'by the last run'})"


def forecast(fleet: Fleet, work: Work) -> Admission:
    """Return whether this work would start now, or else why it waits and at which position."""
    queue = [each for each in fleet.store.work.open(states=(WorkState.QUEUED,)) if each.id != work.id]
    return next(each for each in admissions(fleet, [*queue, work]) if each.work.id == work.id)


def expected(fleet: Fleet, work: Work) -> str:
    """Return the forecast in words: `It starts now.` or `Queued, 2nd in line: …`."""
    if work.state is not WorkState.QUEUED:
        return f"{STATE_LABELS[work.state]}{f': {work.reason}' if work.reason else ''}."
    found = forecast(fleet, work)
    if found.start:
        return "It starts now."
    return f"Queued, {ordinal(found.position)} in line: {found.reason}."


def waits(fleet: Fleet, made: Sequence[Admission]) -> dict[str, Wait]:
    """Return, by id, how long work that waits for a slot will probably wait, from the medians of past runs.

    Each slot is followed from the work that uses it to those in the queue. Work of a kind that never ran has no forecast."""
    now, runs = fleet.now(), 0
    free: list[float] = []
    for work in slots.in_use(fleet):
        known = _length(fleet, work)
        gone = (now - (work.started_at or now)).total_seconds()
        # Work that has run longer than the median is expected to end any moment now.
        free.append(max(known[0] - gone, 0.0) if known else float("inf"))
        runs = max(runs, known[1] if known else 0)
    heapq.heapify(free)
    found: dict[str, Wait] = {}
    for each in made:
        if each.start or each.code not in NEEDS_AN_END or not free:
            continue
        known, at = _length(fleet, each.work), heapq.heappop(free)
        if at < float("inf"):
            found[each.work.id] = Wait(timedelta(seconds=at), max(runs, 1))
        heapq.heappush(free, at + known[0] if known else float("inf"))
    return found


def ordinal(number: int) -> str:
    """Return `1st`, `2nd`, `3rd`, `11th`."""
    ending = "th" if number % 100 in {11, 12, 13} else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _length(fleet: Fleet, work: Work) -> tuple[float, int] | None:
    """Return the seconds that work of this kind takes and the number of runs they rest on, or None."""
    known = estimates.expected(fleet, work.product, work.capability)
    return (known.seconds, known.runs) if known.seconds is not None else None
