"""Tables `gates` and `answers`. The database itself allows one final decision per gate."""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from functools import lru_cache, partial

from bot.domain import Action, Decision, Gate, GateKind, GateState, Role, to_person
from bot.store.database import Database, dump, number, to_text, to_time
from bot.store.sweep import UNFINISHED, batched, by_number, marks

COLUMNS = (
    "n, product, kind, title, body, state, created_at, updated_at, revision, options, thread, mail, sender, task,"
    " work, conversation, previous, reason, action, reply, sent_at, sendings, reminded_at, reminders, escalated_at"
)
"""Columns in the order in which `_to_gate` reads them. Reading them by name would take twice as long."""


UNFINISHED_STATES = frozenset({GateState.OPEN.value, GateState.DECIDED.value})
"""States that few gates are in at any time."""


class Gates:
    """Gates, numbered `g1`, `g2`, …"""

    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, gate: Gate) -> Gate | None:
        """Store a new gate under a new id. Returns None if its mail raised one before."""
        n = self._db.insert(
            "gates",
            product=gate.product,
            kind=gate.kind.value,
            title=gate.title,
            body=gate.body,
            state=gate.state.value,
            revision=gate.revision,
            options=dump(gate.options),
            thread=gate.thread,
            mail=gate.mail,
            sender=gate.sender,
            task=gate.task,
            work=gate.work,
            conversation=gate.conversation,
            previous=gate.previous,
            reason=gate.reason,
            action=dump(asdict(gate.action)) if gate.action else None,
            created_at=to_text(gate.created_at),
            updated_at=to_text(gate.updated_at),
        )
        return None if n is None else replace(gate, id=f"g{n}", origin=self._db.origin)

    def get(self, id: str) -> Gate | None:
        """Return one gate by its id."""
        return next(iter(self._found("n = ?", number(id, "g"))), None)

    def some(self, ids: Iterable[str]) -> dict[str, Gate]:
        """Return the existing gates by id, with two queries in all."""
        if not (numbers := sorted({number(id, "g") for id in ids})):
            return {}
        return {gate.id: gate for gate in self._numbered(numbers)}

    def save(self, gate: Gate) -> None:
        """Store a gate's changes and its new answers."""
        n = number(gate.id, "g")
        with self._db.transaction():
            changing = {
                "state": gate.state.value,
                "reason": gate.reason,
                "updated_at": to_text(gate.updated_at),
                "reply": gate.reply,
                "sent_at": to_text(gate.sent_at),
                "sendings": gate.sendings,
                "reminded_at": to_text(gate.reminded_at),
                "reminders": gate.reminders,
                "escalated_at": to_text(gate.escalated_at),
            }
            marks = ", ".join(f"{name} = ?" for name in changing)
            self._db.run(f"UPDATE gates SET {marks} WHERE n = ?", *changing.values(), n)  # noqa: S608
            known = self._db.value("SELECT count(*) FROM decisions WHERE gate = ?", n)
            for answer in gate.answers[known:]:
                self._db.run(
                    "INSERT INTO decisions (gate, choice, note, person, platform, at, final) VALUES (?, ?, ?, ?, ?, ?, ?)",
                    *(
                        n,
                        answer.choice,
                        answer.note,
                        answer.by,
                        answer.platform,
                        to_text(answer.at),
                        int(answer == gate.decision),
                    ),
                )

    def in_states(self, *states: GateState, product: str | None = None, limit: int = -1) -> list[Gate]:
        """Return the gates in these states (any if none is given), oldest first. A `limit` other than -1 selects the newest."""
        wanted: Sequence[str] = [state.value for state in states] or [state.value for state in GateState]
        # Most gates have ended. Looking for ended ones by their state would read and sort them all, so these are read from
        # the newest on, which the expression around `state` makes the database do.
        state = "state" if set(wanted) <= UNFINISHED_STATES or limit < 0 else "state || ''"
        where, values = ("", ()) if product is None else (" AND product = ?", (product,))
        newest = f"SELECT n FROM gates WHERE {state} IN ({marks(wanted)}){where} ORDER BY n DESC LIMIT ?"  # noqa: S608
        rows = self._db.rows(newest, *wanted, *values, limit if limit >= 0 else 2**62)
        return self._numbered([row["n"] for row in reversed(rows)])

    def changed_since(self, at: datetime) -> list[Gate]:
        """Return the gates that changed since then, oldest first."""
        return self._numbered([row["n"] for row in self._db.rows("SELECT n FROM gates WHERE updated_at >= ?", to_text(at))])

    def of_work(self, work: str) -> list[Gate]:
        """Return every gate that a piece of work has raised, oldest first."""
        return self._found("work = ? ORDER BY n", work)

    def of_mail(self, product: str, mail: str) -> Gate | None:
        """Return the gate that a mail raised."""
        return next(iter(self._found("product = ? AND mail = ?", product, mail)), None)

    def latest_of(self, product: str, kind: GateKind, thread: str) -> Gate | None:
        """Return the newest revision on a thread."""
        where = "product = ? AND kind = ? AND thread = ? ORDER BY n DESC LIMIT 1"
        return next(iter(self._found(where, product, kind.value, thread)), None)

    def _found(self, where: str, *values: str | int | None) -> list[Gate]:
        """Return the gates that match a condition, with their answers."""
        return self._numbered([row["n"] for row in self._db.rows(f"SELECT n FROM gates WHERE {where}", *values)])  # noqa: S608

    def _numbered(self, numbers: Sequence[int]) -> list[Gate]:
        """Return the gates with these numbers and their answers, oldest first. Each batch takes two queries."""
        found: list[Gate] = []
        for some in batched(sorted(numbers)):
            given: defaultdict[int, tuple[sqlite3.Row, ...]] = defaultdict(tuple)
            for each in self._db.rows(f"SELECT * FROM decisions WHERE gate IN ({marks(some)}) ORDER BY n", *some):  # noqa: S608
                given[each["gate"]] += (each,)
            rows = self._db.rows(f"SELECT {COLUMNS} FROM gates WHERE n IN ({marks(some)}) ORDER BY n", *some)  # noqa: S608
            found += [_to_gate(row, given.get(row[0], ()), self._db.origin) for row in rows]
        return found

    def remove_before(self, before: datetime) -> Iterator[int]:
        """Remove gates that ended before then without a decision, unless an unfinished one is their revision. See `sweep`."""
        return by_number(self._db, "gates", "n", "created_at", before, partial(self._remove, to_text(before)))

    def _remove(self, before: str | None, numbers: Sequence[int]) -> int:
        rows = self._db.rows(
            f"SELECT n FROM gates WHERE n IN ({marks(numbers)}) AND state NOT IN {UNFINISHED} AND updated_at < ?"  # noqa: S608
            f" AND 'g' || n NOT IN (SELECT previous FROM gates WHERE state IN {UNFINISHED} AND previous IS NOT NULL)"
            " AND NOT EXISTS (SELECT 1 FROM decisions WHERE gate = gates.n)",
            *(*numbers, before),
        )
        old = [row["n"] for row in rows]
        self._db.run(f"DELETE FROM shown WHERE gate IN ({marks(old)})", *(f"g{n}" for n in old))  # noqa: S608
        self._db.run(f"DELETE FROM gates WHERE n IN ({marks(old)})", *old)  # noqa: S608
        return len(old)


