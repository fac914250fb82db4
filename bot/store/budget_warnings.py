"""Table `budget_warnings`: the newest warning about each limit that is nearly reached."""

from bot.store.database import Database


class BudgetWarningTable:
    """Rows by scope: `*`, a product or an id of work."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def get(self, scope: str) -> str | None:
        """Return the day and the limit that people were last warned of."""
        about: str | None = self._db.value("SELECT about FROM budget_warnings WHERE scope = ?", scope)
        return about

    def set(self, scope: str, about: str) -> None:
        """Record the day and the limit that people were warned of."""
        self._db.run(
            "INSERT INTO budget_warnings (scope, about) VALUES (?, ?) ON CONFLICT (scope) DO UPDATE SET about = excluded.about",
            *(scope, about),
        )
