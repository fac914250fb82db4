"""Table `brakes`: where the brake is on, for one product or for the fleet (`*`)."""

from bot.store.database import Database


class BrakeTable:
    """Rows by scope, each with who pulled the brake and when, in words."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def all(self) -> dict[str, str]:
        """Return who pulled each brake and when, by scope."""
        return {row["scope"]: row["pulled"] for row in self._db.rows("SELECT scope, pulled FROM brakes ORDER BY scope")}

    def get(self, scope: str) -> str | None:
        """Return who pulled this brake and when, or None if it is off."""
        pulled: str | None = self._db.value("SELECT pulled FROM brakes WHERE scope = ?", scope)
        return pulled

    def pull(self, scope: str, pulled: str) -> None:
        """Put the brake on. One that is on already stays as it is."""
        self._db.insert("brakes", scope=scope, pulled=pulled)

    def release(self, scope: str) -> None:
        """Take the brake off."""
        self._db.run("DELETE FROM brakes WHERE scope = ?", scope)
