"""Table `audit_marks`: where the audit journal begins and ends, so that a cut at either end is detected."""

from dataclasses import dataclass

from bot.store.database import Database

GENESIS = "0" * 64
"""The hash before the first row."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A position in the journal: a row's number and its hash."""

    number: int
    hash: str


class AuditMarkTable:
    """The marks `base` (the last row that was removed by age) and `head` (the newest row)."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def get(self, name: str) -> Mark:
        """Return a mark. One that was never set is before the first row."""
        row = self._db.row("SELECT number, hash FROM audit_marks WHERE name = ?", name)
        return Mark(row["number"], row["hash"]) if row else Mark(0, GENESIS)

    def set(self, name: str, mark: Mark) -> None:
        """Set a mark."""
        self._db.run(
            "INSERT INTO audit_marks (name, number, hash) VALUES (?, ?, ?)"
            " ON CONFLICT (name) DO UPDATE SET number = excluded.number, hash = excluded.hash",
            *(name, mark.number, mark.hash),
        )
