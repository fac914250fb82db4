"""Mail between agents and people in `.overstory/mail.db`."""

import os
import sqlite3
import string
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from bot.rehearsal.database import connected
from bot.rehearsal.dialects import Dialect
from bot.rehearsal.errors import MailRefused
from bot.rehearsal.times import now

PRIORITIES = ("low", "normal", "high", "urgent")
ALPHABET = string.ascii_lowercase + string.digits

TABLE = """
CREATE TABLE IF NOT EXISTS messages (
  id TEXT PRIMARY KEY, from_agent TEXT NOT NULL, to_agent TEXT NOT NULL, subject TEXT NOT NULL, body TEXT NOT NULL,
  type TEXT NOT NULL DEFAULT 'status' CHECK(type IN ({types})),
  priority TEXT NOT NULL DEFAULT 'normal' CHECK(priority IN ('low','normal','high','urgent')),
  thread_id TEXT, payload TEXT, read INTEGER NOT NULL DEFAULT 0, created_at TEXT NOT NULL DEFAULT (datetime('now')));
CREATE INDEX IF NOT EXISTS idx_inbox ON messages(to_agent, read);
CREATE INDEX IF NOT EXISTS idx_thread ON messages(thread_id);
"""
COLUMNS = "id, from_agent, to_agent, subject, body, type, priority, thread_id, payload, read, created_at"


@dataclass(frozen=True)
class Message:
    """One mail.

    `payload` is JSON text. `thread_id` is the id of the thread's first mail, None for that one."""

    id: str
    from_agent: str
    to_agent: str
    subject: str
    body: str
    type: str = "status"
    priority: str = "normal"
    thread_id: str | None = None
    payload: str | None = None
    read: bool = False
    created_at: str = ""

    @property
    def thread(self) -> str:
        """Id of the thread's first mail, which may be this one."""
        return self.thread_id or self.id

    def shape(self) -> dict[str, Any]:
        """Return the mail as the engine shows it in JSON."""
        names = {"from_agent": "from", "to_agent": "to", "thread_id": "threadId", "created_at": "createdAt"}
        return {names.get(key, key): value for key, value in asdict(self).items()}


def new_id() -> str:
    """Return a new mail id, `msg-` and twelve letters or digits."""
    return "msg-" + "".join(ALPHABET[byte % len(ALPHABET)] for byte in os.urandom(12))


def from_row(row: sqlite3.Row) -> Message:
    """Return a row of the table as a Message."""
    return Message(**{**{key: row[key] for key in row.keys()}, "read": bool(row["read"])})  # noqa: SIM118


class MailStore:
    """Mail on disk. Every call is its own transaction."""

    def __init__(self, path: Path, dialect: Dialect) -> None:
        self._schema = TABLE.format(types=",".join(f"'{kind}'" for kind in dialect.mail_types))
        self._types = dialect.mail_types
        self._db = connected(path, self._schema)
        self._fit_types()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def _fit_types(self) -> None:
        """Rebuild a table of the other dialect. Unknown types become `status`, as in the real engine."""
        row = self._db.execute("SELECT sql FROM sqlite_master WHERE name = 'messages'").fetchone()
        if row is None:
            self._db.executescript(self._schema)
        elif not all(f"'{kind}'" in row["sql"] for kind in self._types):
            known = ",".join(f"'{kind}'" for kind in self._types)
            kept = COLUMNS.replace(" type,", f" CASE WHEN type IN ({known}) THEN type ELSE 'status' END,")
            move = f"INSERT INTO messages ({COLUMNS}) SELECT {kept} FROM messages_old"  # noqa: S608
            self._db.executescript(
                "BEGIN IMMEDIATE; ALTER TABLE messages RENAME TO messages_old; DROP INDEX IF EXISTS idx_inbox;"
                f" DROP INDEX IF EXISTS idx_thread; {self._schema} {move}; DROP TABLE messages_old; COMMIT;"
            )

    def send(self, message: Message) -> Message:
        """Store a mail, with a new id and time unless it has them."""
        stored = Message(
            **{**asdict(message), "id": message.id or new_id(), "created_at": message.created_at or now(), "read": False}
        )
        values = [int(value) if isinstance(value, bool) else value for value in asdict(stored).values()]
        marks = ",".join("?" * len(values))
        self._db.execute(f"INSERT INTO messages ({','.join(asdict(stored))}) VALUES ({marks})", values)  # noqa: S608
        return stored

    def reply(self, message_id: str, body: str, sender: str) -> Message:
        """Answer a mail to the other side, with its thread, type and priority."""
        original = self.get(message_id)
        if original is None:
            raise MailRefused(f"Message not found: {message_id}")
        to = original.to_agent if sender == original.from_agent else original.from_agent
        subject = f"Re: {original.subject}"
        answer = Message("", sender, to, subject, body, original.type, original.priority, original.thread)
        return self.send(answer)

    def get(self, message_id: str) -> Message | None:
        """Return one mail by id."""
        row = self._db.execute(f"SELECT {COLUMNS} FROM messages WHERE id = ?", [message_id]).fetchone()  # noqa: S608
        return from_row(row) if row else None

    def find(self, *, newest_first: bool = True, after: str = "", **equal: object) -> list[Message]:
        """Return mail whose columns equal the given values, ignoring None, later than `after`."""
        wanted = {key: value for key, value in equal.items() if value is not None}
        where = " AND ".join(["created_at > ?", *(f"{key} = ?" for key in wanted)])
        order = "created_at DESC, rowid DESC" if newest_first else "created_at, rowid"
        rows = self._db.execute(
            f"SELECT {COLUMNS} FROM messages WHERE {where} ORDER BY {order}",  # noqa: S608
            [after, *wanted.values()],
        )
        return [from_row(row) for row in rows]

    def in_thread(self, thread_id: str) -> list[Message]:
        """Return the answers in a thread, oldest first, without its first mail (the engine's own quirk)."""
        return self.find(newest_first=False, thread_id=thread_id)

    def take_unread(self, agent: str) -> list[Message]:
        """Return an inbox's unread mail, oldest first, and mark it read in the same transaction."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            unread = self.find(newest_first=False, to_agent=agent, read=0)
            self.mark_read(message.id for message in unread)
        finally:
            self._db.execute("COMMIT")
        return unread

    def mark_read(self, ids: Iterable[str]) -> None:
        """Mark mail as read."""
        self._db.executemany("UPDATE messages SET read = 1 WHERE id = ?", [[one] for one in ids])

    def delete(self, message_id: str) -> bool:
        """Delete one mail. Return False if it did not exist."""
        return self._db.execute("DELETE FROM messages WHERE id = ?", [message_id]).rowcount > 0

    def purge(self, *, everything: bool = False, before: str | None = None, agent: str | None = None) -> int:
        """Delete all mail, mail older than a time, or mail of one agent, and return the number."""
        if everything:
            return self._db.execute("DELETE FROM messages").rowcount
        if before is None and agent is None:
            return 0
        where = "(? IS NULL OR created_at < ?) AND (? IS NULL OR from_agent = ? OR to_agent = ?)"
        return self._db.execute(
            f"DELETE FROM messages WHERE {where}",  # noqa: S608
            [before, before, agent, agent, agent],
        ).rowcount

    def last_time(self) -> str:
        """Return the time of the newest mail, empty if there is none."""
        return str(self._db.execute("SELECT max(created_at) FROM messages").fetchone()[0] or "")
