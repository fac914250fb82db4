"""Table `boards`: the pinned message of a channel that shows the state of its products."""

from dataclasses import dataclass

from bot.store.database import Database


@dataclass(frozen=True, slots=True)
class Board:
    """A channel's board. `version` counts the messages that have shown it."""

    message: str
    version: int


class BoardTable:
    """Boards by platform and channel."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def get(self, platform: str, channel: str) -> Board | None:
        """Return the board of a channel."""
        row = self._db.row("SELECT message, version FROM boards WHERE platform = ? AND channel = ?", platform, channel)
        return Board(row["message"], row["version"]) if row else None

    def set(self, platform: str, channel: str, board: Board) -> None:
        """Record the board of a channel."""
        self._db.run(
            "INSERT INTO boards (platform, channel, message, version) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (platform, channel) DO UPDATE SET message = excluded.message, version = excluded.version",
            *(platform, channel, board.message, board.version),
        )
