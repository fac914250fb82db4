"""Table `focuses`: products that have priority for as long as another product is paused."""

from collections.abc import Sequence

from bot.store.database import Database


class FocusTable:
    """Products with priority, by the paused product."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def of(self, paused: str) -> list[str]:
        """Return the products that have priority while this one is paused, in the order in which they were named."""
        rows = self._db.rows("SELECT product FROM focuses WHERE paused = ? ORDER BY position", paused)
        return [row["product"] for row in rows]

    def replace(self, paused: str, products: Sequence[str]) -> None:
        """Replace the products that have priority while this one is paused."""
        with self._db.transaction():
            self._db.run("DELETE FROM focuses WHERE paused = ?", paused)
            for position, product in enumerate(products):
                self._db.insert("focuses", paused=paused, product=product, position=position)

    def focused(self) -> set[str]:
        """Return every product that has priority because another one is paused."""
        return {row["product"] for row in self._db.rows("SELECT product FROM focuses")}
