"""Recurring times, as cron expressions or as people say them. Pure.

`0 9 * * mon-fri` · `every weekday at 9` · `daily at 18:30` · `every monday at 7:15 am` · `every 2 hours` · `hourly`
"""

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from apscheduler.triggers.cron import CronTrigger

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
SHORT = tuple(day[:3] for day in DAYS)
SPANS = {"mon-fri": "Monday to Friday", "sat,sun": "Saturday and Sunday", "*": "every day", "mon-sun": "every day"}
EXAMPLES = (
    "“every weekday at 9”, “every monday at 7:30”, “daily at 18:00”, “every 2 hours”, or the cron expression 0 9 * * mon-fri"
)

_NUMBER = re.compile(r"\b\d+\b")
_TIME = re.compile(r"(?:at )?(?P<hour>\d{1,2})(?:[:.h](?P<minute>\d{2}))?\s*(?P<half>am|pm)?(?: o'?clock)?")
_EVERY = re.compile(r"(?:every|each)?\s*(?P<number>\d{1,2})\s*(?P<unit>minute|min|hour|h)s?")


def check(text: str) -> str:
    """Return a cron expression unchanged if it is valid and will occur. Raises ValueError for people."""
    fields = text.split()
    if len(fields) != 5:
        raise ValueError("must have five fields: minute hour day month weekday, such as 0 9 * * mon-fri.")
    if _NUMBER.search(fields[4]):
        raise ValueError("write weekdays as names (mon-fri). Numbers mean different days in different programs.")
    try:
        first = following(text, "UTC", datetime.now(UTC))
    except ValueError as error:
        raise ValueError(f"{error}.") from None
    if first is None:
        raise ValueError("never occurs: no month has such a day.")
    return text


def read(said: str) -> str:
    """Return the cron expression for a recurring time in words. Raises ValueError for people."""
    text = " ".join(said.lower().replace(",", " ").split())
    if len(text.split()) == 5 and re.fullmatch(r"[\d*/,\-]+", said.split()[0]):
        return check(" ".join(said.lower().split()))
    if text in {"hourly", "every hour"}:
        return "0 * * * *"
    if match := _EVERY.fullmatch(text):
        return _interval(int(match["number"]), match["unit"])
    days, rest = _days(text)
    match = _TIME.fullmatch(rest.strip())
    if days is None or match is None:
        raise ValueError(f"Not a valid recurring time: “{said[:60]}”. Examples: {EXAMPLES}.")
    hour, minute = int(match["hour"]), int(match["minute"] or 0)
    if match["half"]:
        if not 1 <= hour <= 12:
            raise ValueError(f"Not a valid time of day: {hour} {match['half']}.")
        hour = hour % 12 + (12 if match["half"] == "pm" else 0)
    if hour > 23 or minute > 59:
        raise ValueError(f"Not a valid time of day: {match['hour']}:{minute:02}.")
    return check(f"{minute} {hour} * * {days}")


def _interval(number: int, unit: str) -> str:
    size, form = (60, "*/{} * * * *") if unit.startswith("m") else (24, "0 */{} * * *")
    if not number or size % number or number == size:
        fitting = ", ".join(str(each) for each in range(1, size) if size % each == 0)
        raise ValueError(
            f"Every {number} {unit}s does not divide {'an hour' if size == 60 else 'a day'} evenly. Choose {fitting}."
        )
    return form.format(number)


def _days(text: str) -> tuple[str | None, str]:
    """Return the leading weekdays in cron's form, and the text after them."""
    for words, days in (
        (r"(?:(?:on|every|each) )?weekdays?", "mon-fri"),
        (r"(?:(?:on|every|each) )?weekends?", "sat,sun"),
        (r"(?:every ?day|each day|daily)", "*"),
    ):
        if match := re.match(rf"{words}\b", text):
            return days, text[match.end() :]
    match = re.match(r"(?:(?:on|every|each) )?((?:(?:and )?[a-z]{3,9}\b ?)+)", text)
    found, at = [], 0
    if match:
        for word in re.finditer(r"(?:and )?([a-z]{3,9})\b ?", match[1]):
            day = word[1].removesuffix("s") if word[1] not in SHORT else word[1]
            if day[:3] not in SHORT or (day not in SHORT and day not in DAYS):
                break
            found.append(day[:3])
            at = match.start(1) + word.end()
    return (",".join(sorted(set(found), key=SHORT.index)) or None), text[at:]


def words(cron: str) -> str:
    """Return a common cron expression in words (`Monday to Friday at 09:00`), any other unchanged."""
    minute, hour, day, month, weekday = cron.split()
    if minute.isdigit() and hour.isdigit() and (day, month) == ("*", "*"):
        names = [DAYS[SHORT.index(each)].capitalize() for each in weekday.split(",") if each in SHORT]
        days = SPANS.get(weekday) or (", ".join(names) if len(names) == len(weekday.split(",")) else "")
        if days:
            return f"{days} at {int(hour):02}:{int(minute):02}"
    if match := re.fullmatch(r"0 \*/(\d+) \* \* \*", cron):
        return f"every {match[1]} hours"
    if match := re.fullmatch(r"\*/(\d+) \* \* \* \*", cron):
        return f"every {match[1]} minutes"
    return "every hour" if cron == "0 * * * *" else f"at {cron}"


def following(cron: str, zone: str, after: datetime) -> datetime | None:
    """Return the first occurrence after a time, in UTC, or None if there is none.

    Raises ValueError for an invalid expression.
    """
    local = ZoneInfo(zone)
    trigger = _trigger(cron, local)
    found = trigger.get_next_fire_time(after, after.astimezone(local))
    return None if found is None else found.astimezone(UTC)


def _trigger(cron: str, zone: ZoneInfo) -> "CronTrigger":
    from apscheduler.triggers.cron import CronTrigger

    return CronTrigger.from_crontab(cron, timezone=zone)


def label(cron: str, zone: str, at: datetime) -> str:
    """Return the sortable name of a run.

    It is the local time if the hour is fixed, so that neither a repeated hour nor a changed zone runs it twice, else the UTC
    time.
    """
    if set("*/") & set(cron.split()[1]):
        return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M}Z"
    return f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%dT%H:%M}"


def zoned(at: datetime, zone: str) -> str:
    """Format a time with its zone for people, as in `Mon 2 Mar 09:00 Europe/Vienna (08:00 UTC)`."""
    local = at.astimezone(ZoneInfo(zone))
    there = f"{local:%a} {local.day} {local:%b %H:%M} {zone}"
    return there if zone == "UTC" else f"{there} ({at.astimezone(UTC):%H:%M} UTC)"
