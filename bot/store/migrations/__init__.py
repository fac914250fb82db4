"""The store's schema as named migrations, each applied once and recorded by name in the same transaction.

To change the schema:

1. Add a module here with one function `migrate(db)`. Its name says the subject, for instance `rejected_work`.
2. Add it to the end of `MIGRATIONS`. Never edit, rename, reorder or remove one that was released.
"""

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module

Migration = Callable[[sqlite3.Connection], None]

MIGRATIONS = (
    "initial",
    "lookup_indexes",
    "gate_actions",
    "scheduling",
    "typed_tables",
    "mail_kinds",
    "retention",
    "rejected_work",
    "screen_indexes",
)
"""Names of the migrations, which are their modules, in the order in which they are applied."""
NUMBERED = 4
"""Migrations of version 0.1.0, which recorded only how many had been applied, in `PRAGMA user_version`."""


class NewerStore(Exception):
    """A store with migrations that this version does not know."""

    def __init__(self, unknown: str) -> None:
        super().__init__(unknown)
        self.unknown = unknown
        """The first migration that is not known."""


def migration(name: str) -> Migration:
    """Return a migration. Its module is imported only now, because a store that is current needs none at start."""
    step: Migration = import_module(f"{__name__}.{name}").migrate
    return step


def migrate(db: sqlite3.Connection) -> None:
    """Apply what is missing, inside the open transaction. Raises NewerStore, before any change."""
    known = applied(db)
    db.execute("CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY, applied_at TEXT NOT NULL)")
    recorded = {name for (name,) in db.execute("SELECT name FROM migrations")}
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    for name in MIGRATIONS:
        if name not in known:
            migration(name)(db)
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
    return list(MIGRATIONS[:number])
