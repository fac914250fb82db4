"""Gates and the answers people gave to them. The database itself allows one final decision for each gate."""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime

from bot.domain import Action, Decision, Gate, GateKind, GateState, Role, to_person
from bot.store.database import Database, dump, number, to_text, to_time


class Gates:
    """Rows of gates, numbered `g1`, `g2`, …"""

    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, gate: Gate) -> Gate | None:
        """Keep a new gate (its id is given here); None when its mail raised one before."""
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
        """One gate by its id."""
        return next(iter(self._found("n = ?", number(id, "g"))), None)

    def save(self, gate: Gate) -> None:
        """Keep what changes of it, and any answers that are new."""
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
        """Gates in these states (in any, if none is given), oldest first; only the newest `limit` of them, if it is not -1."""
        wanted: Sequence[str] = [state.value for state in states] or [state.value for state in GateState]
        marks = ", ".join("?" * len(wanted))
        where = f"state IN ({marks}) AND (? IS NULL OR product = ?) ORDER BY n DESC LIMIT ?"
        return self._found(where, *wanted, product, product, limit)[::-1]

    def of_work(self, work: str) -> list[Gate]:
        """Every gate that a piece of work has raised, oldest first."""
        return self._found("work = ? ORDER BY n", work)

    def of_mail(self, product: str, mail: str) -> Gate | None:
        """The gate that a mail raised."""
        return next(iter(self._found("product = ? AND mail = ?", product, mail)), None)

    def latest_of(self, product: str, kind: GateKind, thread: str) -> Gate | None:
        """The newest revision on a thread."""
        where = "product = ? AND kind = ? AND thread = ? ORDER BY n DESC LIMIT 1"
        return next(iter(self._found(where, product, kind.value, thread)), None)

    def _found(self, where: str, *values: str | int | None) -> list[Gate]:
        """The gates that a condition of ours finds, with their answers: two queries, however many there are."""
        rows = self._db.rows(f"SELECT * FROM gates WHERE {where}", *values)  # noqa: S608
        given: defaultdict[int, list[sqlite3.Row]] = defaultdict(list)
        chosen = f"SELECT n FROM gates WHERE {where}"  # noqa: S608
        for each in self._db.rows(f"SELECT * FROM decisions WHERE gate IN ({chosen}) ORDER BY n", *values):  # noqa: S608
            given[each["gate"]].append(each)
        return [self._to_gate(row, given[row["n"]]) for row in rows]

    def _to_gate(self, row: sqlite3.Row, rows: Sequence[sqlite3.Row]) -> Gate:
        answers = tuple(
            Decision(each["choice"], each["person"], datetime.fromisoformat(each["at"]), each["note"], each["platform"])
            for each in rows
        )
        final = next((answer for each, answer in zip(rows, answers, strict=True) if each["final"]), None)
        return Gate(
            id=f"g{row['n']}",
            product=row["product"],
            kind=GateKind(row["kind"]),
            title=row["title"],
            body=row["body"],
            state=GateState(row["state"]),
            created_at=datetime.fromisoformat(row["created_at"]),
            updated_at=datetime.fromisoformat(row["updated_at"]),
            revision=row["revision"],
            options=tuple(json.loads(row["options"])),
            thread=row["thread"],
            mail=row["mail"],
            sender=row["sender"],
            task=row["task"],
            work=row["work"],
            conversation=row["conversation"],
            previous=row["previous"],
            decision=final,
            answers=answers,
            reason=row["reason"],
            origin=self._db.origin,
            action=_to_action(row["action"]),
            reply=row["reply"],
            sent_at=to_time(row["sent_at"]),
            sendings=row["sendings"],
            reminded_at=to_time(row["reminded_at"]),
            reminders=row["reminders"],
            escalated_at=to_time(row["escalated_at"]),
        )


def _to_action(text: str | None) -> Action | None:
    if text is None:
        return None
    kept = json.loads(text)
    return Action(kept["skill"], kept["arguments"], to_person(kept["person"]), Role(kept["role"]))
