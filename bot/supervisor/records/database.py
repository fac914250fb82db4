"""Read-only access to the engine's SQLite files, on a new connection each time.

`mode=ro` on the same kernel sees every commit at once and never blocks a writer. A copy of the file would miss the WAL.
"""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Generic, TypeVar
from urllib.parse import quote

from bot.supervisor import errors

BUSY_SECONDS = 1.0
"""Seconds to wait where even readers must, such as during the recovery of a WAL."""

SETTLED = 2.0
"""Seconds after a change from which an unchanged stamp means an unchanged file.

File system clocks tick that slowly."""

T = TypeVar("T")


class Cached(Generic[T]):
    """Value read from a database, cached until the database changes."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._state: tuple[int, ...] | None = None
        self._key: object = None
        self._value: T

    def get(self, read: Callable[[], T], key: object = None) -> T:
        """Return the result of `read` for this key, cached since the last change of the database.

        A fresh change is read again every time. Failures are not cached."""
        now, (written, state) = time.time_ns(), _file_state(self._path)
        if state == self._state and key == self._key:
            return self._value
        self.invalidate()
        self._value, self._key = read(), key
        if now - written > SETTLED * 1e9:
            self._state = state
        return self._value

    def invalidate(self) -> None:
        """Read again next time."""
        self._state = None


def _file_state(path: str) -> tuple[int, tuple[int, ...]]:
    """Return a database's last write time in nanoseconds and a stamp that differs after every write.

    The stamp leaves out the ctime of the log, because SQLite sets its permissions whenever root reads."""
    number, modified, changed, size = _stamp(path)
    log_number, log_modified, _, log_size = _stamp(f"{path}-wal")
    state = (number, modified, changed, size, log_number, log_modified, log_size)
    return max(modified, changed, log_modified), state


def _stamp(path: str) -> tuple[int, int, int, int]:
    try:
        found = os.stat(path)  # noqa: PTH116
    except OSError:
        return (0, 0, 0, 0)
    return (found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size)


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection | None]:
    """Open a read-only connection, None if there is no such file.

    Raises `corrupt`, `locked` or `wrong_user`."""
    if not path.exists():
        yield None
        return
    try:
        with closing(_connected(path)) as connection:
            yield connection
    except sqlite3.OperationalError as error:
        raise _problem(path, error) from error
    except sqlite3.DatabaseError as error:
        raise errors.corrupt(path, error) from error


def locked(path: Path) -> bool:
    """Return True if no process can read a database now, because one recovers or removes its log."""
    if not path.exists():
        return False
    try:
        with closing(_connected(path, 0.1)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError as error:
        return "locked" in str(error) or "busy" in str(error)
    except sqlite3.DatabaseError:
        return False
    return False


def _connected(path: Path, patience: float = BUSY_SECONDS) -> sqlite3.Connection:
    connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=patience)
    connection.row_factory = sqlite3.Row
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
    return connection


def _problem(path: Path, error: sqlite3.OperationalError) -> Exception:
    words = str(error)
    if "locked" in words or "busy" in words:
        return errors.from_engine(f"{path}: {words}")
    if "unable to open" in words or "readonly" in words:
        return errors.wrong_user(path)
    return errors.corrupt(path, words)


def columns(connection: sqlite3.Connection, table: str) -> frozenset[str]:
    """Return the column names of a table, empty if there is no such table (a new or recreated file)."""
    return frozenset(row["name"] for row in connection.execute("SELECT name FROM pragma_table_info(?)", (table,)))
