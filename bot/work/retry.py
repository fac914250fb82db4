"""What follows from failures: trying again with a pause, and leaving a product alone that fails again and again. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from bot.domain import Work, WorkState
from bot.text.backoff import Backoff
from bot.text.wording import count, shortened
from bot.work.admission import Hold

RETRIES = Backoff(60, longest=15 * 60, factor=5)
"""Pauses before work whose session was lost starts again: 1, 5, then 15 minutes."""
HARMLESS = frozenset({"scout", "reviewer"})
"""Capabilities that read and report: doing their task twice changes nothing."""
COOLING = Backoff(30 * 60, longest=4 * 3600)
"""Pauses of a product after failures in a row: 30 minutes, doubled after each further failure, at most 4 hours."""


def safe_to_repeat(work: Work) -> bool:
    """Whether work may start again by itself: a coordinator is told what is known and looks at its branches first, and who
    only reads may read again. A worker that writes or answers somebody may have done half of it: a person decides."""
    return work.capability is None or work.capability in HARMLESS


def pause_before(attempt: int) -> timedelta:
    """How long to wait before the retry with this number, from 1."""
    return timedelta(seconds=RETRIES.pause(attempt))


def in_a_row(ended: Sequence[Work], since: datetime | None) -> list[Work]:
    """The failures at the head of a product's ended work (newest first), after `since`."""
    found = []
    for work in ended:
        if work.state is not WorkState.FAILED or (since and work.ended_at and work.ended_at <= since):
            break
        found.append(work)
    return found


def cooling(product: str, failed: Sequence[Work], most: int, now: datetime) -> Hold | None:
    """Why nothing starts on a product that has failed so often in a row: until it has cooled down. `failed` as `in_a_row`
    gives it."""
    if len(failed) < most:
        return None
    last = failed[0]
    again = (last.ended_at or last.updated_at) + timedelta(seconds=COOLING.pause(len(failed) - most + 1))
    if now >= again:
        return None
    when = f"tried again after {again:%H:%M} UTC, or at once by /fleet resume {product}"
    return Hold("breaker", f"{_failed(product, failed)}; {when}")


def trial(product: str, failed: Sequence[Work], most: int) -> Hold | None:
    """Why a product that has failed so often in a row, and cooled down, gets one place and not two."""
    return Hold("breaker", f"{_failed(product, failed)}; one piece runs as a trial") if len(failed) >= most else None


def _failed(product: str, failed: Sequence[Work]) -> str:
    last = f"last {failed[0].id}: {shortened(failed[0].reason, 60)}"
    return f"{product} has failed {count(len(failed), 'time')} in a row ({last})"
