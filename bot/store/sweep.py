"""Removal of old rows in bounded transactions, so that it never holds up the fleet.

A removal is an iterator. Each step is one transaction of at most `BATCH` rows, and yields how many rows it removed. Nothing is
locked between two steps.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from bot.store.database import Database, to_text

BATCH = 500
"""Rows examined by one transaction."""
UNFINISHED = "('open', 'decided')"
"""States of gates that are not finished, as SQL."""
SHOWS_UNFINISHED = f"SELECT post FROM shown WHERE gate IN (SELECT 'g' || n FROM gates WHERE state IN {UNFINISHED})"  # noqa: S608
"""The posts that show such gates, as SQL."""


def by_number(
    database: Database, table: str, key: str, at: str, before: datetime, remove: Callable[[Sequence[int]], int]
) -> Iterator[int]:
    """Walk a table whose numbers grow with time, and have `remove` delete what it may of each batch of old rows.

    Needs no index on the time, since the walk ends at the first row that is not old."""
    limit, after = to_text(before) or "", 0
    while True:
        sql = f"SELECT {key}, {at} FROM {table} WHERE {key} > ? ORDER BY {key} LIMIT ?"  # noqa: S608  names are ours
        rows = database.rows(sql, after, BATCH)
        old = [row[0] for row in rows if row[1] < limit]
        if old:
            with database.transaction():
                removed = remove(old)
            yield removed
        if len(old) < BATCH:
            return
        after = old[-1]


def by_index(database: Database, delete: str, *values: str | int | None) -> Iterator[int]:
    """Repeat a DELETE statement, whose last parameter limits its rows, until it finds fewer."""
    while True:
        removed = database.run(delete, *values, BATCH).rowcount
        if removed:
            yield removed
        if removed < BATCH:
            return


def batched(values: Sequence[int]) -> Iterator[Sequence[int]]:
    """Split values into batches that one statement takes."""
    return (values[start : start + BATCH] for start in range(0, len(values), BATCH))


def marks(values: Sequence[object]) -> str:
    """Return a `?` for each value, for an IN list."""
    return ", ".join("?" * len(values))
