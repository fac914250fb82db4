"""Table `mail`: the engine's mail as the fleet has seen it. The engine may purge its own copy."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import datetime

from bot.domain import Author, Mail, MailKind
from bot.store.database import Database, dump, to_text
from bot.store.sweep import UNFINISHED, by_number, marks


class MailTable:
    """Mail by product and the engine's id, each stored once."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, mail: Mail) -> bool:
        """Store a mail. Returns False if it was there."""
        return (
            self._db.insert(
                "mail",
                product=mail.product,
                id=mail.id,
                sender=mail.sender,
                recipient=mail.recipient,
                kind=mail.kind.value,
                author=mail.author.value,
                subject=mail.subject,
                body=mail.body,
                created_at=to_text(mail.created_at),
                thread=mail.thread,
                priority=mail.priority,
                to_people=int(mail.to_people),
                inherited=int(mail.inherited),
                options=dump(mail.options),
                revision=mail.revision,
                task=mail.task,
                plan=mail.plan,
                label=mail.label,
            )
            is not None
        )

    def get(self, product: str, id: str) -> Mail | None:
        """Return one mail, or None."""
        row = self._db.row("SELECT * FROM mail WHERE product = ? AND id = ?", product, id)
        return _to_mail(row) if row else None

    def newest(self, product: str, limit: int = 50) -> list[Mail]:
        """Return a product's newest mail, newest first."""
        rows = self._db.rows("SELECT * FROM mail WHERE product = ? ORDER BY n DESC LIMIT ?", product, limit)
        return [_to_mail(row) for row in rows]

    def sent_with(self, product: str, marker: str) -> bool:
        """Return True if one of our newest 200 mails in the product's mailbox has this marker."""
        newest = "SELECT subject FROM mail WHERE product = ? AND author = 'operator' ORDER BY n DESC LIMIT 200"
        return any(row["subject"].endswith(marker) for row in self._db.rows(newest, product))

    def answered_with(self, product: str, marker: str) -> str | None:
        """Return the id of the one of our newest 200 mails in the product's mailbox that has this marker, or None."""
        newest = "SELECT id, body FROM mail WHERE product = ? AND author = 'operator' ORDER BY n DESC LIMIT 200"
        return next((row["id"] for row in self._db.rows(newest, product) if row["body"].endswith(marker)), None)

    def remove_before(self, before: datetime) -> Iterator[int]:
        """Remove mail older than that with its threads, except what open work or unfinished gates refer to. See `sweep`."""
        return by_number(self._db, "mail", "n", "created_at", before, self._remove)

    def _remove(self, numbers: Sequence[int]) -> int:
        rows = self._db.rows(
            f"SELECT n, product, id FROM mail WHERE n IN ({marks(numbers)}) AND NOT EXISTS"  # noqa: S608
            f" (SELECT 1 FROM gates WHERE gates.product = mail.product AND gates.mail = mail.id AND state IN {UNFINISHED})"
            " AND NOT EXISTS (SELECT 1 FROM work WHERE work.product = mail.product AND work.mail = mail.id"
            " AND ended_at IS NULL)",
            *numbers,
        )
        for row in rows:
            self._db.run("DELETE FROM threads WHERE product = ? AND mail = ?", row["product"], row["id"])
            self._db.run("DELETE FROM mail WHERE n = ?", row["n"])
        return len(rows)


def _to_mail(row: sqlite3.Row) -> Mail:
    return Mail(
        id=row["id"],
        product=row["product"],
        sender=row["sender"],
        recipient=row["recipient"],
        kind=MailKind(row["kind"]),
        author=Author(row["author"]),
        subject=row["subject"],
        body=row["body"],
        created_at=datetime.fromisoformat(row["created_at"]),
        thread=row["thread"],
        priority=row["priority"],
        to_people=bool(row["to_people"]),
        inherited=bool(row["inherited"]),
        options=tuple(json.loads(row["options"])),
        revision=row["revision"],
        task=row["task"],
        plan=row["plan"],
        label=row["label"],
    )
