"""The store. Everything is stored once, in order, and failures are reported."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.domain import (
    LEAD,
    Author,
    Decision,
    Gate,
    GateKind,
    GateState,
    Inbound,
    Mail,
    MailKind,
    Person,
    Post,
    Press,
    Role,
    Work,
    WorkState,
)
from bot.domain.errors import StoreError
from bot.store import Store
from bot.store.migrations import MIGRATIONS, migration

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ANA = Person("ana", Role.ADMIN, ("product-a",), {"slack": "U1"})


@pytest.fixture
def store() -> Iterator[Store]:
    with closing(Store(":memory:")) as store:
        yield store


def inbound(event: str = "e1") -> Inbound:
    return Inbound(event, "web", "web:main", ANA, NOW, press=Press("g1", "approve", revision=1), extra={"ts": "1"})


def gate(**changes: object) -> Gate:
    made = Gate("", "product-a", GateKind.PLAN, "Plan", "1. Do", GateState.OPEN, NOW, NOW, mail="msg-1", thread="task:t")
    return replace(made, **changes)  # type: ignore[arg-type]


def work(**changes: object) -> Work:
    return replace(Work("", "product-a", "do it", WorkState.QUEUED, NOW, NOW), **changes)  # type: ignore[arg-type]


def post(text: str = "hello", conversation: str = "web:main") -> Post:
    return Post(conversation, "fleet", text, NOW)


def test_event_is_received_once_and_stored_until_handled(store: Store) -> None:
    assert store.inbound.receive(inbound())
    assert not store.inbound.receive(inbound())
    assert store.inbound.unhandled() == [inbound()]
    store.inbound.handled("e1")
    assert store.inbound.unhandled() == []
    assert not store.inbound.receive(inbound())


def test_post_is_stored_once_per_key(store: Store) -> None:
    assert store.posts.say(post(), "k1") is not None
    assert store.posts.say(post("again"), "k1") is None
    assert [each.text for each in store.posts.of("web:main")] == ["hello"]


def test_posts_are_read_in_pages_oldest_first(store: Store) -> None:
    for number in range(10):
        store.posts.say(post(str(number)), f"k{number}")
    newest = store.posts.of("web:main", limit=3)
    assert [each.text for each in newest] == ["7", "8", "9"]
    assert [each.text for each in store.posts.of("web:main", before=newest[0].id, limit=2)] == ["5", "6"]
    assert [each.text for each in store.posts.of("web:main", after=newest[0].id)] == ["8", "9"]


def test_work_is_added_once_per_request(store: Store) -> None:
    first, new = store.work.add(work(), "r1")
    again, repeated = store.work.add(work(objective="other"), "r1")
    assert (first.id, new, again, repeated) == ("w1", True, first, False)


def test_work_markers_differ_between_stores() -> None:
    with closing(Store(":memory:")) as first, closing(Store(":memory:")) as second:
        second.database.origin = "zz99"
        markers = [each.work.add(work(), "r")[0].marker for each in (first, second)]
    assert markers == [f"[w1.{first.origin}]", "[w1.zz99]"]


@pytest.mark.parametrize("id", ["", "w", "w0", "wx", "g1", "w1; DROP TABLE work", "w" + "9" * 40, "w١"])
def test_malformed_ids_match_no_work(store: Store, id: str) -> None:
    store.work.add(work(), "r1")
    assert store.work.get(id) is None


def test_mail_raises_one_gate(store: Store) -> None:
    assert store.gates.add(gate()) is not None
    assert store.gates.add(gate()) is None


def test_database_allows_one_final_decision(store: Store) -> None:
    made = store.gates.add(gate())
    assert made is not None
    decision = Decision("approve", "ana", NOW)
    store.gates.save(replace(made, answers=(decision,)).decided(decision, NOW))
    assert store.gates.get("g1") == replace(made, answers=(decision,)).decided(decision, NOW)
    with pytest.raises(sqlite3.IntegrityError):
        store.database.run(
            "INSERT INTO decisions (gate, choice, note, person, platform, at, final) VALUES (1,'x','','b','','',1)"
        )


def test_mail_is_stored_once_per_product(store: Store) -> None:
    mail = Mail("msg-1", "product-a", LEAD, "operator", MailKind.PLAN, Author.LEAD, "s", "b", NOW, options=("a",), revision=2)
    assert store.mail.add(mail)
    assert not store.mail.add(mail)
    assert store.mail.add(replace(mail, product="product-b"))
    assert store.mail.get("product-a", "msg-1") == mail


def test_outbox_sends_a_conversation_in_order(store: Store) -> None:
    for number in range(3):
        said = store.posts.say(post(str(number), "slack:C1"), f"k{number}")
        assert said is not None
        store.outbox.add(said.id, "slack:C1", "slack", NOW)
    (first,) = store.outbox.due("slack", NOW)
    store.outbox.retry(first.number, "busy", NOW, NOW + timedelta(minutes=1))
    assert store.outbox.due("slack", NOW) == []
    (again,) = store.outbox.due("slack", NOW + timedelta(minutes=2))
    assert again.post == first.post
    store.outbox.delivered(again.number, "m1", NOW)
    (second,) = store.outbox.due("slack", NOW)
    assert second.number == first.number + 1


def test_transaction_is_atomic(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.transaction():
        store.work.add(work(), "r1")
        with store.transaction():
            store.runtime_lives.set("a", "1")
        raise ZeroDivisionError
    assert (store.work.newest(), store.runtime_lives.get("a")) == ([], None)


def test_cached_open_work_matches_the_file_after_rollbacks(tmp_path: Path) -> None:
    def in_the_file() -> list[Work]:
        with closing(Store(tmp_path / "fleet.db")) as other:
            return other.work.open()

    with closing(Store(tmp_path / "fleet.db")) as store:
        one, _ = store.work.add(work(estimate_usd=2.5, depends_on=("w7", "w8")), "one")
        assert store.work.open() == in_the_file() == [one]
        two, _ = store.work.add(work(product="product-b", deadline=NOW), "two")
        store.work.save(replace(one, state=WorkState.RUNNING))
        assert store.work.open() == in_the_file()
        assert [each.id for each in store.work.open(states=(WorkState.RUNNING,))] == ["w1"]
        with pytest.raises(KeyError), store.transaction():
            store.work.save(replace(one, state=WorkState.DONE))
            store.work.add(work(), "three")
            raise KeyError
        assert store.work.open() == in_the_file()
        assert [each.id for each in store.work.open()] == ["w1", "w2"]
        store.work.save(replace(one, state=WorkState.FAILED))
        store.work.save(replace(work(), id="w99"))
        assert store.work.open() == in_the_file() == [two]
        assert [each.id for each in store.work.open(states=(WorkState.QUEUED, WorkState.FAILED))] == ["w1", "w2"]
        store.work.save(replace(one, reason="once more"))
        assert [each.reason for each in store.work.open("product-a")] == ["once more"]
        assert store.work.open() == in_the_file()


def test_journal_locates_a_changed_row(store: Store) -> None:
    for number in range(5):
        store.audit.add("skill", at=NOW, person="ana", product=None, subject=str(number), detail={})
    assert store.audit.first_broken() is None
    store.database.run("UPDATE audit SET person = 'eve' WHERE n = 3")
    assert store.audit.first_broken() == 3


def test_journal_locates_a_removed_row(store: Store) -> None:
    for number in range(3):
        store.audit.add("skill", at=NOW, person="ana", product=None, subject=str(number), detail={})
    store.database.run("DELETE FROM audit WHERE n = 2")
    verdict = store.audit.verify()
    assert (verdict.rows, verdict.broken) == (1, 2)
    assert "taken out" in verdict.why


@pytest.mark.parametrize("cut", ["DELETE FROM audit WHERE n > 3", "DELETE FROM audit"])
def test_journal_reports_a_missing_end(store: Store, cut: str) -> None:
    for number in range(5):
        store.audit.add("skill", at=NOW, person="ana", product=None, subject=str(number), detail={})
    store.database.run(cut)
    assert "up to 5 were cut off" in store.audit.verify().why


def test_journal_reports_a_missing_beginning_unless_it_was_pruned(store: Store) -> None:
    for number in range(5):
        store.audit.add("skill", at=NOW + timedelta(days=number), person="ana", product=None, subject=str(number), detail={})
    assert sum(store.audit.remove_before(NOW + timedelta(days=2))) == 2
    assert sum(store.audit.remove_before(NOW + timedelta(days=2))) == 0
    assert store.audit.verify().broken is None
    store.database.run("DELETE FROM audit WHERE n = 3")
    assert store.audit.verify().broken == 3


def test_journal_is_searched_by_subject_person_and_product(store: Store) -> None:
    for subject, person in (("g1", "ana"), ("g2", "ben"), ("g1", "ben")):
        store.audit.add("decision", at=NOW, person=person, product="p", subject=subject, detail={})
    assert [row["n"] for row in store.audit.about("g1")] == [1, 3]
    assert [row["n"] for row in store.audit.found(limit=9, subject="g1", person="ben")] == [3]
    assert [row["n"] for row in store.audit.found(limit=1, product="p", kind=None)] == [3]


def test_store_of_a_newer_version_is_refused_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "fleet.db"
    Store(path).close()
    db = sqlite3.connect(path)
    with db:
        db.execute("INSERT INTO migrations VALUES ('of_tomorrow', '')")
    db.close()
    with pytest.raises(StoreError, match="newer version: it has the migration “of_tomorrow”") as refusal:
        Store(path)
    assert "Nothing was changed" in refusal.value.hint


def test_file_that_is_not_a_database_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "fleet.db"
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(StoreError, match="cannot be used"):
        Store(path)


def test_folder_that_cannot_be_created_is_reported(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file in its place")
    with pytest.raises(StoreError, match="cannot be used"):
        Store(tmp_path / "state" / "fleet.db")


def test_failed_commit_rolls_back_and_later_changes_are_stored(tmp_path: Path) -> None:
    """A full disk refuses a transaction. Later changes are stored once there is space."""
    with closing(Store(tmp_path / "fleet.db")) as store:
        pages = store.database.value("PRAGMA page_count")
        store.database.run(f"PRAGMA max_page_count = {pages + 8}")
        with pytest.raises(StoreError, match="full") as refusal, store.transaction():
            store.inbound.receive(inbound("lost"))
            store.posts.say(post("x" * 200_000), "long")
        assert "space" in refusal.value.hint
        store.database.run("PRAGMA max_page_count = 1000000")
        assert store.inbound.receive(inbound("kept"))
    with closing(Store(tmp_path / "fleet.db")) as again:
        assert [each.event for each in again.inbound.unhandled()] == ["kept"]


def test_locked_store_is_reported(tmp_path: Path) -> None:
    with closing(Store(tmp_path / "fleet.db")) as store, closing(sqlite3.connect(tmp_path / "fleet.db")) as other:
        store.database.run("PRAGMA busy_timeout = 10")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked"):
            store.inbound.receive(inbound())
        other.rollback()
        assert store.inbound.receive(inbound())


def test_event_joined_to_another_is_answered_by_it(store: Store) -> None:
    store.inbound.receive(inbound("e1"))
    store.inbound.receive(inbound("e2"))
    store.inbound.handled("e2", answered_by="e1")
    assert (store.inbound.answered_by("e2"), store.inbound.answered_by("e1")) == ("e1", "e1")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM work WHERE product = 'p' AND agent = 'a' ORDER BY n DESC LIMIT 1",
        "SELECT * FROM work WHERE product = 'p' AND mail = 'm'",
        "SELECT * FROM gates WHERE product = 'p' AND kind = 'plan' AND thread = 't' ORDER BY n DESC LIMIT 1",
        "SELECT * FROM gates WHERE work = 'w1' AND state = 'open'",
        "SELECT * FROM gates WHERE product = 'p' AND mail = 'm'",
        "SELECT * FROM posts WHERE kind = 'gate' AND id IN (SELECT post FROM shown WHERE gate = 'g1')",
        "UPDATE outbox SET stale = stale + 1 WHERE post IN (SELECT post FROM shown WHERE gate = 'g1') AND state != 'failed'",
        "SELECT * FROM outbox WHERE platform = 'slack' AND stale > 0 AND state = 'delivered' ORDER BY n LIMIT 50",
        "SELECT * FROM inbound WHERE state != 'done' ORDER BY at, rowid",
        "SELECT * FROM mail WHERE product = 'p' AND sender = 'operator' ORDER BY n DESC LIMIT 200",
    ],
)
def test_frequent_queries_use_an_index(store: Store, sql: str) -> None:
    plan = " ".join(row["detail"] for row in store.database.rows(f"EXPLAIN QUERY PLAN {sql}"))
    assert "USING INDEX" in plan or "PRIMARY KEY" in plan
    assert "SCAN" not in plan.replace("SCAN inbound USING INDEX", "")


def test_store_of_the_first_version_is_migrated_with_its_content(tmp_path: Path) -> None:
    path = tmp_path / "fleet.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        migration("initial")(old)
        old.execute("PRAGMA user_version = 1")
        old.execute("INSERT INTO inbound VALUES ('e1', 'web', 'web:main', '{}', '', '', NULL, NULL, '{}', 'done', '')")
        cards = '[{"kind":"gate","gate":"g7","work":null}]'
        old.execute(
            "INSERT INTO posts VALUES (1, 'web:main', 'fleet', 'a plan', ?, ?, '[]', 'gate', 'p', 'k')",
            (NOW.isoformat(), cards),
        )
    with closing(Store(path)) as store:
        assert {row["name"] for row in store.database.rows("SELECT name FROM migrations")} == set(MIGRATIONS)
        assert store.inbound.answered_by("e1") == "e1"
        assert [post.text for post in store.posts.with_gate("g7")] == ["a plan"]


KILLED = """
import os, signal, sys
from tests.store.test_store import *
store = Store(sys.argv[1])
for number in range(1000):
    with store.transaction():
        store.work.add(work(), f"r{number}")
        store.runtime_lives.set("last", str(number))
        print(number, flush=True)
        if number == 20:
            os.kill(os.getpid(), signal.SIGKILL)
"""


def test_committed_transactions_survive_kill_9_and_partial_ones_do_not(tmp_path: Path) -> None:
    path = tmp_path / "fleet.db"
    root = Path(__file__).parents[2]
    ran = subprocess.run(
        [sys.executable, "-c", KILLED, str(path)],
        cwd=root,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(root)},
        check=False,
    )
    assert ran.returncode == -signal.SIGKILL, ran.stderr.decode()
    store = Store(path)
    assert (len(store.work.newest(limit=100)), store.runtime_lives.get("last")) == (20, "19")
    store.close()
