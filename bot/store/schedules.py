"""Table `schedules` with recurring work. It decides what is due; the in-memory clock only wakes the jobs."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.store.database import Database, to_text, to_time


@dataclass(frozen=True, slots=True)
class Timed:
    """One schedule. `cron` has five fields with names for days of the week, and `timezone` is an IANA name."""

    name: str
    product: str
    cron: str
    timezone: str
    objective: str
    created_at: datetime
    updated_at: datetime
    capability: str | None = None
    missed: str = "skip"
    """Treatment of runs missed while the fleet was down. `skip` omits them, `once` makes one run for all of them."""
    enabled: bool = True
    from_file: bool = False
    """True if the registry defines it, False if it was made in a conversation."""
    asked_by: str = ""
    conversation: str = ""
    why_off: str = ""
    """Reason why it was disabled automatically."""
    next_at: datetime | None = None
    """Time of the next run in UTC, or None if it is disabled."""
    last_label: str = ""
    """Wall-clock label of the last run, so that no change of clock or zone runs it twice."""
    counted_from: int = 0
    """Number of the work after which failed runs count towards disabling it."""


class Schedules:
    """Schedules by name."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def save(self, timed: Timed) -> None:
        """Store a new or changed schedule."""
        values = _values(timed)
        names, marks = ", ".join(values), ", ".join("?" * len(values))
        changes = ", ".join(f"{name} = excluded.{name}" for name in values if name != "name")
        self._db.run(
            f"INSERT INTO schedules ({names}) VALUES ({marks}) ON CONFLICT (name) DO UPDATE SET {changes}",  # noqa: S608
            *values.values(),
        )

    def remove(self, name: str) -> None:
        """Delete a schedule. Work it has started continues."""
        self._db.run("DELETE FROM schedules WHERE name = ?", name)

    def get(self, name: str) -> Timed | None:
        """Return one schedule by its name, ignoring case."""
        row = self._db.row("SELECT * FROM schedules WHERE name = ? COLLATE NOCASE", name)
        return _to_timed(row) if row else None

    def every(self) -> list[Timed]:
        """Return all schedules, by name."""
        return _all(self._db.rows("SELECT * FROM schedules ORDER BY name"))

    def due(self, now: datetime) -> list[Timed]:
        """Return the schedules that are due, the longest overdue first."""
        rows = self._db.rows("SELECT * FROM schedules WHERE enabled AND next_at <= ? ORDER BY next_at, name", to_text(now))
        return _all(rows)

    def next_at(self) -> datetime | None:
        """Return the time at which the next schedule is due."""
        return to_time(self._db.value("SELECT min(next_at) FROM schedules WHERE enabled"))


def _values(timed: Timed) -> dict[str, str | int | None]:
    return {
        "name": timed.name,
        "product": timed.product,
        "cron": timed.cron,
        "timezone": timed.timezone,
        "objective": timed.objective,
        "capability": timed.capability,
        "missed": timed.missed,
        "enabled": int(timed.enabled),
        "from_file": int(timed.from_file),
        "asked_by": timed.asked_by,
        "conversation": timed.conversation,
        "why_off": timed.why_off,
        "next_at": to_text(timed.next_at),
        "last_label": timed.last_label,
        "counted_from": timed.counted_from,
        "created_at": to_text(timed.created_at),
        "updated_at": to_text(timed.updated_at),
    }


def _all(rows: Sequence[sqlite3.Row]) -> list[Timed]:
    return [_to_timed(row) for row in rows]


def _to_timed(row: sqlite3.Row) -> Timed:
    return Timed(
        name=row["name"],
        product=row["product"],
        cron=row["cron"],
        timezone=row["timezone"],
        objective=row["objective"],
        created_at=datetime.fromisoformat(row["created_at"]),
        updated_at=datetime.fromisoformat(row["updated_at"]),
        capability=row["capability"],
        missed=row["missed"],
        enabled=bool(row["enabled"]),
        from_file=bool(row["from_file"]),
        asked_by=row["asked_by"],
        conversation=row["conversation"],
        why_off=row["why_off"],
        next_at=to_time(row["next_at"]),
        last_label=row["last_label"],
        counted_from=row["counted_from"],
    )
