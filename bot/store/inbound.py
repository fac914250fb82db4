"""Table `inbound`: events from people, each received and handled once."""

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
        """Persist an event; False when it was received before."""
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
        """The event is done with; `error` says what went wrong, if anything did, `answered_by` whose turn took it up."""
        self._db.run(
            "UPDATE inbound SET state = 'done', error = ?, answered_by = coalesce(nullif(?, ''), answered_by) WHERE event = ?",
            *(error, answered_by, event),
        )

    def answered_by(self, event: str) -> str:
        """The event whose posts answer this one: itself, unless another's turn took it up."""
        found: str | None = self._db.value("SELECT answered_by FROM inbound WHERE event = ?", event)
        return found or event

    def get(self, event: str) -> Inbound | None:
        """An event as it was received."""
        row = self._db.row("SELECT * FROM inbound WHERE event = ?", event)
        return _to_inbound(row) if row else None

    def unhandled(self) -> list[Inbound]:
        """Events received but not done with, oldest first: what a restart has to take up."""
        return [_to_inbound(row) for row in self._db.rows("SELECT * FROM inbound WHERE state != 'done' ORDER BY at, rowid")]

    def unanswered(self, conversation: str) -> list[Inbound]:
        """What was said in a conversation and is not done with, oldest first."""
        sql = "SELECT * FROM inbound WHERE state != 'done' AND conversation = ? AND press IS NULL ORDER BY at, rowid"
        return [_to_inbound(row) for row in self._db.rows(sql, conversation)]

    def done(self, event: str) -> bool:
        """Whether an event is done with, or was never received."""
        return not self._db.value("SELECT 1 FROM inbound WHERE event = ? AND state != 'done'", event)

    def remove_before(self, before: datetime) -> Iterator[int]:
        """Remove events older than that which were handled. See `sweep`."""
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
