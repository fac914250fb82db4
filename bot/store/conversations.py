"""Table `conversations`: where people and the fleet have talked, with a title and the time of the newest post."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from bot.store.database import Database, to_text
from bot.store.sweep import by_index

LONGEST_TITLE = 80
"""Characters of a conversation's first line that become its title."""


class ConversationTable:
    """Conversations by id, such as `web:main` or `slack:C1`."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def touch(self, id: str, text: str, at: datetime) -> None:
        """Record a post in a conversation. The first one gives it its title."""
        title = text.strip().split("\n")[0][:LONGEST_TITLE]
        self._db.run(
            "INSERT INTO conversations (id, platform, title, created_at, updated_at) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET updated_at = excluded.updated_at",
            *(id, id.partition(":")[0], title, to_text(at), to_text(at)),
        )

    def newest(self, platform: str, limit: int = 50) -> list[dict[str, Any]]:
        """Return `{"id", "title", "updated_at"}` of a platform's conversations, newest first."""
        rows = self._db.rows(
            "SELECT id, title, updated_at FROM conversations WHERE platform = ? ORDER BY updated_at DESC LIMIT ?",
            platform,
            limit,
        )
        return [dict(row) for row in rows]

    def remove_before(self, before: datetime) -> Iterator[int]:
        """Remove conversations without posts that were last used before then. See `sweep`."""
        old = (
            "SELECT id FROM conversations WHERE updated_at < ?"
            " AND NOT EXISTS (SELECT 1 FROM posts WHERE conversation = conversations.id) ORDER BY updated_at LIMIT ?"
        )
        return by_index(self._db, f"DELETE FROM conversations WHERE id IN ({old})", to_text(before))  # noqa: S608
