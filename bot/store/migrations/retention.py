"""Record when transcripts were written, and index what is removed by age."""

import sqlite3

from bot.store.migrations.script import run

SQL = """
ALTER TABLE transcript ADD COLUMN at TEXT NOT NULL DEFAULT '';
UPDATE transcript SET at = coalesce(
    (SELECT ended_at FROM turns WHERE turns.id = transcript.turn),
    (SELECT at FROM inbound WHERE inbound.event = transcript.turn),
    (SELECT updated_at FROM conversations WHERE conversations.id = transcript.conversation), ''
);
CREATE INDEX inbound_at ON inbound (at);
CREATE INDEX shown_by_post ON shown (post);
CREATE INDEX conversations_newest ON conversations (platform, updated_at);
CREATE INDEX conversations_updated ON conversations (updated_at)
"""


def migrate(db: sqlite3.Connection) -> None:
    """Add the column, date existing messages by their turn, event or conversation, and add the indexes."""
    run(db, SQL)
