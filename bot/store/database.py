"""One SQLite file in WAL mode, with nested transactions. Every call is synchronous and short (a commit takes about half a
millisecond), so that a transaction can never be interleaved with another task's.

Commits do not wait for the disk. Nothing leaves the process before `durable` was awaited: no acknowledgement of an event, no
message to a chat platform, no call of the engine, no answer on the web or in the terminal.
"""

import asyncio
import json
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from bot.domain.errors import StoreError
from bot.store.migrations import NewerStore, migrate

CHECKPOINT = 4000
"""Number of pages (16 MB) in the write-ahead log before SQLite moves them into the file, for which one commit waits.
With SQLite's default of 1000, one commit in fifty waited at a hundred events a second."""


class Database:
    """A connection with migrations applied. Raises StoreError if the file cannot be used."""

    lone = 0.02
    """Idle time in seconds after which a lone caller of `durable` syncs inline, which is quicker than in a thread."""
    synchronous = "NORMAL"
    """SQLite's `synchronous` setting. Commits do not wait for the disk, only `durable` does. With OFF, it does not either."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        try:
            if str(path) != ":memory:":
                self.path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None, timeout=5)
            self._db.row_factory = sqlite3.Row
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute(f"PRAGMA synchronous = {self.synchronous}")
            self._db.execute("PRAGMA foreign_keys = ON")
            self._depth = self._on_disk = 0
            self._syncing: asyncio.Task[None] | None = None
            self._last_wait = 0.0
            self._wal: int | None = None
            self._db.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT}")
            self.undone = 0
            """Number of transactions that were rolled back. Caches of a table compare it."""
            self._migrate()
            self.origin: str = self.value("SELECT origin FROM fleet_state")
            """Random letters, drawn when the file was created, that distinguish its ids from another store's."""
        except (sqlite3.Error, OSError) as error:
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> StoreError:
        return StoreError(
            f"The store {self.path} cannot be used: {error}.",
            "See that FLEET_STATE names a folder that you may write, with free space; restore a copy if it is damaged.",
        )

    def _migrate(self) -> None:
        try:
            with self.transaction():
                migrate(self._db)
        except NewerStore as newer:
            raise StoreError(
                f"The store {self.path} belongs to a newer version: it has the migration “{newer.unknown}”,"
                " which this version does not know.",
                "Upgrade meta-coordinator, or set FLEET_STATE to another folder. Nothing was changed.",
            ) from newer

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit all changes of the block together, or none. Inner transactions join the outermost.

        What was committed survives the end of the process, and a loss of power once `durable` has returned. Raises StoreError
        when it cannot be committed."""
        if self._depth:
            yield
            return
        self._depth = 1
        try:
            self.run("BEGIN IMMEDIATE")
            yield
            self.run("COMMIT")
        except BaseException:
            self.undone += 1
            # After some failures (a full disk) SQLite has rolled back by itself, after others it leaves that to us. What
            # stayed open would swallow everything that is stored after it.
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        finally:
            self._depth = 0

    @property
    def pending(self) -> bool:
        """True while something that was committed may be lost with the machine's power."""
        return self._on_disk < self._db.total_changes

    async def durable(self) -> None:
        """Wait until all commits so far survive a loss of power.

        Await this before anything leaves the process. Concurrent callers share one wait. Raises StoreError if the
        disk refuses.
        """
        if self.synchronous == "OFF" or str(self.path) == ":memory:":
            return
        wanted, before, self._last_wait = self._db.total_changes, self._last_wait, time.monotonic()
        if self._on_disk < wanted and self._syncing is None and self._last_wait - before > self.lone:
            self.sync()
            self._on_disk = wanted
        while self._on_disk < wanted:
            if self._syncing is None:
                self._syncing = asyncio.create_task(self._sync())
            await asyncio.shield(self._syncing)

    async def _sync(self) -> None:
        changes = self._db.total_changes
        try:
            await asyncio.to_thread(self.sync)
            self._on_disk = max(changes, self._on_disk)
        finally:
            self._syncing = None

    def sync(self) -> None:
        """Write SQLite's log to the disk, blocking for as long as that takes. Raises StoreError."""
        try:
            if self._wal is None:
                self._wal = os.open(f"{self.path}-wal", os.O_RDWR)
            getattr(os, "fdatasync", os.fsync)(self._wal)
        except OSError as error:
            raise self._unusable(error) from error

    def run(self, sql: str, *values: Any) -> sqlite3.Cursor:
        """Execute one statement, in its own transaction unless one is open.

        Raises StoreError if the file cannot be read or written now (full, locked, damaged).
        """
        try:
            return self._db.execute(sql, values)
        except sqlite3.DatabaseError as error:
            if type(error) in {sqlite3.OperationalError, sqlite3.DatabaseError}:
                raise self._unusable(error) from error
            raise

    def rows(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        """Return all rows."""
        return self.run(sql, *values).fetchall()

    def row(self, sql: str, *values: Any) -> sqlite3.Row | None:
        """Return the first row, if any."""
        row: sqlite3.Row | None = self.run(sql, *values).fetchone()
        return row

    def value(self, sql: str, *values: Any) -> Any:
        """Return the first column of the first row, or None."""
        row = self.row(sql, *values)
        return None if row is None else row[0]

    def insert(self, table: str, **values: Any) -> int | None:
        """Insert a row and return its number, or None if a unique key shows that it exists."""
        marks = ", ".join("?" * len(values))
        names = ", ".join(values)
        cursor = self.run(
            f"INSERT INTO {table} ({names}) VALUES ({marks}) ON CONFLICT DO NOTHING",  # noqa: S608  names are ours
            *values.values(),
        )
        return cursor.lastrowid if cursor.rowcount else None

    def close(self) -> None:
        """Close the file."""
        self._db.close()
        if self._wal is not None:
            os.close(self._wal)
            self._wal = None


def to_text(at: datetime | None) -> str | None:
    """Return a time as text in UTC, ISO 8601, sortable."""
    return None if at is None else at.isoformat(timespec="microseconds")


def to_time(text: str | None) -> datetime | None:
    """Return a stored time as a datetime."""
    return None if text is None else datetime.fromisoformat(text)


def number(id: str, letter: str) -> int:
    """Return the row number in an id such as `w12`, or 0, which no row has."""
    digits = id[1:] if id[:1] == letter else id
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 18 else 0


def dump(value: Any) -> str:
    """Return a value as stored JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
