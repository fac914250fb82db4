"""Work: what was asked of each product, and what became of it."""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from bot.domain import Work, WorkState
from bot.store.database import Database, dump, number, to_text, to_time

OPEN = tuple(state.value for state in WorkState if state.open)
UNDER_WAY = (WorkState.STARTING, WorkState.RUNNING, WorkState.WAITING)
"""Handed to the engine, or about to be, and not ended."""


class WorkTable:
    """Rows of work, numbered `w1`, `w2`, …"""

    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, work: Work, request: str) -> tuple[Work, bool]:
        """Keep new work (its id is given here); the same request again returns what it made before, and False."""
        with self._db.transaction():
            # An insert that meets an older row would use up a number all the same, and people would miss `w2`.
            if (row := self._db.row("SELECT * FROM work WHERE request = ?", request)) is not None:
                return self._to_work(row), False
            n = self._db.insert("work", **_values(work), request=request)
        return replace(work, id=f"w{n}", origin=self._db.origin), True

    def get(self, id: str) -> Work | None:
        """One piece of work by its id."""
        row = self._db.row("SELECT * FROM work WHERE n = ?", number(id, "w"))
        return self._to_work(row) if row else None

    def some(self, ids: Iterable[str]) -> dict[str, Work]:
        """Work by its id, as far as there is such: one query, however many there are."""
        if not (numbers := sorted({number(id, "w") for id in ids})):
            return {}
        rows = self._db.rows("SELECT * FROM work WHERE n IN (SELECT value FROM json_each(?))", dump(numbers))
        return {work.id: work for work in map(self._to_work, rows)}

    def asked(self, ids: Iterable[str]) -> dict[str, tuple[str, str]]:
        """By whom work was asked for, and what, by its id: one query, however many there are."""
        numbers = dump(sorted({number(id, "w") for id in ids}))
        rows = self._db.run("SELECT n, asked_by, objective FROM work WHERE n IN (SELECT value FROM json_each(?))", numbers)
        return {f"w{n}": (asked_by, objective) for n, asked_by, objective in rows}

    def open_ids(self) -> dict[str, tuple[str, WorkState]]:
        """Product and state of all work that is not finished, by its id, oldest first: all that an order needs."""
        marks = ", ".join("?" * len(OPEN))
        rows = self._db.run(f"SELECT n, product, state FROM work WHERE state IN ({marks}) ORDER BY n", *OPEN)  # noqa: S608
        return {f"w{n}": (product, WorkState(state)) for n, product, state in rows}

    def save(self, work: Work) -> None:
        """Replace what is kept of it."""
        values = _values(work)
        marks = ", ".join(f"{name} = ?" for name in values)
        self._db.run(f"UPDATE work SET {marks} WHERE n = ?", *values.values(), number(work.id, "w"))  # noqa: S608

    def open(self, product: str | None = None, states: Sequence[str] = OPEN) -> list[Work]:
        """Work in one of these states (by default all that is not finished), oldest first; of one product, if named."""
        marks = ", ".join("?" * len(states))
        rows = self._db.rows(
            f"SELECT * FROM work WHERE state IN ({marks}) AND (? IS NULL OR product = ?) ORDER BY n",  # noqa: S608
            *(*states, product, product),
        )
        return [self._to_work(row) for row in rows]

    def newest(self, product: str | None = None, limit: int = 50) -> list[Work]:
        """The newest work, newest first."""
        rows = self._db.rows(
            "SELECT * FROM work WHERE ? IS NULL OR product = ? ORDER BY n DESC LIMIT ?", product, product, limit
        )
        return [self._to_work(row) for row in rows]

    def last_ended(self) -> dict[str, Work]:
        """Each product's last finished work."""
        rows = self._db.rows(
            "SELECT * FROM work WHERE n IN (SELECT max(n) FROM work WHERE state IN ('done', 'failed') GROUP BY product)"
        )
        return {row["product"]: self._to_work(row) for row in rows}

    def by_agent(self, product: str, agent: str) -> Work | None:
        """The work for which this agent was started."""
        row = self._db.row("SELECT * FROM work WHERE product = ? AND agent = ? ORDER BY n DESC LIMIT 1", product, agent)
        return self._to_work(row) if row else None

    def ended_since(self, product: str, at: datetime) -> list[Work]:
        """A product's work that has ended since then."""
        rows = self._db.rows("SELECT * FROM work WHERE product = ? AND ended_at >= ? ORDER BY n", product, to_text(at))
        return [self._to_work(row) for row in rows]

    def by_mail(self, product: str, mail: str) -> Work | None:
        """The work that this mail carried to the engine."""
        row = self._db.row("SELECT * FROM work WHERE product = ? AND mail = ?", product, mail)
        return self._to_work(row) if row else None

    def _to_work(self, row: sqlite3.Row) -> Work:
        return _to_work(row, self._db.origin)


def _values(work: Work) -> dict[str, str | int | None]:
    return {
        "product": work.product,
        "objective": work.objective,
        "capability": work.capability,
        "state": work.state.value,
        "asked_by": work.asked_by,
        "conversation": work.conversation,
        "reason": work.reason,
        "mail": work.mail,
        "agent": work.agent,
        "result": work.result,
        "attempt": work.attempt,
        "created_at": to_text(work.created_at),
        "updated_at": to_text(work.updated_at),
        "started_at": to_text(work.started_at),
        "ended_at": to_text(work.ended_at),
    }


def _to_work(row: sqlite3.Row, origin: str) -> Work:
    return Work(
        id=f"w{row['n']}",
        product=row["product"],
        objective=row["objective"],
        state=WorkState(row["state"]),
        created_at=datetime.fromisoformat(row["created_at"]),
        updated_at=datetime.fromisoformat(row["updated_at"]),
        capability=row["capability"],
        asked_by=row["asked_by"],
        conversation=row["conversation"],
        reason=row["reason"],
        mail=row["mail"],
        agent=row["agent"],
        result=row["result"],
        attempt=row["attempt"],
        started_at=to_time(row["started_at"]),
        ended_at=to_time(row["ended_at"]),
        origin=origin,
    )
