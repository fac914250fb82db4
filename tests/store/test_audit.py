"""Verification of the audit journal after any single change to its rows."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bot.store import Store

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
COLUMNS = ("at", "kind", "person", "product", "subject", "detail", "previous", "hash")
TEXTS = ["", "ana", "ben", "é", "{}", '{"a":1}']
ROWS = st.lists(
    st.tuples(st.sampled_from(TEXTS), st.none() | st.sampled_from(TEXTS), st.sampled_from(TEXTS), st.booleans()),
    min_size=1,
    max_size=8,
)
VALUES: st.SearchStrategy[Any] = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20),
    st.binary(max_size=4),
    st.sampled_from([*TEXTS, "0" * 64]),
    st.integers(-5, 5),
    st.none(),
)


@pytest.fixture(scope="module")
def stores() -> Iterator[list[Store]]:
    """Two stores, for all examples of this file."""
    with closing(Store(":memory:")) as one, closing(Store(":memory:")) as other:
        yield [one, other]


def journal(store: Store, rows: list[Any], pruned: int = 0) -> list[int]:
    """Write these rows to the journal, prune the oldest, and return the numbers of the rest."""
    with store.transaction():
        for sql in ("audit", "sqlite_sequence WHERE name = 'audit'", "audit_marks"):
            store.database.run(f"DELETE FROM {sql}")
        for day, (person, product, subject, more) in enumerate(rows):
            at, detail = NOW + timedelta(days=day), {"more": person} if more else {}
            store.audit.add("event", at=at, person=person, product=product, subject=subject, detail=detail)
        sum(store.audit.remove_before(NOW + timedelta(days=pruned)))
    assert store.audit.verify().broken is None
    return [row["n"] for row in store.audit.newest(100)][::-1]


def place(store: Store) -> int | None:
    """Return the number of the first broken row, or None. Check that the rows before it are counted."""
    verdict = store.audit.verify()
    assert bool(verdict.why) is (verdict.broken is not None)
    if verdict.broken is not None:
        assert verdict.rows == store.database.value("SELECT count(*) FROM audit WHERE n < ?", verdict.broken)
    return verdict.broken


@given(ROWS, st.integers(0, 7), st.sampled_from(COLUMNS), VALUES, st.data())
def test_verify_finds_a_change_of_any_column(
    stores: list[Store], rows: list[Any], pruned: int, column: str, value: Any, data: st.DataObject
) -> None:
    assume(value is not None or column == "product")
    store = stores[0]
    numbers = journal(store, rows, min(pruned, len(rows) - 1))
    n = data.draw(st.sampled_from(numbers))
    before = store.database.value(f"SELECT {column} FROM audit WHERE n = ?", n)
    store.database.run(f"UPDATE audit SET {column} = ? WHERE n = ?", value, n)
    assume(store.database.value(f"SELECT {column} FROM audit WHERE n = ?", n) != before)
    assert place(store) == n


@given(ROWS, st.integers(0, 7), st.integers(-20, 20), st.data())
def test_verify_finds_a_moved_row(stores: list[Store], rows: list[Any], pruned: int, to: int, data: st.DataObject) -> None:
    store = stores[0]
    numbers = journal(store, rows, min(pruned, len(rows) - 1))
    n = data.draw(st.sampled_from(numbers))
    assume(to not in numbers)
    store.database.run("UPDATE audit SET n = ? WHERE n = ?", to, n)
    assert place(store) == min(n, to)


@given(ROWS, st.integers(0, 7), st.data())
def test_verify_finds_removed_rows(stores: list[Store], rows: list[Any], pruned: int, data: st.DataObject) -> None:
    store = stores[0]
    numbers = journal(store, rows, min(pruned, len(rows) - 1))
    first = data.draw(st.sampled_from(numbers))
    last = data.draw(st.sampled_from([n for n in numbers if n >= first]))
    store.database.run("DELETE FROM audit WHERE n BETWEEN ? AND ?", first, last)
    assert place(store) == first


@given(ROWS, st.data())
def test_verify_finds_swapped_rows(stores: list[Store], rows: list[Any], data: st.DataObject) -> None:
    assume(len(rows) > 1)
    store = stores[0]
    numbers = journal(store, rows)
    first, second = sorted(data.draw(st.lists(st.sampled_from(numbers), min_size=2, max_size=2, unique=True)))
    for old, new in ((first, -1), (second, first), (-1, second)):
        store.database.run("UPDATE audit SET n = ? WHERE n = ?", new, old)
    assert place(store) == first


@given(ROWS, st.data())
def test_verify_finds_a_forged_row_with_a_valid_hash(stores: list[Store], rows: list[Any], data: st.DataObject) -> None:
    """The forged row's hash is valid, so the next row reveals it, or the mark of the journal's end if it is the last."""
    store, other = stores
    numbers = journal(store, rows)
    journal(other, rows)
    n = data.draw(st.sampled_from(numbers))
    other.database.run("DELETE FROM audit WHERE n >= ?", n)
    other.audit.add("event", at=NOW, person="eve", product=None, subject="forged", detail={})
    forged = other.audit.newest(1)[0]
    for column in ("at", "person", "product", "subject", "hash"):
        store.database.run(f"UPDATE audit SET {column} = ? WHERE n = ?", forged[column], n)
    store.database.run("UPDATE audit SET detail = '{}' WHERE n = ?", n)
    assert place(store) == min(n + 1, numbers[-1])


@pytest.mark.parametrize("rows", [0, 3])
def test_verify_finds_an_appended_row(stores: list[Store], rows: int) -> None:
    store = stores[0]
    journal(store, [("ana", None, "g1", False)] * (rows + 1))
    store.database.run(
        "INSERT INTO audit SELECT n + 1, at, kind, person, product, subject, detail, hash, hash FROM audit WHERE n = ?",
        rows + 1,
    )
    assert place(store) == rows + 2


def test_verify_finds_a_column_that_is_not_text(stores: list[Store]) -> None:
    store = stores[0]
    journal(store, [("ana", None, "g1", False)] * 3)
    store.database.run("UPDATE audit SET person = CAST(x'ff' AS TEXT) WHERE n = 2")
    assert place(store) == 2


def test_verify_finds_a_missing_end_and_its_missing_mark(stores: list[Store]) -> None:
    store = stores[0]
    journal(store, [("ana", None, "g1", False)] * 3)
    store.database.run("DELETE FROM audit_marks WHERE name = 'head'")
    store.database.run("DELETE FROM audit WHERE n = 3")
    assert place(store) == 3
