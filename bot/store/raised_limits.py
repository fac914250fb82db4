"""Table `raised_limits`: US dollars that people have allowed beyond a limit."""

from datetime import date

from bot.store.database import Database


class RaisedLimitTable:
    """Rows by scope (`*`, a product or an id of work) and day (UTC). Limits of one piece of work have no day."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def get(self, scope: str, day: date | None = None) -> float:
        """Return the US dollars added to a limit."""
        usd = self._db.value("SELECT usd FROM raised_limits WHERE scope = ? AND day = ?", scope, _text(day))
        return float(usd or 0.0)

    def set(self, scope: str, usd: float, day: date | None = None) -> None:
        """Set the US dollars added to a limit."""
        self._db.run(
            "INSERT INTO raised_limits (scope, day, usd) VALUES (?, ?, ?)"
            " ON CONFLICT (scope, day) DO UPDATE SET usd = excluded.usd",
            *(scope, _text(day), usd),
        )

    def forget_before(self, day: date) -> None:
        """Forget what was added to limits of earlier days."""
        self._db.run("DELETE FROM raised_limits WHERE day != '' AND day < ?", day.isoformat())


def _text(day: date | None) -> str:
    return "" if day is None else day.isoformat()
