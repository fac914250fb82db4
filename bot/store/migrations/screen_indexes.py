"""Index what each screen asks for, so that its cost does not grow with history."""

import sqlite3

from bot.store.migrations.script import run

SQL = """
CREATE INDEX work_by_product ON work (product, n);
CREATE INDEX work_last ON work (product, n) WHERE ended_at IS NOT NULL;
CREATE INDEX work_updated ON work (updated_at);
CREATE INDEX gates_by_product ON gates (product, n);
CREATE INDEX gates_updated ON gates (updated_at);
CREATE INDEX outbox_unsent ON outbox (state) WHERE state != 'delivered'
"""


def migrate(db: sqlite3.Connection) -> None:
    """Add the indexes."""
    run(db, SQL)
