"""Table `live_messages`: the message on a chat platform that grows while an answer is written."""

from dataclasses import dataclass

from bot.store.database import Database


@dataclass(frozen=True, slots=True)
class LiveMessage:
    """A message that grows until the final answer replaces it."""

    channel: str
    message: str = ""
    """The platform's id. Empty while the outcome of the first attempt to send it is unknown."""
    nonce: str = ""
    """The nonce of the first attempt, under which the platform shows the message once."""
    event: str = ""
    """The event that is being answered, where the platform needs it."""
    native: bool = False
    """True if the platform streams the message itself."""


class LiveMessageTable:
    """At most one message for each conversation."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def get(self, conversation: str) -> LiveMessage | None:
        """Return the message that grows in a conversation."""
        row = self._db.row(
            "SELECT channel, message, nonce, event, native FROM live_messages WHERE conversation = ?", conversation
        )
        if row is None:
            return None
        return LiveMessage(row["channel"], row["message"], row["nonce"], row["event"], bool(row["native"]))

    def set(self, conversation: str, live: LiveMessage) -> None:
        """Record the message that grows in a conversation."""
        self._db.run(
            "INSERT INTO live_messages (conversation, channel, message, nonce, event, native) VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (conversation) DO UPDATE SET channel = excluded.channel, message = excluded.message,"
            " nonce = excluded.nonce, event = excluded.event, native = excluded.native",
            *(conversation, live.channel, live.message, live.nonce, live.event, int(live.native)),
        )

    def remove(self, conversation: str) -> None:
        """Forget the message that grew in a conversation."""
        self._db.run("DELETE FROM live_messages WHERE conversation = ?", conversation)
