"""The journal of what happened and who did it: each row carries the hash of the one before it, so that a change shows.

Where the journal begins (after older rows were taken out) and ends is noted beside it, so that a cut at either end shows, too.
Anyone who can write the file can still rewrite all of it. To detect that, store the newest hash elsewhere.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from bot.store.audit_marks import GENESIS, AuditMarkTable, Mark
from bot.store.database import Database, dump, to_text
from bot.store.sweep import by_number


@dataclass(frozen=True, slots=True)
class Verdict:
    """Result of verifying the journal.

    `rows` counts the intact rows, `broken` is the first row that is not, with the reason.
    """

    rows: int
    broken: int | None
    why: str = ""
    head: str = ""
    """Hash of the newest row. Stored elsewhere, it reveals later whether the journal was rewritten from the beginning."""


class Audit:
    """The append-only journal. Texts must be redacted before they are written."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._marks = AuditMarkTable(database)

    def add(self, kind: str, *, at: datetime, person: str, product: str | None, subject: str, detail: dict[str, Any]) -> None:
        """Write one row. `kind` is skill, decision, gate, work, engine, refused and so on."""
        with self._db.transaction():
            previous = self._db.value("SELECT hash FROM audit ORDER BY n DESC LIMIT 1") or GENESIS
            row = (to_text(at) or "", kind, person, product, subject, dump(detail))
            digest = _hash(previous, *row)
            number = self._db.insert(
                "audit",
                at=row[0],
                kind=kind,
                person=person,
                product=product,
                subject=subject,
                detail=row[5],
                previous=previous,
                hash=digest,
            )
            self._marks.set("head", Mark(number or 0, digest))

    def newest(self, limit: int = 100, before: int | None = None) -> list[dict[str, Any]]:
        """Return the newest rows first, as JSON values."""
        rows = self._db.rows("SELECT * FROM audit WHERE n < ? ORDER BY n DESC LIMIT ?", before or 2**62, limit)
        return [{**dict(row), "detail": json.loads(row["detail"])} for row in rows]

    def about(self, *subjects: str) -> list[dict[str, Any]]:
        """Return every row about these ids, oldest first, as JSON values."""
        wanted = "SELECT value FROM json_each(?)"
        rows = self._db.rows(f"SELECT * FROM audit WHERE subject IN ({wanted}) ORDER BY n", dump(subjects))  # noqa: S608
        return [{**dict(row), "detail": json.loads(row["detail"])} for row in rows]

    def found(self, *, limit: int, before: int | None = None, **wanted: str | None) -> list[dict[str, Any]]:
        """Return rows that match the given values, newest first, as JSON values. None matches any value."""
        given = {name: value for name, value in wanted.items() if value is not None}
        where = " AND ".join(["n < ?", *(f"{name} = ?" for name in given)])
        rows = self._db.rows(
            f"SELECT * FROM audit WHERE {where} ORDER BY n DESC LIMIT ?",  # noqa: S608
            *(before or 2**62, *given.values(), limit),
        )
        return [{**dict(row), "detail": json.loads(row["detail"])} for row in rows]

    def verify(self) -> Verdict:
        """Verify that every row follows from the previous one, none is missing, and neither end was cut off."""
        base, head = self._marks.get("base"), self._marks.get("head")
        number, previous, rows = base.number, base.hash, 0
        try:
            for row in self._db.run("SELECT * FROM audit ORDER BY n"):
                if why := _wrong(row, number + 1, previous):
                    return Verdict(rows, min(row["n"], number + 1), why)
                number, previous, rows = row["n"], row["hash"], rows + 1
        except sqlite3.OperationalError as error:
            return Verdict(rows, number + 1, f"it cannot be read: {error}")
        if number and not head.number:
            return Verdict(
                rows, number + 1, "the note of where it ends was taken out, so that rows may be missing from here on"
            )
        if number < head.number:
            return Verdict(rows, number + 1, f"the rows up to {head.number} were cut off")
        if number > head.number:
            return Verdict(rows - number + head.number, head.number + 1, "it was not written by the journal")
        if previous != head.hash:
            return Verdict(rows - 1, number, "it was written anew")
        return Verdict(rows, None, head=previous)

    def first_broken(self) -> int | None:
        """Return the number of the first row that does not follow from the previous one, or None."""
        return self.verify().broken

    def remove_before(self, before: datetime) -> Iterator[int]:
        """Remove older rows and record where the rest starts, so that it still verifies. See `sweep`."""
        return by_number(self._db, "audit", "n", "at", before, self._remove)

    def _remove(self, numbers: Sequence[int]) -> int:
        last = self._db.row("SELECT n, hash FROM audit WHERE n = ?", numbers[-1])
        if last is None:
            return 0
        self._marks.set("base", Mark(last["n"], last["hash"]))
        return self._db.run("DELETE FROM audit WHERE n <= ?", last["n"]).rowcount


def _wrong(row: sqlite3.Row, number: int, previous: str) -> str:
    """Return why a row is not the one that was written as the next."""
    content = (row["at"], row["kind"], row["person"], row["product"], row["subject"], row["detail"])
    if row["n"] > number:
        return "it was taken out"
    if row["n"] < number:
        return "it was not written by the journal"
    if row["previous"] != previous:
        return "its link to the row before it was changed, or that row was written anew"
    if not all(isinstance(each, str | None) for each in content) or row["hash"] != _hash(previous, *content):
        return "what it says was changed"
    return ""


def _hash(previous: str, *content: str | None) -> str:
    return sha256(dump([previous, *content]).encode()).hexdigest()
