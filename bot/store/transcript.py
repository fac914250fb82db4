"""Table `transcript` with the Messages API messages of the agent's turns."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from bot.store.database import Database, dump, to_text
from bot.store.sweep import by_number, marks


class TranscriptTable:
    """Messages of each conversation in order."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def append(self, conversation: str, turn: str, message: dict[str, Any], at: datetime) -> None:
        """Add a message of the Messages API to the agent's transcript of a conversation."""
        self._db.insert("transcript", conversation=conversation, turn=turn, message=dump(message), at=to_text(at))

    def of(self, conversation: str, limit: int = 400) -> list[tuple[str, dict[str, Any]]]:
        """The newest messages of a conversation's transcript as (turn, message), oldest first."""
        rows = self._db.rows(
            "SELECT turn, message FROM transcript WHERE conversation = ? ORDER BY id DESC LIMIT ?", conversation, limit
        )
        return [(row["turn"], json.loads(row["message"])) for row in reversed(rows)]

    def remove_before(self, before: datetime) -> Iterator[int]:
        """Remove older messages. See `sweep`."""
        return by_number(self._db, "transcript", "id", "at", before, self._remove)

    def _remove(self, numbers: Sequence[int]) -> int:
        return self._db.run(f"DELETE FROM transcript WHERE id IN ({marks(numbers)})", *numbers).rowcount  # noqa: S608
