"""Points in time as people write them. Pure.

`18:00` · `2026-03-02 18:00` · `friday 17:00` · `tomorrow 9:00` · `in 3h`
"""

import re
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from bot.domain.errors import UsageError

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_IN = re.compile(r"(?:in )?(\d{1,5})\s*(min|m|h|d)[a-z]*")
_DATED = re.compile(r"(\d{4}-\d\d-\d\d)(?:[ t](\d{1,2}:\d\d))?")
_CLOCK = re.compile(r"(?:(today|tomorrow|[a-z]{3,9})(?:\s+|$))?(?:at )?(\d{1,2}:\d\d)?")
END_OF_DAY = time(23, 59)


def read(said: str, now: datetime, zone: str) -> datetime:
    """Return the next such time after `now`, in UTC. Raises UsageError."""
    text, local = " ".join(said.lower().split()), now.astimezone(ZoneInfo(zone))
    try:
        found = _read(text, now, local)
    except ValueError:
        found = None
    if found is None:
        raise UsageError(f"Not a valid time: “{said[:40]}”.", "Use 18:00, 2026-03-02 18:00, friday 17:00, tomorrow or in 3h.")
    return found.astimezone(UTC)


def _read(text: str, now: datetime, local: datetime) -> datetime | None:
    if match := _IN.fullmatch(text):
        return now + timedelta(**{{"m": "minutes", "h": "hours", "d": "days"}[match[2][0]]: int(match[1])})
    if match := _DATED.fullmatch(text):
        day = datetime.fromisoformat(match[1]).date()
        return datetime.combine(day, _clock(match[2]), local.tzinfo)
    match = _CLOCK.fullmatch(text)
    if not match or not (match[1] or match[2]):
        return None
    at = datetime.combine(local.date(), _clock(match[2]), local.tzinfo)
    if match[1] in {None, "today"}:
        return at if at > now or match[1] else at + timedelta(days=1)
    if match[1] == "tomorrow":
        return at + timedelta(days=1)
    if match[1][:3] not in DAYS:
        return None
    ahead = (DAYS.index(match[1][:3]) - local.weekday()) % 7
    at += timedelta(days=ahead)
    return at if at > now else at + timedelta(days=7)


def _clock(text: str | None) -> time:
    return time.fromisoformat(f"{text:0>5}") if text else END_OF_DAY
