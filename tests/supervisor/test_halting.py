"""Detection of locked databases, so that no process is halted while it holds a lock."""

import sqlite3
from contextlib import closing
from pathlib import Path

from bot.supervisor.records import database


def test_locked_database_is_detected(tmp_path: Path) -> None:
    path = tmp_path / "sessions.db"
    assert not database.locked(path), "a missing database is not locked"
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("CREATE TABLE sessions (id TEXT)")
        assert not database.locked(path)
        holder.execute("BEGIN EXCLUSIVE")
        assert database.locked(path)
        holder.execute("ROLLBACK")
        assert not database.locked(path)
        holder.execute("PRAGMA journal_mode = WAL")
        holder.execute("BEGIN IMMEDIATE")
        assert not database.locked(path), "a writer of the log does not block readers"
        holder.execute("ROLLBACK")
    path.write_bytes(b"no database at all" * 100)
    assert not database.locked(path), "damage is reported when the database is read"