@lru_cache(maxsize=1024)
def _to_gate(row: sqlite3.Row, given: tuple[sqlite3.Row, ...], origin: str) -> Gate:
    """Return the gate of a row and its answers. Equal rows return the same object, which saves building it again."""
    n, product, kind, title, body, state, created_at, updated_at, revision, options, thread, mail, sender, task, *more = row
    work, conversation, previous, reason, action, reply, sent_at, sendings, reminded_at, reminders, escalated_at = more
    answers = tuple(map(_to_decision, given))
    return Gate(
        id=f"g{n}",
        product=product,
        kind=GateKind(kind),
        title=title,
        body=body,
        state=GateState(state),
        created_at=datetime.fromisoformat(created_at),
        updated_at=datetime.fromisoformat(updated_at),
        revision=revision,
        options=_to_options(options),
        thread=thread,
        mail=mail,
        sender=sender,
        task=task,
        work=work,
        conversation=conversation,
        previous=previous,
        decision=next((answer for each, answer in zip(given, answers, strict=True) if each["final"]), None),
        answers=answers,
        reason=reason,
        origin=origin,
        action=_to_action(action),
        reply=reply,
        sent_at=to_time(sent_at),
        sendings=sendings,
        reminded_at=to_time(reminded_at),
        reminders=reminders,
        escalated_at=to_time(escalated_at),
    )


def _to_decision(row: sqlite3.Row) -> Decision:
    return Decision(row["choice"], row["person"], datetime.fromisoformat(row["at"]), row["note"], row["platform"])


@lru_cache(maxsize=256)
def _to_options(text: str) -> tuple[str, ...]:
    """Return the options of a row. Most gates share the same ones."""
    return tuple(json.loads(text))


def _to_action(text: str | None) -> Action | None:
    if text is None:
        return None
    kept = json.loads(text)
    return Action(kept["skill"], kept["arguments"], to_person(kept["person"]), Role(kept["role"]))
