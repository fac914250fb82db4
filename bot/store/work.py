"""Table `work` with every request and its state."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from operator import itemgetter

from bot.domain import Work, WorkState
from bot.store.database import Database, dump, number, to_text, to_time
from bot.store.sweep import UNFINISHED, by_number, marks

OPEN = tuple(state.value for state in WorkState if state.open)
REPORTED = (WorkState.DONE, WorkState.REJECTED, WorkState.FAILED)
"""Final states that a product's status reports as its last work."""
UNDER_WAY = (WorkState.STARTING, WorkState.RUNNING, WorkState.WAITING)
"""States of work that was sent to the engine and has not ended."""


class WorkTable:
    """Work, numbered `w1`, `w2`, … Unfinished work is cached, because every change reads it and no other process
    writes the file."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._open: dict[WorkState, dict[int, Work]] = {}
        """Unfinished work by state and number. Empty until read, and after a rollback."""
        self._undone = database.undone
        self._last: dict[str, tuple[int, Work]] | None = None
        """Last work of each product that was done, rejected or failed, with its number. None until read."""
        self._last_undone = database.undone

    def add(self, work: Work, request: str) -> tuple[Work, bool]:
        """Store new work under a new id and return it with True. A repeated request returns the earlier work with False."""
        with self._db.transaction():
            # An insert that meets an older row would use up a number all the same, and people would miss `w2`.
            if (known := self.requested(request)) is not None:
                return known, False
            n = self._db.insert("work", **_values(work), request=request) or 0
            work = replace(work, id=f"w{n}", origin=self._db.origin)
            self._remember(n, work)
        return work, True

    def requested(self, request: str) -> Work | None:
        """Return the work that a request created."""
        row = self._db.row("SELECT * FROM work WHERE request = ?", request)
        return self._to_work(row) if row else None

    def get(self, id: str) -> Work | None:
        """Return one piece of work by its id."""
        row = self._db.row("SELECT * FROM work WHERE n = ?", number(id, "w"))
        return self._to_work(row) if row else None

    def some(self, ids: Iterable[str]) -> dict[str, Work]:
        """Return existing work by id, with one query."""
        if not (numbers := sorted({number(id, "w") for id in ids})):
            return {}
        rows = self._db.rows("SELECT * FROM work WHERE n IN (SELECT value FROM json_each(?))", dump(numbers))
        return {work.id: work for work in map(self._to_work, rows)}

    def asked(self, ids: Iterable[str]) -> dict[str, tuple[str, str]]:
        """Return requester and objective of work by id, with one query."""
        numbers = dump(sorted({number(id, "w") for id in ids}))
        rows = self._db.run("SELECT n, asked_by, objective FROM work WHERE n IN (SELECT value FROM json_each(?))", numbers)
        return {f"w{n}": (asked_by, objective) for n, asked_by, objective in rows}

    def open_ids(self) -> dict[str, tuple[str, WorkState]]:
        """Return product and state of all unfinished work by id, oldest first."""
        marks = ", ".join("?" * len(OPEN))
        rows = self._db.run(f"SELECT n, product, state FROM work WHERE state IN ({marks}) ORDER BY n", *OPEN)  # noqa: S608
        return {f"w{n}": (product, WorkState(state)) for n, product, state in rows}

    def save(self, work: Work) -> None:
        """Store a changed piece of work."""
        values = _values(work)
        marks = ", ".join(f"{name} = ?" for name in values)
        n = number(work.id, "w")
        if self._db.run(f"UPDATE work SET {marks} WHERE n = ?", *values.values(), n).rowcount:  # noqa: S608
            self._remember(n, replace(work, origin=self._db.origin))

    def _remember(self, n: int, work: Work) -> None:
        """Update the cache of unfinished work."""
        for numbered in self._open.values():
            numbered.pop(n, None)
        if work.state in self._open:
            self._open[work.state][n] = work
        last = self._last.get(work.product) if self._last is not None else None
        if self._last is not None and work.state in REPORTED and (last is None or n >= last[0]):
            self._last[work.product] = (n, work)
        elif last is not None and n == last[0]:
            self._last = None

    def open(self, product: str | None = None, states: Sequence[str] = OPEN) -> list[Work]:
        """Return work in these states (by default all unfinished work), oldest first, optionally of one product."""
        if not set(states) <= set(OPEN):
            return self._in(states, product)
        if not self._open or self._undone != self._db.undone:
            self._open, self._undone = {state: {} for state in WorkState if state.open}, self._db.undone
            for work in self._in(OPEN, None):
                self._open[work.state][number(work.id, "w")] = work
        found = [item for state in states for item in self._open[WorkState(state)].items()]
        found.sort(key=itemgetter(0))
        return [work for _, work in found if product in (None, work.product)]

    def _in(self, states: Sequence[str], product: str | None) -> list[Work]:
        """Return work in one state, read from the file."""
        marks = ", ".join("?" * len(states))
        rows = self._db.rows(
            f"SELECT * FROM work WHERE state IN ({marks}) AND (? IS NULL OR product = ?) ORDER BY n",  # noqa: S608
            *(*states, product, product),
        )
        return [self._to_work(row) for row in rows]

    def states(self, ids: Sequence[str]) -> dict[str, WorkState]:
        """Return the states of the existing ones among these ids."""
        return {id: work.state for id in dict.fromkeys(ids) if (work := self.get(id)) is not None}

    def newest(self, product: str | None = None, limit: int = 50) -> list[Work]:
        """Return the newest work first."""
        where, values = ("", ()) if product is None else (" WHERE product = ?", (product,))
        rows = self._db.rows(f"SELECT * FROM work{where} ORDER BY n DESC LIMIT ?", *values, limit)  # noqa: S608
        return [self._to_work(row) for row in rows]

    def last_ended(self) -> dict[str, Work]:
        """Return each product's last work that was done, rejected or failed. It is read once and remembered."""
        if self._last is None or self._last_undone != self._db.undone:
            self._last, self._last_undone, product = {}, self._db.undone, ""
            while product := self._db.value("SELECT min(product) FROM work WHERE product > ?", product):
                where = f"product = ? AND ended_at IS NOT NULL AND state IN ({marks(REPORTED)})"
                row = self._db.row(f"SELECT * FROM work WHERE {where} ORDER BY n DESC LIMIT 1", product, *REPORTED)  # noqa: S608
                if row is not None:
                    self._last[product] = (row["n"], self._to_work(row))
        return {product: work for product, (_, work) in self._last.items()}

    def recently_ended(self, product: str, limit: int) -> list[Work]:
        """Return a product's work that was done or failed, most recently ended first."""
        rows = self._db.rows(
            "SELECT * FROM work WHERE product = ? AND ended_at IS NOT NULL AND state IN ('done', 'failed')"
            " ORDER BY ended_at DESC, n DESC LIMIT ?",
            *(product, limit),
        )
        return [self._to_work(row) for row in rows]

    def by_agent(self, product: str, agent: str) -> Work | None:
        """Return the work for which this agent was started."""
        row = self._db.row("SELECT * FROM work WHERE product = ? AND agent = ? ORDER BY n DESC LIMIT 1", product, agent)
        return self._to_work(row) if row else None

    def ended_since(self, product: str, at: datetime) -> list[Work]:
        """Return a product's work that has ended since then."""
        rows = self._db.rows("SELECT * FROM work WHERE product = ? AND ended_at >= ? ORDER BY n", product, to_text(at))
        return [self._to_work(row) for row in rows]

    def by_mail(self, product: str, mail: str) -> Work | None:
        """Return the work that this mail carried to the engine."""
        row = self._db.row("SELECT * FROM work WHERE product = ? AND mail = ?", product, mail)
        return self._to_work(row) if row else None

    def of_schedule(self, schedule: str, after: int = 0, limit: int = 10) -> list[Work]:
        """Return the runs of a schedule numbered after `after`, newest first."""
        rows = self._db.rows("SELECT * FROM work WHERE schedule = ? AND n > ? ORDER BY n DESC LIMIT ?", schedule, after, limit)
        return [self._to_work(row) for row in rows]

    def stall_reported(self, id: str) -> str | None:
        """Return the attempt (its tag) of a piece of work whose stall was reported."""
        tag: str | None = self._db.value("SELECT stall_reported FROM work WHERE n = ?", number(id, "w"))
        return tag

    def set_stall_reported(self, id: str, tag: str) -> None:
        """Record the attempt of a piece of work whose stall was reported."""
        self._db.run("UPDATE work SET stall_reported = ? WHERE n = ?", tag, number(id, "w"))

    def last_number(self) -> int:
        """Return the number of the newest work, or 0."""
        return int(self._db.value("SELECT coalesce(max(n), 0) FROM work"))

    def changed_since(self, at: datetime, limit: int = 500) -> list[Work]:
        """Return work whose state or latest report has changed since then, oldest first."""
        rows = self._db.rows(
            "SELECT * FROM work WHERE n IN (SELECT n FROM work WHERE updated_at >= ?) ORDER BY n LIMIT ?", *(to_text(at), limit)
        )
        return [self._to_work(row) for row in rows]

    def _to_work(self, row: sqlite3.Row) -> Work:
        return _to_work(row, self._db.origin)

    def remove_before(self, before: datetime) -> Iterator[int]:
        """Remove work that ended before then, unless an unfinished gate or open work refers to it. See `sweep`."""
        return by_number(self._db, "work", "n", "created_at", before, partial(self._remove, to_text(before)))

    def _remove(self, before: str | None, numbers: Sequence[int]) -> int:
        needed = {id for work in self.open() for id in work.depends_on}
        rows = self._db.rows(
            f"SELECT n FROM work WHERE n IN ({marks(numbers)}) AND ended_at < ?"  # noqa: S608
            f" AND NOT EXISTS (SELECT 1 FROM gates WHERE gates.work = 'w' || work.n AND state IN {UNFINISHED})",
            *(*numbers, before),
        )
        old = [row["n"] for row in rows if f"w{row['n']}" not in needed]
        self._db.run(f"DELETE FROM admissions WHERE work IN ({marks(old)})", *old)  # noqa: S608
        for table in ("raised_limits", "budget_warnings"):
            self._db.run(f"DELETE FROM {table} WHERE scope IN ({marks(old)})", *(f"w{n}" for n in old))  # noqa: S608
        self._db.run(f"DELETE FROM work WHERE n IN ({marks(old)})", *old)  # noqa: S608
        self._last = None
        return len(old)


def _values(work: Work) -> dict[str, str | int | float | None]:
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
        "source": work.source,
        "schedule": work.schedule,
        "priority": work.priority,
        "weight": work.weight,
        "estimate_usd": work.estimate_usd,
        "depends_on": dump(work.depends_on),
        "deadline": to_text(work.deadline),
        "boost": work.boost,
        "not_before": to_text(work.not_before),
        "lost": work.lost,
        "cost_usd": work.cost_usd,
        "peak_mib": work.peak_mib,
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
        source=row["source"],
        schedule=row["schedule"],
        priority=row["priority"],
        weight=row["weight"],
        estimate_usd=row["estimate_usd"],
        depends_on=tuple(json.loads(row["depends_on"])) if row["depends_on"] != "[]" else (),
        deadline=to_time(row["deadline"]),
        boost=row["boost"],
        not_before=to_time(row["not_before"]),
        lost=row["lost"],
        cost_usd=row["cost_usd"],
        peak_mib=row["peak_mib"],
    )
