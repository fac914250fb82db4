"""The journal of what happened and who did it: each row carries the hash of the one before it, so that a change shows."""

import json
from datetime import datetime
from hashlib import sha256
from typing import Any

from bot.store.database import Database, dump, to_text

GENESIS = "0" * 64


class Audit:
    """Append-only. What is written must have been redacted by then."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, kind: str, *, at: datetime, person: str, product: str | None, subject: str, detail: dict[str, Any]) -> None:
        """Write one row: `kind` (skill, decision, gate, work, engine, refused …) and what it was about."""
        with self._db.transaction():
            previous = self._db.value("SELECT hash FROM audit ORDER BY n DESC LIMIT 1") or GENESIS
            row = (to_text(at) or "", kind, person, product, subject, dump(detail))
            self._db.insert(
                "audit",
                at=row[0],
                kind=kind,
                person=person,
                product=product,
                subject=subject,
                detail=row[5],
                previous=previous,
                hash=_hash(previous, *row),
            )

    def newest(self, limit: int = 100, before: int | None = None) -> list[dict[str, Any]]:
        """Rows, newest first, as JSON values."""
        rows = self._db.rows("SELECT * FROM audit WHERE n < ? ORDER BY n DESC LIMIT ?", before or 2**62, limit)
        return [{**dict(row), "detail": json.loads(row["detail"])} for row in rows]

    def first_broken(self) -> int | None:
        """The number of the first row that does not follow from the one before it; None when all do."""
        previous = GENESIS
        for row in self._db.run("SELECT * FROM audit ORDER BY n"):
            content = (row["at"], row["kind"], row["person"], row["product"], row["subject"], row["detail"])
            if row["previous"] != previous or row["hash"] != _hash(previous, *content):
                return int(row["n"])
            previous = row["hash"]
        return None


def _hash(previous: str, *content: str | None) -> str:
    return sha256(dump([previous, *content]).encode()).hexdigest()
