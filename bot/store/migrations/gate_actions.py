"""Add action gates, reminders, private posts, and a table of the posts that show a gate."""

import json
import sqlite3

from bot.store.migrations.script import run

SQL = """
ALTER TABLE posts ADD COLUMN answers TEXT NOT NULL DEFAULT '';
ALTER TABLE posts ADD COLUMN private INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN plain INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN stale INTEGER NOT NULL DEFAULT 0;
CREATE INDEX outbox_stale ON outbox (platform, n) WHERE stale > 0;
CREATE INDEX outbox_waiting ON outbox (platform, conversation, n) WHERE state IN ('pending', 'attempting');
CREATE TABLE shown (gate TEXT NOT NULL, post INTEGER NOT NULL REFERENCES posts (id), PRIMARY KEY (gate, post)) WITHOUT ROWID;
DROP INDEX posts_of_gates;
ALTER TABLE gates ADD COLUMN action TEXT;
ALTER TABLE gates ADD COLUMN reply TEXT;
ALTER TABLE gates ADD COLUMN sent_at TEXT;
ALTER TABLE gates ADD COLUMN sendings INTEGER NOT NULL DEFAULT 0;
ALTER TABLE gates ADD COLUMN reminded_at TEXT;
ALTER TABLE gates ADD COLUMN reminders INTEGER NOT NULL DEFAULT 0;
ALTER TABLE gates ADD COLUMN escalated_at TEXT;
CREATE INDEX audit_about ON audit (subject, n)
"""


def migrate(db: sqlite3.Connection) -> None:
    """Add the columns and fill the table from the cards of existing posts."""
    run(db, SQL)
    for post, cards in db.execute("SELECT id, cards FROM posts WHERE cards != '[]'").fetchall():
        for gate in dict.fromkeys(card["gate"] for card in json.loads(cards) if card.get("gate")):
            db.execute("INSERT INTO shown VALUES (?, ?)", (gate, post))
