"""Table `mail`: the engine's mail as the fleet has seen it. The engine may purge its own copy."""

import json
import sqlite3
from datetime import datetime

from bot.domain import Author, Mail, MailKind
from bot.store.database import Database, dump, to_text


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
