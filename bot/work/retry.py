"""Consequences of failures: retrying work after a delay, and holding a product that fails several times in a row. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from bot.domain import Work, WorkState
from bot.text.backoff import Backoff
from bot.text.wording import count, shortened
from bot.work.admission import Hold

RETRIES = Backoff(60, longest=15 * 60, factor=5)
"""Delays before work whose session was lost starts again: 1, 5, then 15 minutes."""
HARMLESS = frozenset({"scout", "reviewer"})
"""Capabilities that only read and report, so that doing their task twice changes nothing."""
COOLING = Backoff(30 * 60, longest=4 * 3600)
"""Delays for a product after failures in a row: 30 minutes, doubled after each further failure, at most 4 hours."""


def safe_to_repeat(work: Work) -> bool:
    """Return True if work may be retried without asking a person.

    A coordinator gets a recap and checks its branches first, and a reader may read again. A worker that writes or answers
    someone may have done half of its task."""
    return work.capability is None or work.capability in HARMLESS


def pause_before(attempt: int) -> timedelta:
    """Return the delay before the retry with this number, from 1."""
    return timedelta(seconds=RETRIES.pause(attempt))


def in_a_row(ended: Sequence[Work], since: datetime | None) -> list[Work]:
    """Return the failures at the head of a product's ended work (newest first), up to those before `since`."""
    found = []
    for work in ended:
        if work.state is not WorkState.FAILED or (since and work.ended_at and work.ended_at <= since):
            break
        found.append(work)
    return found


def cooling(product: str, failed: Sequence[Work], most: int, now: datetime) -> Hold | None:
    """Return the hold on a product until it has cooled down after `most` failures in a row (`failed`, newest first)."""
    if len(failed) < most:
        return None
    last = failed[0]
    again = (last.ended_at or last.updated_at) + timedelta(seconds=COOLING.pause(len(failed) - most + 1))
    if now >= again:
        return None
    when = f"retried after {again:%H:%M} UTC, or at once with /fleet resume {product}"
    return Hold("breaker", f"{_failed(product, failed)}; {when}")


def trial(product: str, failed: Sequence[Work], most: int) -> Hold | None:
    """Return the hold that limits a product to one slot after it has cooled down from `most` failures in a row."""
    return Hold("breaker", f"{_failed(product, failed)}; one piece runs as a trial") if len(failed) >= most else None


def _failed(product: str, failed: Sequence[Work]) -> str:
    last = f"last {failed[0].id}: {shortened(failed[0].reason, 60)}"
    return f"{product} has failed {count(len(failed), 'time')} in a row ({last})"
