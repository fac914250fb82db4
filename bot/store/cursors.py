"""Table `cursors` with the position in each product's mailbox up to which all mail was handled."""

from bot.store.database import Database


class CursorTable:
    """Cursors by product."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def all(self) -> dict[str, str]:
        """Return the cursor of each product."""
        return {row["name"]: row["value"] for row in self._db.rows("SELECT name, value FROM cursors")}

    def set(self, product: str, cursor: str) -> None:
        """Record that all mail up to this cursor was handled."""
        self._db.run(
            "INSERT INTO cursors VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", product, cursor
        )
