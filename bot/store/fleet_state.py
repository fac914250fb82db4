"""Table `fleet_state`: one row with what belongs to the fleet as a whole."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from bot.store.database import Database, to_text, to_time


@dataclass(frozen=True, slots=True)
class LastDigest:
    """The newest daily digest."""

    day: date
    """Its day in the digest's time zone."""
    sent_at: datetime | None


class FleetStateTable:
    """Columns of the row. `origin`, which `Database` reads, tells this store's ids from another store's."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def budget_day(self) -> date | None:
        """Return the day (UTC) that daily budgets count for."""
        return _to_day(self._column("budget_day"))

    def begin_budget_day(self, day: date) -> None:
        """Begin a day (UTC) of daily budgets. The tokens of earlier days no longer count."""
        self._db.run(
            "UPDATE fleet_state SET budget_day = ?, choice_tokens = CASE choice_day WHEN ? THEN choice_tokens ELSE 0 END",
            *(day.isoformat(), day.isoformat()),
        )

    def choice_tokens(self, day: date) -> int:
        """Return the tokens that the model has used on a day (UTC) to choose what starts."""
        return self._db.value("SELECT choice_tokens FROM fleet_state WHERE choice_day = ?", day.isoformat()) or 0

    def add_choice_tokens(self, day: date, tokens: int) -> None:
        """Count tokens that the model has used on a day (UTC) to choose what starts."""
        self._db.run(
            "UPDATE fleet_state SET choice_tokens = ?, choice_day = ?", self.choice_tokens(day) + tokens, day.isoformat()
        )

    def last_digest(self) -> LastDigest | None:
        """Return the newest digest, if there was one."""
        day = _to_day(self._column("digest_day"))
        return None if day is None else LastDigest(day, to_time(self._column("digest_at")))

    def record_digest(self, day: date, sent_at: datetime) -> None:
        """Record the digest of a day, so that it is sent once."""
        self._db.run("UPDATE fleet_state SET digest_day = ?, digest_at = ?", day.isoformat(), to_text(sent_at))

    def _column(self, name: str) -> Any:
        return self._db.value(f"SELECT {name} FROM fleet_state")  # noqa: S608  names are ours


def _to_day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)
