"""Index what is looked up often, and record which event answered another one."""

import sqlite3

from bot.store.migrations.script import run

SQL = """
ALTER TABLE inbound ADD COLUMN answered_by TEXT NOT NULL DEFAULT '';
CREATE INDEX posts_of_gates ON posts (kind) WHERE kind = 'gate';
CREATE INDEX mail_from ON mail (product, sender, n);
CREATE INDEX work_mail ON work (product, mail);
CREATE INDEX work_agent ON work (product, agent);
CREATE INDEX work_ended ON work (product, ended_at);
CREATE INDEX gates_thread ON gates (product, kind, thread);
CREATE INDEX gates_work ON gates (work, state)
"""


def migrate(db: sqlite3.Connection) -> None:
    """Add the indexes and the column."""
    run(db, SQL)
