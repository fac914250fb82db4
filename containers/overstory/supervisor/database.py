"""Reading the engine's SQLite files: read-only, on a connection of its own each time, never copied, never changed.

`mode=ro` on the same kernel sees every commit at once and never blocks a writer; a snapshot copy would miss the WAL.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from . import troubles

BUSY_SECONDS = 1.0
"""How long a read waits where even readers must (recovery of a WAL)."""


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection | None]:
    """A read-only connection; None where there is no such file. Raises `corrupt`, `locked` or `wrong_user`."""
    if not path.exists():
        yield None
        return
    try:
        with closing(_connected(path)) as connection:
            yield connection
    except sqlite3.OperationalError as error:
        raise _trouble(path, error) from error
    except sqlite3.DatabaseError as error:
        raise troubles.corrupt(path, error) from error


def _connected(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=BUSY_SECONDS)
    connection.row_factory = sqlite3.Row
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
    return connection


def _trouble(path: Path, error: sqlite3.OperationalError) -> Exception:
    words = str(error)
    if "locked" in words or "busy" in words:
        return troubles.from_engine(f"{path}: {words}")
    if "unable to open" in words or "readonly" in words:
        return troubles.wrong_user(path)
    return troubles.corrupt(path, words)


def columns(connection: sqlite3.Connection, table: str) -> frozenset[str]:
    """The column names of a table; empty when there is no such table (a new or recreated file)."""
    return frozenset(row["name"] for row in connection.execute("SELECT name FROM pragma_table_info(?)", (table,)))
