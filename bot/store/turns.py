"""Table `turns` with the tokens, cost, latency and tools of the agent's turns."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from bot.store.database import Database, dump, to_text
from bot.store.sweep import by_index


class TurnTable:
    """One record per finished turn."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def record(self, turn: str, conversation: str, ended_at: datetime, cost_usd: float, record: dict[str, Any]) -> None:
        """Store the tokens, cost, latency and tools of a turn."""
        self._db.insert(
            "turns", id=turn, conversation=conversation, ended_at=to_text(ended_at), cost_usd=cost_usd, record=dump(record)
        )

    def get(self, turn: str) -> dict[str, Any] | None:
        """Return the record of a finished turn."""
        text = self._db.value("SELECT record FROM turns WHERE id = ?", turn)
        return None if text is None else json.loads(text)

    def spent_since(self, since: datetime) -> float:
        """Return the US dollars spent on the agent's own turns since then."""
        return float(self._db.value("SELECT coalesce(sum(cost_usd), 0) FROM turns WHERE ended_at >= ?", to_text(since)))

    def remove_before(self, before: datetime) -> Iterator[int]:
        """Remove the records of turns that ended before then. See `sweep`."""
        old = "SELECT id FROM turns WHERE ended_at < ? ORDER BY ended_at LIMIT ?"
        return by_index(self._db, f"DELETE FROM turns WHERE id IN ({old})", to_text(before))  # noqa: S608
