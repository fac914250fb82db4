"""Mail of one product, read from `.overstory/mail.db` without marking anything as read.

A cursor is `rowid:id` of the last mail seen. SQLite reuses rowids once the highest ones are deleted, which `ov clean` and `ov
worktree clean` do. A cursor whose id is no longer at its rowid replays everything, because a repeated mail is better than a
lost one.
"""

import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.supervisor.protocol import MAX_TEXT
from bot.supervisor.records import times
from bot.supervisor.records.database import Cached, columns, reading

PAGE_MAILS = 100
PAGE_CHARACTERS = 400_000
"""Most mails, and most characters, of one page."""

NEEDED = frozenset({"id", "from_agent", "to_agent", "subject", "body", "type", "created_at"})


@dataclass(frozen=True, slots=True)
class Letter:
    """One row of the engine's mail with its payload parsed."""

    row: int
    id: str
    sender: str
    recipient: str
    type: str
    subject: str
    body: str
    created_at: str
    thread: str | None
    priority: str
    payload: dict[str, Any]
    read: bool

    @property
    def cursor(self) -> str:
        """Position just after this mail."""
        return f"{self.row}:{self.id}"

    def as_json(self) -> dict[str, Any]:
        """Return the mail as the channel carries it."""
        return {
            "id": self.id,
            "sender": self.sender,
            "recipient": self.recipient,
            "type": self.type,
            "subject": self.subject[:1000],
            "body": truncated(self.body),
            "created_at": self.created_at,
            "thread": self.thread,
            "priority": self.priority,
            "payload": self.payload,
            "read": self.read,
            "cursor": self.cursor,
        }


Enrich = Callable[[Letter], Letter]


@dataclass(frozen=True, slots=True)
class Page:
    """Mail in order of arrival. `cursor` follows the last one, `more` says if there is more after it."""

    mail: tuple[Letter, ...]
    cursor: str
    more: bool = False


class Mailbox:
    """Mail of one product. `enrich` may complete a mail with text that the engine stores elsewhere."""

    def __init__(self, database: Path, enrich: Enrich = lambda letter: letter) -> None:
        self.database = database
        self._enrich = enrich
        self._at_end: Cached[Page] = Cached(database)

    def after(self, cursor: str) -> Page:
        """Return the next page of mail after a cursor. An empty cursor is the beginning."""
        page = self._at_end.get(lambda: self._after(cursor), cursor)
        if page.mail:
            self._at_end.invalidate()
        return page

    def _after(self, cursor: str) -> Page:
        with reading(self.database) as connection:
            if connection is None or not _usable(connection):
                return Page((), "")
            row = _cursor_row(connection, cursor)
            query = "SELECT rowid AS row, * FROM messages WHERE rowid > ? ORDER BY rowid LIMIT ?"
            letters: list[Letter] = []
            size = 0
            for found in connection.execute(query, (row, PAGE_MAILS)):
                letters.append(self._enrich(_letter(found)))
                size += min(len(letters[-1].body), MAX_TEXT)
                if size > PAGE_CHARACTERS:
                    break
            if not letters:
                return Page((), cursor if row else "")
            last = letters[-1]
            more = connection.execute("SELECT 1 FROM messages WHERE rowid > ? LIMIT 1", (last.row,)).fetchone() is not None
            return Page(tuple(letters), last.cursor, more)

    def newest(self, limit: int, agent: str | None = None) -> tuple[Letter, ...]:
        """Return the newest mail first, optionally of one agent as sender or recipient."""
        where, values = ("WHERE from_agent = ?1 OR to_agent = ?1", [agent]) if agent else ("", [])
        return self._select(f"{where} ORDER BY rowid DESC LIMIT {max(1, min(limit, 500))}", values)

    def by_id(self, id: str) -> Letter | None:
        """Return one mail, None if the engine has none with that id."""
        return next(iter(self._select("WHERE id = ?", [id])), None)

    def find_marked(self, field: str, marker: str) -> Letter | None:
        """Return the first mail by operator whose subject or body ends with a marker."""
        text = f"rtrim({'subject' if field == 'subject' else 'body'}, ' ' || char(10) || char(13))"
        ending = f"substr({text}, -length(?1)) = ?1"
        return next(iter(self._select(f"WHERE from_agent = 'operator' AND {ending} ORDER BY rowid LIMIT 1", [marker])), None)

    def first_sent_by(self, agent: str, after: Letter) -> Letter | None:
        """Return the first mail that an agent sent after another mail."""
        found = self._select("WHERE from_agent = ? AND rowid > ? ORDER BY rowid LIMIT 1", [agent, after.row])
        return next(iter(found), None)

    def unread_for(self, agent: str) -> tuple[Letter, ...]:
        """Return up to 100 unread mails of an agent, oldest first."""
        return self._select("WHERE to_agent = ? AND read = 0 ORDER BY rowid LIMIT 100", [agent])

    def _select(self, rest: str, values: list[Any]) -> tuple[Letter, ...]:
        with reading(self.database) as connection:
            if connection is None or not _usable(connection):
                return ()
            # `rest` is always one of the constant texts above. External values are bound.
            rows = connection.execute(f"SELECT rowid AS row, * FROM messages {rest}", values).fetchall()  # noqa: S608
            return tuple(self._enrich(_letter(row)) for row in rows)


def truncated(text: str, most: int = MAX_TEXT) -> str:
    """Return a text cut to the limit of the channel, with a note that it was cut."""
    if len(text) <= most:
        return text
    return f"{text[:most]}\n\n[cut here: {len(text) - most} more characters are in the engine's mail]"


def _usable(connection: sqlite3.Connection) -> bool:
    return columns(connection, "messages") >= NEEDED


def _cursor_row(connection: sqlite3.Connection, cursor: str) -> int:
    """Return the rowid of a cursor, 0 (the beginning) if its mail is no longer there."""
    number, _, id = cursor.partition(":")
    if not number.isdecimal() or len(number) > 18:
        return 0
    found = connection.execute("SELECT id FROM messages WHERE rowid = ?", (int(number),)).fetchone()
    return int(number) if found is not None and found["id"] == id else 0


def _letter(row: sqlite3.Row) -> Letter:
    keys = set(row.keys())
    return Letter(
        row=row["row"],
        id=str(row["id"]),
        sender=str(row["from_agent"]),
        recipient=str(row["to_agent"]),
        type=str(row["type"]),
        subject=str(row["subject"]),
        body=str(row["body"]),
        created_at=times.iso(row["created_at"]) or times.now().isoformat(),
        thread=row["thread_id"] if "thread_id" in keys else None,
        priority=str(row["priority"]) if "priority" in keys else "normal",
        payload=_payload(row["payload"] if "payload" in keys else None),
        read=bool(row["read"]) if "read" in keys else False,
    )


def _payload(text: object) -> dict[str, Any]:
    """Return the payload as an object, empty if it is none or too large to send."""
    if not isinstance(text, str) or len(text) > MAX_TEXT:
        return {}
    try:
        found = json.loads(text)
        # A lone surrogate is valid JSON but cannot be stored as text, and NaN is not even JSON.
        json.dumps(found, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
