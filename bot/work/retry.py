"""What follows from failures: trying again with a pause, and leaving a product alone that fails again and again. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from bot.domain import Work, WorkState
from bot.text.wording import count, shortened
from bot.work.admission import Hold

BACKOFF = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15))
"""Pauses before work is started again whose session was lost; the last one for good."""
HARMLESS = frozenset({"scout", "reviewer"})
"""Capabilities that read and report: doing their task twice changes nothing."""
COOLING = timedelta(minutes=30)
"""How long nothing starts on a product after its first failures in a row; twice as long after each further one."""
LONGEST_COOLING = timedelta(hours=4)


def safe_to_repeat(work: Work) -> bool:
    """Whether work may start again by itself: a coordinator is told what is known and looks at its branches first, and who
    only reads may read again. A worker that writes or answers somebody may have done half of it: a person decides."""
    return work.capability is None or work.capability in HARMLESS


def pause_before(attempt: int) -> timedelta:
    """How long to wait before the retry with this number, from 1."""
    return BACKOFF[min(attempt, len(BACKOFF)) - 1]


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
    doublings = min(len(failed) - most, 10)
    again = (last.ended_at or last.updated_at) + min(COOLING * 2**doublings, LONGEST_COOLING)
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
