"""Table `spending` with the cost of each product per day (UTC) in US dollars.

It stores the engine's last figures, so that budgets hold right after a start, before any product has reported.
"""

from collections.abc import Iterator
from datetime import date, datetime

from bot.store.database import Database
from bot.store.sweep import by_index


class SpendingTable:
    """Cost by day and product. A figure never falls within its day."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def note(self, day: date, product: str, usd: float) -> None:
        """Store a product's cost on a day, unless a higher figure is known."""
        if usd > 0:
            self._db.run(
                "INSERT INTO spending VALUES (?, ?, ?) ON CONFLICT (day, product) DO UPDATE SET usd = max(usd, excluded.usd)"
                " WHERE excluded.usd > usd",
                *(day.isoformat(), product, usd),
            )

    def on(self, day: date) -> dict[str, float]:
        """Return US dollars by product on one day."""
        rows = self._db.rows("SELECT product, usd FROM spending WHERE day = ?", day.isoformat())
        return {row["product"]: row["usd"] for row in rows}

    def since(self, day: date) -> dict[date, dict[str, float]]:
        """Return US dollars by day and product, from that day on."""
        found: dict[date, dict[str, float]] = {}
        for row in self._db.rows("SELECT * FROM spending WHERE day >= ? ORDER BY day", day.isoformat()):
            found.setdefault(date.fromisoformat(row["day"]), {})[row["product"]] = row["usd"]
        return found

    def remove_before(self, before: datetime) -> Iterator[int]:
        """Remove the costs of earlier days. See `sweep`."""
        old = "SELECT day, product FROM spending WHERE day < ? ORDER BY day, product LIMIT ?"
        return by_index(self._db, f"DELETE FROM spending WHERE (day, product) IN ({old})", before.date().isoformat())  # noqa: S608
