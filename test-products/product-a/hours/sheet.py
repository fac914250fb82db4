"""Reads a timesheet: one line for each stretch of work."""

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

LINE = re.compile(r"(\d{4}-\d{2}-\d{2})\s+(\d{2}:\d{2})-(\d{2}:\d{2})\s+(\S+)\s*(.*)")


class BadLine(ValueError):
    """A line that cannot be read; says which and why."""


@dataclass(frozen=True)
class Stretch:
    """Work without a break, for one client."""

    day: date
    start: time
    end: time
    client: str
    note: str = ""

    @property
    def length(self) -> timedelta:
        """How long it took."""
        return datetime.combine(self.day, self.end) - datetime.combine(self.day, self.start)


def read(text: str) -> list[Stretch]:
    """Every stretch of a timesheet, in its order. Raises BadLine for the first that cannot be read."""
    stretches = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            stretches.append(_stretch(line.strip(), number))
    return stretches


def _stretch(line: str, number: int) -> Stretch:
    match = LINE.fullmatch(line)
    if not match:
        raise BadLine(f"line {number}: expected `2026-03-02 09:15-12:40 client words`, found `{line}`")
    day, start, end, client, note = match.groups()
    try:
        return Stretch(date.fromisoformat(day), time.fromisoformat(start), time.fromisoformat(end), client, note)
    except ValueError as error:
        raise BadLine(f"line {number}: {error}") from None
