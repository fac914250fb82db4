"""Table `admissions`, the guard's decisions on each piece of work. `why` answers from it."""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.store.database import Database, dump, number, to_text
from bot.store.sweep import by_index


@dataclass(frozen=True, slots=True)
class Ruling:
    """One decision of the guard.

    `verdict` is start, wait or resume. `chosen` names what determined its position in the queue.
    """

    at: datetime
    product: str
    work: str
    verdict: str
    code: str
    reason: str
    numbers: dict[str, Any]
    chosen: str = ""


class Admissions:
    """Rulings, written whenever the decision on a piece of work changes."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, ruling: Ruling) -> None:
        """Store a ruling."""
        self._db.insert(
            "admissions",
            at=to_text(ruling.at),
            product=ruling.product,
            work=number(ruling.work, "w"),
            verdict=ruling.verdict,
            code=ruling.code,
            reason=ruling.reason,
            numbers=dump(ruling.numbers),
            chosen=ruling.chosen,
        )

    def of(self, work: str, limit: int = 20) -> list[Ruling]:
        """Return the rulings on one piece of work, newest first."""
        query = "SELECT * FROM admissions WHERE work = ? ORDER BY n DESC LIMIT ?"
        return [_to_ruling(row) for row in self._db.rows(query, number(work, "w"), limit)]

    def starts_since(self, at: datetime, limit: int = 500) -> list[Ruling]:
        """Return the rulings since then that started work, newest first."""
        query = "SELECT * FROM admissions WHERE at >= ? AND verdict != 'wait' ORDER BY n DESC LIMIT ?"
        return [_to_ruling(row) for row in self._db.rows(query, to_text(at), limit)]

    def remove_before(self, before: datetime) -> Iterator[int]:
        """Remove rulings older than that. See `sweep`."""
        old = "SELECT n FROM admissions WHERE at < ? ORDER BY at LIMIT ?"
        return by_index(self._db, f"DELETE FROM admissions WHERE n IN ({old})", to_text(before))  # noqa: S608


def _to_ruling(row: sqlite3.Row) -> Ruling:
    return Ruling(
        at=datetime.fromisoformat(row["at"]),
        product=row["product"],
        work=f"w{row['work']}",
        verdict=row["verdict"],
        code=row["code"],
        reason=row["reason"],
        numbers=json.loads(row["numbers"]),
        chosen=row["chosen"],
    )
