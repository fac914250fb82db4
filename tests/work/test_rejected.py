"""Work whose plan people rejected ends as rejected, however its end is noticed."""

import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.domain import Decision, Gate, GateKind, GateState, MailKind, WorkState
from bot.gates.decide import decide
from bot.gates.lifecycle import plan_rejected
from bot.store.migrations import rejected_work
from bot.work.pause import stop
from tests.bed import Bed

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
async def bed(tmp_path: Path) -> AsyncIterator[Bed]:
    async with Bed(tmp_path) as bed:
        bed.coordinator("product-a")
        await bed.say("/fleet spawn product-a rewrite the parser")
        mail = bed.work("w1").mail
        bed.engine.push_mail("product-a", kind=MailKind.PLAN, subject="Plan", body="1. Do it", thread=mail, task="t")
        await bed.settled()
        yield bed


async def reject(bed: Bed) -> None:
    decide(bed.fleet, "g1", "reject", bed.person, note="not now")
    await bed.settled()


@pytest.mark.parametrize("kind", [MailKind.FINISHED, MailKind.FAILED])
async def test_result_after_rejected_plan_ends_work_as_rejected(bed: Bed, kind: MailKind) -> None:
    await reject(bed)
    bed.engine.push_mail("product-a", kind=kind, subject="Closed", body="Nothing was changed", thread=bed.work("w1").mail)
    await bed.settled()
    assert bed.work("w1").state is WorkState.REJECTED
    assert bed.work("w1").ended_at is not None
    ended = [row["detail"]["ended"] for row in bed.fleet.store.audit.found(limit=9, subject="w1") if "ended" in row["detail"]]
    assert ended == ["rejected"]


async def test_stopping_work_after_rejected_plan_ends_it_as_rejected(bed: Bed) -> None:
    await reject(bed)
    await stop(bed.fleet, "product-a", bed.person)
    assert bed.work("w1").state is WorkState.REJECTED


async def test_work_that_depends_on_rejected_work_never_starts_and_says_so(bed: Bed) -> None:
    await bed.say("/fleet spawn product-c --after w1 continue")
    await reject(bed)
    bed.engine.push_mail("product-a", kind=MailKind.FINISHED, subject="Closed", body="Closed", thread=bed.work("w1").mail)
    await bed.settled()
    assert bed.work("w2").state is WorkState.QUEUED
    assert "depends on w1, which was rejected, so it never starts" in bed.work("w2").reason


@pytest.mark.parametrize(
    ("choices", "expected"),
    [
        ([("a", "reject")], True),
        ([("a", "changes"), ("a", "reject")], True),
        ([("a", "reject"), ("a", "approve")], False),
        ([("a", "reject"), ("b", "approve")], False),
        ([("b", "approve"), ("a", "reject")], False),
        ([("a", "changes")], False),
        ([], False),
    ],
)
def test_plan_is_rejected_only_if_no_other_is_approved(choices: list[tuple[str, str]], expected: bool) -> None:
    gates = [
        Gate(
            f"g{number}",
            "product-a",
            GateKind.PLAN,
            "A plan",
            "1.",
            GateState.DELIVERED,
            NOW,
            NOW,
            thread=thread,
            decision=Decision(choice, "ana", NOW),
        )
        for number, (thread, choice) in enumerate(choices, 1)
    ]
    assert plan_rejected(gates) is expected


def test_migration_marks_work_with_a_rejected_plan() -> None:
    db = sqlite3.connect(":memory:")
    db.executescript(
        """
        CREATE TABLE work (n INTEGER PRIMARY KEY, state TEXT);
        CREATE TABLE gates (n INTEGER PRIMARY KEY, kind TEXT, work TEXT, thread TEXT);
        CREATE TABLE decisions (gate INTEGER, choice TEXT, final INTEGER);
        INSERT INTO work VALUES (1, 'done'), (2, 'failed'), (3, 'done'), (4, 'running'), (5, 'done');
        INSERT INTO gates VALUES (1, 'plan', 'w1', 'a'), (2, 'plan', 'w2', 'a'), (3, 'plan', 'w2', 'a'), (4, 'plan', 'w3', 'a'),
            (5, 'plan', 'w3', 'b'), (6, 'plan', 'w4', 'a'), (7, 'question', 'w5', 'a');
        INSERT INTO decisions VALUES (1, 'reject', 1), (2, 'changes', 1), (3, 'reject', 1), (4, 'reject', 1), (5, 'approve', 1),
            (6, 'reject', 1), (7, 'reject', 1);
        """
    )
    rejected_work.migrate(db)
    assert db.execute("SELECT state FROM work ORDER BY n").fetchall() == [
        ("rejected",),
        ("rejected",),
        ("done",),
        ("running",),
        ("done",),
    ]
