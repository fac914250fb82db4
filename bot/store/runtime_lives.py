"""Table `runtime_lives` with the life id (one start of the machine or container) that the fleet last saw."""

from bot.store.database import Database


class RuntimeLifeTable:
    """Rows by runtime. A new id shows that the runtime was restarted and its agents have ended."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def get(self, runtime: str) -> str | None:
        """Return the life of a runtime, or None if none is stored."""
        life: str | None = self._db.value("SELECT life FROM runtime_lives WHERE runtime = ?", runtime)
        return life

    def set(self, runtime: str, life: str | None) -> None:
        """Record the life of a runtime, or forget it with None."""
        if life is None:
            self._db.run("DELETE FROM runtime_lives WHERE runtime = ?", runtime)
            return
        self._db.run(
            "INSERT INTO runtime_lives (runtime, life) VALUES (?, ?) ON CONFLICT (runtime) DO UPDATE SET life = excluded.life",
            *(runtime, life),
        )
