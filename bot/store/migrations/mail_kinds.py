"""Store mail in the fleet's words instead of its engine's."""

import json
import sqlite3

from bot.store.migrations.script import run
from bot.supervisor.drivers.messages import translate

SQL = """
ALTER TABLE mail RENAME COLUMN type TO label;
ALTER TABLE mail ADD COLUMN kind TEXT NOT NULL DEFAULT 'message';
ALTER TABLE mail ADD COLUMN author TEXT NOT NULL DEFAULT 'worker';
ALTER TABLE mail ADD COLUMN to_people INTEGER NOT NULL DEFAULT 0;
ALTER TABLE mail ADD COLUMN inherited INTEGER NOT NULL DEFAULT 0;
ALTER TABLE mail ADD COLUMN options TEXT NOT NULL DEFAULT '[]';
ALTER TABLE mail ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
ALTER TABLE mail ADD COLUMN task TEXT NOT NULL DEFAULT '';
ALTER TABLE mail ADD COLUMN plan TEXT NOT NULL DEFAULT '';
DROP INDEX mail_from;
CREATE INDEX mail_by ON mail (product, author, n)
"""
UPDATE = (
    "UPDATE mail SET kind = :kind, author = :author, to_people = :to_people, inherited = :inherited, options = :options,"
    " revision = :revision, task = :task, plan = :plan WHERE n = :n"
)


def migrate(db: sqlite3.Connection) -> None:
    """Add the columns, fill them with the driver's translation, and drop the engine's payload."""
    run(db, SQL)
    names = ("n", "sender", "recipient", "type", "thread", "payload")
    rows = db.execute("SELECT n, sender, recipient, label, thread, payload FROM mail").fetchall()
    for row in rows:
        mail = translate({**dict(zip(names, tuple(row), strict=True)), "payload": json.loads(row[5])})
        db.execute(UPDATE, {**mail, "options": json.dumps(mail["options"])})
    run(db, "ALTER TABLE mail DROP COLUMN payload")
