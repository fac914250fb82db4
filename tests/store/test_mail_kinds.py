"""Migration of mail that version 0.1.0 stored in its engine's words."""

import json
import sqlite3
from pathlib import Path
from typing import Any

from bot.domain import LEAD, Author, Mail, MailKind
from bot.store import Store
from bot.store.migrations import MIGRATIONS, migration

PLAN = {"options": ["approve", "revise", "reject"], "taskId": "t-1", "revision": 2, "plan": "1. Do it"}
ROWS: dict[str, dict[str, Any]] = {
    "plan": {"type": "decision_gate", "payload": PLAN},
    "choice": {"type": "decision_gate", "payload": {"options": ["postgres", "sqlite"]}},
    "done": {"type": "result", "sender": "scout-w2", "recipient": LEAD},
    "died": {"type": "worker_died", "sender": "scout-w2"},
    "ours": {"type": "dispatch", "sender": "operator", "recipient": LEAD, "subject": "Do it [w1.ab12]"},
    "reply": {"type": "question", "sender": LEAD, "thread": "ours"},
}


def old_store(path: Path) -> None:
    """Create a store as it was before this migration, with these rows."""
    database = sqlite3.connect(path)
    names = MIGRATIONS
    for name in names[: names.index("mail_kinds")]:
        migration(name)(database)
    standard = {
        "product": "product-a",
        "sender": LEAD,
        "recipient": "operator",
        "subject": "s",
        "body": "b",
        "priority": "normal",
    }
    for id, fields in ROWS.items():
        row = {**standard, "id": id, "thread": None, "created_at": "2026-03-01T12:00:00+00:00", **fields}
        row["payload"] = json.dumps(row.get("payload", {}))
        marks = ", ".join("?" * len(row))
        database.execute(f"INSERT INTO mail ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))
    database.execute("CREATE TABLE migrations (name TEXT PRIMARY KEY, applied_at TEXT NOT NULL)")
    done = [(name, "2026-03-01") for name in names[: names.index("mail_kinds")]]
    database.executemany("INSERT INTO migrations VALUES (?, ?)", done)
    database.commit()
    database.close()


def test_stored_mail_is_translated(tmp_path: Path) -> None:
    old_store(tmp_path / "fleet.db")
    store = Store(tmp_path / "fleet.db")
    mail = {id: store.mail.get("product-a", id) for id in ROWS}
    store.close()
    found: dict[str, Mail] = {id: each for id, each in mail.items() if each is not None}
    assert {id: each.kind for id, each in found.items()} == {
        "plan": MailKind.PLAN,
        "choice": MailKind.DECISION,
        "done": MailKind.FINISHED,
        "died": MailKind.DIED,
        "ours": MailKind.MESSAGE,
        "reply": MailKind.QUESTION,
    }
    plan, ours, reply = found["plan"], found["ours"], found["reply"]
    assert (plan.author, plan.to_people, plan.task, plan.revision) == (Author.LEAD, True, "t-1", 2)
    assert (plan.options, plan.plan, plan.label) == (("approve", "revise", "reject"), "1. Do it", "decision_gate")
    assert (ours.ours, ours.to_people) == (True, False)
    assert (reply.inherited, found["died"].author) == (True, Author.WORKER)


def test_stored_mail_is_found_by_its_marker(tmp_path: Path) -> None:
    old_store(tmp_path / "fleet.db")
    store = Store(tmp_path / "fleet.db")
    assert store.mail.sent_with("product-a", "[w1.ab12]")
    assert not store.mail.sent_with("product-a", "[w2.ab12]")
    store.close()
