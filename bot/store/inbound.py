"""Table `inbound` with events from people, each received and handled once."""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime

from bot.domain import Inbound, Press, to_person
from bot.store.database import Database, dump, to_text
from bot.store.sweep import by_index


class InboundTable:
    """Events by their platform's id."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def receive(self, inbound: Inbound) -> bool:
        """Persist an event and return True, or False if it was received before."""
        return (
            self._db.insert(
                "inbound",
                event=inbound.event,
                platform=inbound.platform,
                conversation=inbound.conversation,
                person=dump(asdict(inbound.person)),
                at=to_text(inbound.at),
                text=inbound.text,
                press=dump(asdict(inbound.press)) if inbound.press else None,
                product=inbound.product,
                extra=dump(inbound.extra),
                state="new",
            )
            is not None
        )

    def handled(self, event: str, error: str = "", answered_by: str = "") -> None:
        """Mark an event as handled. `error` says what went wrong, and `answered_by` names the event whose turn answered it."""
        self._db.run(
            "UPDATE inbound SET state = 'done', error = ?, answered_by = coalesce(nullif(?, ''), answered_by) WHERE event = ?",
            *(error, answered_by, event),
        )

    def answered_by(self, event: str) -> str:
        """Return the event whose posts answer this one, which is itself unless another's turn answered it."""
        found: str | None = self._db.value("SELECT answered_by FROM inbound WHERE event = ?", event)
        return found or event

    def get(self, event: str) -> Inbound | None:
        """Return an event as it was received."""
        row = self._db.row("SELECT * FROM inbound WHERE event = ?", event)
        return _to_inbound(row) if row else None

    def unhandled(self) -> list[Inbound]:
        """Return the events that were received and not handled, oldest first. A restart resumes with them."""
        return [_to_inbound(row) for row in self._db.rows("SELECT * FROM inbound WHERE state != 'done' ORDER BY at, rowid")]

    def unanswered(self, conversation: str) -> list[Inbound]:
        """Return the unhandled messages of a conversation, oldest first."""
        sql = "SELECT * FROM inbound WHERE state != 'done' AND conversation = ? AND press IS NULL ORDER BY at, rowid"
        return [_to_inbound(row) for row in self._db.rows(sql, conversation)]

    def done(self, event: str) -> bool:
        """Return True if an event was handled, or was never received."""
        return not self._db.value("SELECT 1 FROM inbound WHERE event = ? AND state != 'done'", event)

    def remove_before(self, before: datetime) -> Iterator[int]:
        """Remove older events that were handled. See `sweep`."""
        old = "SELECT event FROM inbound WHERE at < ? AND state = 'done' ORDER BY at LIMIT ?"
        return by_index(self._db, f"DELETE FROM inbound WHERE event IN ({old})", to_text(before))  # noqa: S608


def _to_inbound(row: sqlite3.Row) -> Inbound:
    return Inbound(
        event=row["event"],
        platform=row["platform"],
        conversation=row["conversation"],
        person=to_person(json.loads(row["person"])),
        at=datetime.fromisoformat(row["at"]),
        text=row["text"],
        press=Press(**json.loads(row["press"])) if row["press"] else None,
        product=row["product"],
        extra=json.loads(row["extra"]),
    )
