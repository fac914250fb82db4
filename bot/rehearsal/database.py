"""SQLite as the engine uses it, with WAL, a five-second busy timeout and tables created on first use."""

import sqlite3
import time
from pathlib import Path

BUSY_MS = 5000
"""Busy timeout in milliseconds, as in the real engine."""


def connected(path: Path, schema: str) -> sqlite3.Connection:
    """Return a connection in autocommit mode, with the tables of `schema` created."""
    connection = sqlite3.connect(path, timeout=BUSY_MS / 1000, isolation_level=None, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA synchronous = NORMAL")
    _use_wal(connection)
    if not connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
        connection.executescript(schema)
    return connection


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch a new file to WAL.

    SQLite does not wait for this lock, so two first users take turns by hand."""
    deadline = time.monotonic() + BUSY_MS / 1000
    while connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def rename_column(connection: sqlite3.Connection, table: str, old: str, new: str) -> None:
    """Rename a column that still has its old name, which a change of a product's dialect needs."""
    names = {row["name"] for row in connection.execute(f"PRAGMA table_info({table})")}
    if old in names and new not in names:
        connection.execute(f"ALTER TABLE {table} RENAME COLUMN {old} TO {new}")
