"""Table `unreachable`: conversations on chat platforms in which nothing can be shown any more."""

from bot.store.database import Database


class UnreachableTable:
    """Rows by conversation, each with the platform's reason."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def all(self) -> dict[str, str]:
        """Return the reasons by conversation."""
        rows = self._db.rows("SELECT conversation, reason FROM unreachable ORDER BY conversation")
        return {row["conversation"]: row["reason"] for row in rows}

    def has(self, conversation: str) -> bool:
        """Return True if nothing can be shown in a conversation."""
        return self._db.value("SELECT 1 FROM unreachable WHERE conversation = ?", conversation) is not None

    def add(self, conversation: str, reason: str) -> None:
        """Record that nothing can be shown in a conversation."""
        self._db.insert("unreachable", conversation=conversation, reason=reason)

    def remove(self, conversation: str) -> None:
        """Record that a conversation can be reached again."""
        self._db.run("DELETE FROM unreachable WHERE conversation = ?", conversation)
