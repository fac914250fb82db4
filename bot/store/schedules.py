"""Schedules: work that comes back by the clock. This table is the truth about what is due; the clock in memory only wakes."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.store.database import Database, to_text, to_time


@dataclass(frozen=True, slots=True)
class Timed:
    """One schedule. `cron` has five parts, its days of the week by name; `timezone` is an IANA name."""

    name: str
    product: str
    cron: str
    timezone: str
    objective: str
    created_at: datetime
    updated_at: datetime
    capability: str | None = None
    missed: str = "skip"
    """What becomes of runs missed while the fleet was down: `skip`, or `once` for all of them together."""
    enabled: bool = True
    from_file: bool = False
    """Whether the registry lists it; else it was made in a conversation."""
    asked_by: str = ""
    conversation: str = ""
    why_off: str = ""
    """Why it was disabled by itself."""
    next_at: datetime | None = None
    """When it runs next, UTC; None while it is disabled."""
    last_label: str = ""
    """What names its last run by the clock on the wall, so that no change of clock or zone runs it twice."""
    counted_from: int = 0
    """Runs with a higher number count for disabling it."""


class Schedules:
    """Rows by name."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def save(self, timed: Timed) -> None:
        """Keep a schedule, new or changed."""
        values = _values(timed)
        names, marks = ", ".join(values), ", ".join("?" * len(values))
        changes = ", ".join(f"{name} = excluded.{name}" for name in values if name != "name")
        self._db.run(
            f"INSERT INTO schedules ({names}) VALUES ({marks}) ON CONFLICT (name) DO UPDATE SET {changes}",  # noqa: S608
            *values.values(),
        )

    def remove(self, name: str) -> None:
        """Forget a schedule; what it has started goes on."""
        self._db.run("DELETE FROM schedules WHERE name = ?", name)

    def get(self, name: str) -> Timed | None:
        """One schedule, however its name is capitalised."""
        row = self._db.row("SELECT * FROM schedules WHERE name = ? COLLATE NOCASE", name)
        return _to_timed(row) if row else None

    def every(self) -> list[Timed]:
        """All of them, by name."""
        return _all(self._db.rows("SELECT * FROM schedules ORDER BY name"))

    def due(self, now: datetime) -> list[Timed]:
        """Those whose time has come, the longest due first."""
        rows = self._db.rows("SELECT * FROM schedules WHERE enabled AND next_at <= ? ORDER BY next_at, name", to_text(now))
        return _all(rows)

    def next_at(self) -> datetime | None:
        """When the next one is due."""
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
