"""Old history is removed by age and in small transactions, and what open items refer to stays."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from bot.domain import (
    Author,
    Card,
    Decision,
    Gate,
    GateKind,
    GateState,
    Inbound,
    Mail,
    MailKind,
    Person,
    Post,
    Role,
    Work,
    WorkState,
)
from bot.jobs.retention import remove_old
from bot.store import Store, retention
from bot.store.admissions import Ruling
from bot.store.sweep import BATCH
from tests.bed import REGISTRY, Bed

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
OLD = NOW - timedelta(days=100)
DAYS = dict.fromkeys(("conversations", "transcripts", "work", "mail", "admissions", "spending", "outbox", "audit"), 50)
ANA = Person("ana", Role.ADMIN)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store(tmp_path / "fleet.db")) as store:
        yield store


def removed(store: Store, **days: int) -> Counter[str]:
    """Remove what is old, and return the rows removed by kind."""
    found: Counter[str] = Counter()
    for kind, rows in retention.remove_old(store, {**DAYS, **days}, NOW):
        found[kind] += rows
    return +found


def gate(state: GateState, **changes: object) -> Gate:
    made = Gate("", "product-a", GateKind.PLAN, "Plan", "1. Do", state, OLD, OLD)
    return replace(made, **changes)  # type: ignore[arg-type]


def work(store: Store, state: WorkState, at: datetime = OLD, **changes: object) -> Work:
    made = Work("", "product-a", "do it", state, at, at, ended_at=None if state.open else at)
    number = store.work.last_number() + 1
    return store.work.add(replace(made, **changes), f"r{number}")[0]  # type: ignore[arg-type]


def mail(id: str, at: datetime = OLD) -> Mail:
    return Mail(id, "product-a", "coordinator", "operator", MailKind.PROGRESS, Author.LEAD, "s", "b", at)


def say(store: Store, key: str, at: datetime = OLD, gate: str | None = None) -> int:
    cards = (Card("gate", gate=gate),) if gate else ()
    kind = "gate" if gate else "reply"
    post = store.posts.say(Post("slack:#a", "fleet", "text", at, cards=cards, kind=kind), key)
    assert post is not None
    return post.id


def test_posts_and_events_are_removed_by_age(store: Store) -> None:
    old, new = say(store, "old"), say(store, "new", NOW)
    for event, at in (("e1", OLD), ("e2", NOW), ("e3", OLD)):
        store.inbound.receive(Inbound(event, "web", "web:main", ANA, at, text="hello"))
    for event in ("e1", "e2"):
        store.inbound.handled(event)
    assert removed(store) == {"conversations": 2}
    assert (store.posts.get(old), store.posts.get(new) is not None) == (None, True)
    assert [store.inbound.get(event) is not None for event in ("e1", "e2", "e3")] == [False, True, True]


def test_posts_of_open_gates_and_pending_deliveries_stay(store: Store) -> None:
    open_gate = store.gates.add(gate(GateState.OPEN))
    ended_gate = store.gates.add(gate(GateState.WITHDRAWN))
    assert open_gate and ended_gate
    shown, ended, pending, sent = (
        say(store, "g1", gate=open_gate.id),
        say(store, "g2", gate=ended_gate.id),
        say(store, "pending"),
        say(store, "sent"),
    )
    for post in (shown, ended, pending, sent):
        store.outbox.add(post, "slack:#a", "slack", OLD)
    for number in (1, 2, 4):
        store.outbox.delivered(number, f"m{number}", OLD)
    removed(store)
    assert [store.posts.get(post) is not None for post in (shown, ended, pending, sent)] == [True, False, True, False]
    assert [store.outbox.messages(post) for post in (shown, sent)] == [[("slack", "m1")], []]
    assert store.gates.get(open_gate.id) is not None
    assert store.gates.get(ended_gate.id) is None
    assert store.database.rows("PRAGMA foreign_key_check") == []


def test_decided_gates_stay(store: Store) -> None:
    made = store.gates.add(gate(GateState.OPEN))
    assert made is not None
    decision = Decision("approve", "ana", OLD)
    store.gates.save(replace(made, answers=(decision,)).decided(decision, OLD))
    decided = store.gates.get(made.id)
    assert decided is not None
    store.gates.save(replace(decided, state=GateState.DELIVERED, updated_at=OLD))
    assert removed(store) == {}
    kept = store.gates.get(made.id)
    assert kept is not None
    assert kept.decision == decision


def test_earlier_revision_of_an_open_gate_stays(store: Store) -> None:
    first = store.gates.add(gate(GateState.SUPERSEDED))
    assert first is not None
    store.gates.add(gate(GateState.OPEN, previous=first.id, revision=2))
    assert removed(store) == {}


def test_ended_work_is_removed_unless_something_open_refers_to_it(store: Store) -> None:
    ended, needed, asked, young = (
        work(store, WorkState.DONE),
        work(store, WorkState.FAILED),
        work(store, WorkState.DONE),
        work(store, WorkState.DONE, NOW),
    )
    open_work = work(store, WorkState.QUEUED, depends_on=(needed.id,))
    store.gates.add(gate(GateState.OPEN, work=asked.id))
    store.raised_limits.set(ended.id, 5.0)
    store.admissions.add(Ruling(OLD, "product-a", ended.id, "start", "ok", "", {}))
    assert removed(store, admissions=1000) == {"work": 1}
    everything = (ended, needed, asked, young, open_work)
    assert [store.work.get(each.id) is not None for each in everything] == [False, True, True, True, True]
    assert (store.raised_limits.get(ended.id), store.admissions.of(ended.id)) == (0.0, [])
    assert store.work.last_number() == 5


def test_mail_of_open_work_and_gates_stays_with_its_thread(store: Store) -> None:
    for id in ("m1", "m2", "m3"):
        store.mail.add(mail(id))
        store.threads.bind("product-a", id, "web:main", None)
    store.mail.add(mail("m4", NOW))
    work(store, WorkState.RUNNING, mail="m1")
    store.gates.add(gate(GateState.OPEN, mail="m2"))
    assert removed(store) == {"mail": 1}
    assert [store.mail.get("product-a", id) is not None for id in ("m1", "m2", "m3", "m4")] == [True, True, False, True]
    assert [store.threads.get("product-a", id) is not None for id in ("m1", "m2", "m3")] == [True, True, False]


def test_transcripts_spending_and_admissions_are_removed_by_age(store: Store) -> None:
    for turn, at in (("t1", OLD), ("t2", NOW)):
        store.transcript.append("web:main", turn, {"role": "user", "content": turn}, at)
        store.turns.record(turn, "web:main", at, 0.5, {})
        store.spending.note(at.date(), "product-a", 1.0)
        store.admissions.add(Ruling(at, "product-a", "w9", "start", "ok", "", {}))
    assert removed(store) == {"transcripts": 1, "admissions": 1, "spending": 2}
    assert [turn for turn, _ in store.transcript.of("web:main")] == ["t2"]
    assert (store.turns.get("t1"), [*store.spending.since(date(2020, 1, 1))]) == (None, [NOW.date()])


def test_audit_journal_still_verifies_after_every_batch(store: Store) -> None:
    rows = 2 * BATCH + 7
    with store.transaction():
        for number in range(rows):
            store.audit.add("skill", at=OLD, person="ana", product=None, subject=str(number), detail={})
        store.audit.add("skill", at=NOW, person="ana", product=None, subject="new", detail={})
    for _, batch in retention.remove_old(store, DAYS, NOW):
        assert batch <= BATCH
        assert store.audit.verify().broken is None
    assert [row["subject"] for row in store.audit.newest()] == ["new"]


def test_each_step_examines_a_bounded_number_of_rows(store: Store) -> None:
    with store.transaction():
        for number in range(2 * BATCH + 1):
            store.mail.add(mail(f"m{number}"))
    steps = [rows for _, rows in retention.remove_old(store, DAYS, NOW)]
    assert steps == [BATCH, BATCH, 1]


async def test_job_removes_history_by_the_days_of_the_registry_and_records_it(tmp_path: Path) -> None:
    bed = Bed(tmp_path, f"{REGISTRY}\nretention: {{conversations: 10, outbox: 10}}")
    async with bed:
        await bed.say("/fleet status")
        await bed.say("/fleet spawn product-a fix the test")
        bed.clock.forward(days=11)
        rows = await remove_old(bed.fleet)
        assert rows["conversations"] >= 4
        assert bed.store.posts.of("web:main") == []
        assert bed.work("w1").state.open
        (entry,) = bed.store.audit.found(limit=9, kind="retention")
        assert entry["detail"]["days"] == {"conversations": 10}
        assert json.dumps(entry["detail"]["removed"])
        await bed.say("/fleet status", event="later")
        bed.expect("product-a")
