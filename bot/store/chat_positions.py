"""Table `chat_positions`: the newest message that was received from each channel of each chat platform."""

from dataclasses import dataclass
from datetime import datetime

from bot.store.database import Database, to_text, to_time


@dataclass(frozen=True, slots=True)
class ChatPosition:
    """A position in a channel's history."""

    position: str
    """The platform's id or time of a message."""
    at: datetime | None = None
    """When the fleet was last connected, where the position does not say it."""


class ChatPositionTable:
    """Positions by platform and channel. The channel `*` stands for the platform as a whole."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def of(self, platform: str) -> dict[str, ChatPosition]:
        """Return a platform's positions by channel."""
        rows = self._db.rows("SELECT channel, position, at FROM chat_positions WHERE platform = ?", platform)
        return {row["channel"]: ChatPosition(row["position"], to_time(row["at"])) for row in rows}

    def set(self, platform: str, channel: str, position: str, at: datetime | None = None) -> None:
        """Replace the stored position of a channel. See `ChatPosition` for `position` and `at`."""
        self._db.run(
            "INSERT INTO chat_positions (platform, channel, position, at) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (platform, channel) DO UPDATE SET position = excluded.position, at = excluded.at",
            *(platform, channel, position, to_text(at)),
        )
