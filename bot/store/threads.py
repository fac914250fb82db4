"""Table `threads` with the conversation and the work that each mail of the fleet belongs to."""

from dataclasses import dataclass

from bot.store.database import Database


@dataclass(frozen=True, slots=True)
class Thread:
    """Conversation and work that answers to a mail of the fleet belong to."""

    conversation: str
    work: str | None


class ThreadTable:
    """Threads by product and mail."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def bind(self, product: str, mail: str, conversation: str, work: str | None) -> None:
        """Record the conversation and work that answers in this mail's thread belong to."""
        self._db.insert("threads", product=product, mail=mail, conversation=conversation, work=work)

    def get(self, product: str, mail: str) -> Thread | None:
        """Return the thread that answers to this mail belong to, or None."""
        row = self._db.row("SELECT conversation, work FROM threads WHERE product = ? AND mail = ?", product, mail)
        return Thread(row["conversation"], row["work"]) if row else None
