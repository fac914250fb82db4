"""The outbox: what is to be shown on a platform, and how far that has come."""

from dataclasses import dataclass
from datetime import datetime

from bot.store.database import Database, to_text


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One post on its way to one platform. States: pending, attempting, delivered, failed."""

    number: int
    post: int
    conversation: str
    platform: str
    state: str
    attempts: int
    message: str | None
    """The platform's id of the message, once delivered."""


class Outbox:
    """Rows in the order in which they were said."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, post: int, conversation: str, platform: str, now: datetime) -> None:
        """See that a post is shown on a platform, once."""
        at = to_text(now)
        self._db.insert(
            "outbox", post=post, conversation=conversation, platform=platform, state="pending", created_at=at, updated_at=at
        )

    def due(self, platform: str, now: datetime, limit: int = 50) -> list[Outgoing]:
        """What may be attempted now: in each conversation the oldest first, none before one that still waits."""
        rows = self._db.rows(
            """SELECT * FROM outbox AS o WHERE platform = ? AND state IN ('pending', 'attempting')
               AND (not_before IS NULL OR not_before <= ?)
               AND NOT EXISTS (SELECT 1 FROM outbox AS e WHERE e.platform = o.platform AND e.conversation = o.conversation
                               AND e.n < o.n AND e.state IN ('pending', 'attempting'))
               ORDER BY n LIMIT ?""",
            *(platform, to_text(now), limit),
        )
        return [
            Outgoing(row["n"], row["post"], row["conversation"], row["platform"], row["state"], row["attempts"], row["message"])
            for row in rows
        ]

    def attempting(self, number: int, now: datetime) -> None:
        """It is about to be sent: a crash from here on leaves an ambiguous attempt."""
        self._db.run(
            "UPDATE outbox SET state = 'attempting', attempts = attempts + 1, updated_at = ? WHERE n = ?", to_text(now), number
        )

    def delivered(self, number: int, message: str, now: datetime) -> None:
        """The platform shows it, under this id."""
        self._db.run(
            "UPDATE outbox SET state = 'delivered', message = ?, error = '', updated_at = ? WHERE n = ?",
            message,
            to_text(now),
            number,
        )

    def failed(self, number: int, error: str, now: datetime, retry_at: datetime | None) -> None:
        """It was not taken; tried again at `retry_at`, or given up on (None)."""
        self._db.run(
            "UPDATE outbox SET state = ?, error = ?, not_before = ?, updated_at = ? WHERE n = ?",
            *("failed" if retry_at is None else "pending", error, to_text(retry_at), to_text(now), number),
        )

    def messages(self, post: int) -> list[tuple[str, str]]:
        """(platform, message id) wherever a post is shown."""
        rows = self._db.rows("SELECT platform, message FROM outbox WHERE post = ? AND message IS NOT NULL", post)
        return [(row["platform"], row["message"]) for row in rows]

    def counts(self) -> dict[str, int]:
        """How many rows are in each state."""
        return {row["state"]: row["rows"] for row in self._db.rows("SELECT state, count(*) AS rows FROM outbox GROUP BY state")}
