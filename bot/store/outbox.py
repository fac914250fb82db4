"""The outbox: what is to be shown on a platform, and how far that has come.

    pending ──▶ attempting ──▶ delivered ──▶ (stale: to be shown anew, for a gate on it has changed)
       ▲            ├─▶ failed       given up on, with the reason
       └────────────┘  not taken: tried again at its time; what became of the attempt is known, or the platform is asked

A process that dies, or an answer that is lost, leaves a row in `attempting`: whether the platform shows it is not known then.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.store.database import Database, to_text
from bot.store.sweep import SHOWS_UNFINISHED, by_number, marks


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One post to be delivered to one platform."""

    number: int
    post: int
    conversation: str
    platform: str
    state: str
    attempts: int
    message: str | None
    """Platform's id of the message, once delivered."""
    plain: bool
    """True if the platform refused the rich form, so that only the text is sent."""
    stale: int
    """Number of changes since it was last shown."""
    created_at: datetime


class Outbox:
    """Deliveries, in the order in which the posts were made."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, post: int, conversation: str, platform: str, now: datetime, hold: datetime | None = None) -> None:
        """Queue a post for delivery to a platform, once.

        With `hold` it is sent no earlier, unless another post follows there.
        """
        at = to_text(now)
        with self._db.transaction():
            self._db.run(
                "UPDATE outbox SET not_before = NULL"
                " WHERE platform = ? AND conversation = ? AND state = 'pending' AND attempts = 0",
                *(platform, conversation),
            )
            self._db.insert(
                "outbox",
                post=post,
                conversation=conversation,
                platform=platform,
                state="pending",
                not_before=to_text(hold),
                created_at=at,
                updated_at=at,
            )

    def due(self, platform: str, now: datetime, limit: int = 50) -> list[Outgoing]:
        """Return the deliveries that may be attempted now. Each conversation is in order, oldest first."""
        rows = self._db.rows(
            """SELECT * FROM outbox AS o WHERE platform = ? AND state IN ('pending', 'attempting')
               AND (not_before IS NULL OR not_before <= ?)
               AND NOT EXISTS (SELECT 1 FROM outbox AS e WHERE e.platform = o.platform AND e.conversation = o.conversation
                               AND e.n < o.n AND e.state IN ('pending', 'attempting'))
               ORDER BY n LIMIT ?""",
            *(platform, to_text(now), limit),
        )
        return [_to_outgoing(row) for row in rows]

    def next_due(self) -> datetime | None:
        """Return the time at which the next delayed delivery is due."""
        text = self._db.value(
            "SELECT min(not_before) FROM outbox WHERE state IN ('pending', 'attempting') AND not_before IS NOT NULL"
        )
        return datetime.fromisoformat(text) if text else None

    def attempting(self, number: int, now: datetime) -> None:
        """Mark a delivery as being attempted with its present content.

        A crash after this leaves an ambiguous attempt, which may be found on the platform with that content, so later
        changes are still to be shown.
        """
        self._db.run(
            "UPDATE outbox SET stale = CASE state WHEN 'pending' THEN 0 ELSE stale END, state = 'attempting',"
            " attempts = attempts + 1, updated_at = ? WHERE n = ?",
            *(to_text(now), number),
        )

    def delivered(self, number: int, message: str, now: datetime) -> None:
        """Mark a delivery as shown under this message id. If the id is lost, the platform is asked, as after any attempt."""
        self._db.run(
            "UPDATE outbox SET state = 'delivered', message = ?, error = '', updated_at = ? WHERE n = ?",
            *(message, to_text(now), number),
        )

    def retry(
        self, number: int, error: str, now: datetime, at: datetime, *, unknown: bool = False, plain: bool = False
    ) -> None:
        """Schedule another attempt. With `unknown` the platform may show the message nevertheless."""
        self._db.run(
            "UPDATE outbox SET state = ?, error = ?, not_before = ?, plain = max(plain, ?), updated_at = ? WHERE n = ?",
            *("attempting" if unknown else "pending", error, to_text(at), int(plain), to_text(now), number),
        )

    def failed(self, number: int, error: str, now: datetime) -> None:
        """Give up a delivery that the platform refused."""
        self._db.run(
            "UPDATE outbox SET state = 'failed', error = ?, stale = 0, updated_at = ? WHERE n = ?", error, to_text(now), number
        )

    def failed_in(self, conversation: str, error: str, now: datetime) -> None:
        """Mark every unsent delivery to a conversation as failed with this error."""
        self._db.run(
            "UPDATE outbox SET state = 'failed', error = ?, stale = 0, updated_at = ?"
            " WHERE conversation = ? AND state IN ('pending', 'attempting')",
            *(error, to_text(now), conversation),
        )

    # -- what is shown and has changed -------------------------------------------------------------------------------

    def outdate(self, *, gate: str | None = None, post: int | None = None) -> None:
        """Mark every message that shows a gate's card, or a post, as outdated."""
        posts = "SELECT post FROM shown WHERE gate = ?" if gate is not None else "?"
        value = gate if gate is not None else post
        self._db.run(f"UPDATE outbox SET stale = stale + 1 WHERE post IN ({posts}) AND state != 'failed'", value)  # noqa: S608

    def stale(self, platform: str, limit: int = 50) -> list[Outgoing]:
        """Return the outdated messages of a platform."""
        rows = self._db.rows(
            "SELECT * FROM outbox WHERE platform = ? AND stale > 0 AND state = 'delivered' ORDER BY n LIMIT ?", platform, limit
        )
        return [_to_outgoing(row) for row in rows]

    def fresh(self, row: Outgoing) -> None:
        """Mark a message as current as of when the row was read. Later changes are still to be shown."""
        self._db.run("UPDATE outbox SET stale = 0 WHERE n = ? AND stale = ?", row.number, row.stale)

    def messages(self, post: int) -> list[tuple[str, str]]:
        """Return (platform, message id) for each message that shows a post."""
        rows = self._db.rows("SELECT platform, message FROM outbox WHERE post = ? AND message IS NOT NULL", post)
        return [(row["platform"], row["message"]) for row in rows]

    def shown_as(self, platform: str, prefix: str, limit: int = 200) -> list[str]:
        """Return a platform's newest message ids with this prefix."""
        rows = self._db.rows(
            "SELECT message FROM outbox WHERE platform = ? AND substr(message, 1, ?) = ? ORDER BY n DESC LIMIT ?",
            *(platform, len(prefix), prefix, limit),
        )
        return [row["message"] for row in rows]

    def cards(self, gate: str, platform: str) -> list[tuple[str, str]]:
        """Return (conversation, message id) of each message of a platform that shows a gate's card, oldest first."""
        rows = self._db.rows(
            "SELECT outbox.conversation, message FROM outbox JOIN posts ON posts.id = outbox.post WHERE kind = 'gate'"
            " AND platform = ? AND message IS NOT NULL AND post IN (SELECT post FROM shown WHERE gate = ?) ORDER BY n",
            *(platform, gate),
        )
        return [(row["conversation"], row["message"]) for row in rows]

    def counts(self) -> dict[str, int]:
        """Return the number of rows in each state. This reads the whole table, so screens use `unsent`."""
        return {row["state"]: row["rows"] for row in self._db.rows("SELECT state, count(*) AS rows FROM outbox GROUP BY state")}

    def unsent(self) -> dict[str, int]:
        """Return the number of rows in each state except delivered."""
        rows = self._db.rows("SELECT state, count(*) AS rows FROM outbox WHERE state != 'delivered' GROUP BY state")
        return {row["state"]: row["rows"] for row in rows}

    def remove_before(self, before: datetime) -> Iterator[int]:
        """Remove deliveries that ended before then, except those of posts that show unfinished gates. See `sweep`."""
        return by_number(self._db, "outbox", "n", "updated_at", before, self._remove)

    def _remove(self, numbers: Sequence[int]) -> int:
        return self._db.run(
            f"DELETE FROM outbox WHERE n IN ({marks(numbers)}) AND state IN ('delivered', 'failed') AND stale = 0"  # noqa: S608
            f" AND post NOT IN ({SHOWS_UNFINISHED})",
            *numbers,
        ).rowcount


def _to_outgoing(row: sqlite3.Row) -> Outgoing:
    return Outgoing(
        row["n"],
        row["post"],
        row["conversation"],
        row["platform"],
        row["state"],
        row["attempts"],
        row["message"],
        bool(row["plain"]),
        row["stale"],
        datetime.fromisoformat(row["created_at"]),
    )
