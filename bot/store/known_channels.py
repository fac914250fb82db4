"""Table `known_channels`: the chat platforms' ids of channels that the registry and conversations name otherwise."""

from bot.store.database import Database


class KnownChannelTable:
    """Ids by platform and name: `#name` of a channel, `@id` of a person's direct messages."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def of(self, platform: str) -> dict[str, str]:
        """Return a platform's ids by name."""
        rows = self._db.rows("SELECT name, channel FROM known_channels WHERE platform = ?", platform)
        return {row["name"]: row["channel"] for row in rows}

    def set(self, platform: str, name: str, channel: str) -> None:
        """Record the id of a channel."""
        self._db.run(
            "INSERT INTO known_channels (platform, name, channel) VALUES (?, ?, ?)"
            " ON CONFLICT (platform, name) DO UPDATE SET channel = excluded.channel",
            *(platform, name, channel),
        )
