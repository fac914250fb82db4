"""The store's schema as named migrations, each applied once and recorded by name in the same transaction.

To change the schema:

1. Add a module here with one function `migrate(db)`. Its name says the subject, for instance `rejected_work`.
2. Add it to the end of `MIGRATIONS`. Never edit, rename, reorder or remove one that was released.
"""

import sqlite3
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from bot.store.migrations import (
    gate_actions,
    initial,
    lookup_indexes,
    mail_kinds,
    rejected_work,
    retention,
    scheduling,
    screen_indexes,
    typed_tables,
)

Migration = Callable[[sqlite3.Connection], None]

MIGRATIONS: Mapping[str, Migration] = {
    "initial": initial.migrate,
    "lookup_indexes": lookup_indexes.migrate,
    "gate_actions": gate_actions.migrate,
    "scheduling": scheduling.migrate,
    "typed_tables": typed_tables.migrate,
    "mail_kinds": mail_kinds.migrate,
    "retention": retention.migrate,
    "rejected_work": rejected_work.migrate,
    "screen_indexes": screen_indexes.migrate,
}
"""Migrations by name, in the order in which they are applied."""
NUMBERED = 4
"""Migrations of version 0.1.0, which recorded only how many had been applied, in `PRAGMA user_version`."""


class NewerStore(Exception):
    """A store with migrations that this version does not know."""

    def __init__(self, unknown: str) -> None:
        super().__init__(unknown)
        self.unknown = unknown
        """The first migration that is not known."""


def migrate(db: sqlite3.Connection) -> None:
    """Apply what is missing, inside the open transaction. Raises NewerStore, before any change."""
    known = applied(db)
    db.execute("CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY, applied_at TEXT NOT NULL)")
    recorded = {name for (name,) in db.execute("SELECT name FROM migrations")}
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    for name, step in MIGRATIONS.items():
        if name not in known:
            step(db)
        if name not in recorded:
            db.execute("INSERT INTO migrations VALUES (?, ?)", (name, now))
    # Version 0.1.0 refuses a store whose number it does not know.
    db.execute(f"PRAGMA user_version = {max(len(MIGRATIONS), NUMBERED)}")


def applied(db: sqlite3.Connection) -> list[str]:
    """Return the names of the migrations that a store has had. Raises NewerStore if one of them is not known."""
    if db.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'migrations'").fetchone():
        found = [name for (name,) in db.execute("SELECT name FROM migrations")]
        if unknown := [name for name in found if name not in MIGRATIONS]:
            raise NewerStore(unknown[0])
        return found
    (number,) = db.execute("PRAGMA user_version").fetchone()
    if number > NUMBERED:
        raise NewerStore(f"number {number}")
    return list(MIGRATIONS)[:number]
