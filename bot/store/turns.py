"""Table `turns`: the tokens, cost, latency and tools of the agent's turns."""

import json
from datetime import datetime
from typing import Any

from bot.store.database import Database, dump, to_text


class TurnTable:
    """One record for each turn that has ended."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def record(self, turn: str, conversation: str, ended_at: datetime, cost_usd: float, record: dict[str, Any]) -> None:
        """Keep what a turn of the agent took: tokens, cost, latency, tools."""
        self._db.insert(
            "turns", id=turn, conversation=conversation, ended_at=to_text(ended_at), cost_usd=cost_usd, record=dump(record)
        )

    def get(self, turn: str) -> dict[str, Any] | None:
        """The record of a turn that has ended."""
        text = self._db.value("SELECT record FROM turns WHERE id = ?", turn)
        return None if text is None else json.loads(text)

    def spent_since(self, since: datetime) -> float:
        """US dollars that the agent's own turns cost since then."""
        return float(self._db.value("SELECT coalesce(sum(cost_usd), 0) FROM turns WHERE ended_at >= ?", to_text(since)))
