"""Schedules. Each time runs once despite clock changes, zones and crashes. Repeated failures disable a schedule."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.domain import GateKind, MailKind, Person, Role, WorkState
from bot.gates.decide import decide
from bot.jobs import clock
from tests.bed import Bed
from tests.skills.speaking import commands, data, refusal, run

REGISTRY = """
products:
  - {name: product-a, path: /projects/product-a}
  - {name: product-c, path: /projects/product-c, type: marketing}
scheduling: {max_concurrent_sessions: 9, failures_in_a_row: 9}
schedules:
  - name: pieces
    product: product-c
    cron: 0 9 * * mon-fri
    timezone: Europe/Vienna
    objective: Write today's pieces.
    capability: marketing
    missed: skip
"""
NINE = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
"""Monday, nine o'clock in Vienna."""


@pytest.fixture
async def bed(tmp_path: Path) -> Any:
    async with Bed(tmp_path, REGISTRY) as bed:
        yield bed


async def at(bed: Bed, when: datetime) -> int:
    """Set the clock, run the jobs, and return the number of pieces of work."""
    bed.clock.at = when
    bed.jobs.wake()
    await bed.settled()
    return len(bed.store.work.newest(limit=500))


def registry(bed: Bed, old: str, new: str) -> None:
    bed.file.write_text(bed.file.read_text().replace(old, new))
    assert bed.registry.reload()


async def done(bed: Bed, kind: MailKind = MailKind.WORKER_FINISHED) -> None:
    work = bed.store.work.newest()[0]
    bed.engine.push_mail(work.product, sender=work.agent or "coordinator", kind=kind, subject="Done", body="done")
    bed.engine.set_sessions(work.product)
    await bed.settled()


async def test_due_schedule_runs_once_despite_a_crash(bed: Bed) -> None:
    assert await at(bed, NINE - timedelta(seconds=1)) == 0
    assert await at(bed, NINE) == 1
    await bed.crash()
    assert await at(bed, NINE + timedelta(minutes=1)) == 1
    work = bed.work("w1")
    assert (work.source, work.schedule, work.capability) == ("schedule", "pieces", "marketing")
    assert "by the schedule pieces" in (await run(bed, "why w1")).text
    await done(bed)
    assert await at(bed, NINE + timedelta(days=1)) == 2


async def test_clock_only_wakes_the_table_of_schedules(bed: Bed) -> None:
    look = clock.make(bed.jobs, bed.registry).get_job("schedules").func
    bed.clock.at = NINE
    await look()
    await bed.settled()
    assert len(bed.store.work.newest()) == 1


async def test_clock_jumps_run_nothing_twice(bed: Bed) -> None:
    assert await at(bed, NINE) == 1
    await done(bed)
    assert await at(bed, NINE - timedelta(hours=3)) == 1
    await bed.jobs.tick()
    assert await at(bed, NINE) == 1
    assert await at(bed, NINE + timedelta(days=365)) == 1, "the missed run is skipped"
    bed.clock.at = NINE + timedelta(hours=1)
    await bed.jobs.tick()
    assert await at(bed, NINE + timedelta(days=1)) == 2, "the clock set back does not delay runs by a year"


async def test_changed_time_zone_runs_nothing_twice(bed: Bed) -> None:
    assert await at(bed, NINE) == 1
    await done(bed)
    registry(bed, "Europe/Vienna", "UTC")
    await bed.jobs.watch()
    assert await at(bed, NINE + timedelta(hours=1)) == 1, "nine o'clock already ran"
    assert await at(bed, NINE + timedelta(days=1)) == 1
    assert await at(bed, NINE + timedelta(days=1, hours=1)) == 2


@pytest.mark.parametrize(("cron", "runs"), [("30 2 * * *", 1), ("30 * * * *", 2)])
async def test_repeated_hour_runs_a_fixed_time_once(tmp_path: Path, cron: str, runs: int) -> None:
    async with Bed(tmp_path, REGISTRY.replace("0 9 * * mon-fri", cron).replace("missed: skip", "missed: once")) as bed:
        bed.clock.at = datetime(2026, 10, 24, 23, 45, tzinfo=UTC)
        bed.fleet.store.schedules.remove("pieces")
        await bed.jobs.watch()
        for minutes in range(0, 130, 5):
            await at(bed, datetime(2026, 10, 25, 0, 0, tzinfo=UTC) + timedelta(minutes=minutes))
            if bed.store.work.newest() and bed.store.work.newest()[0].state.open:
                await done(bed)
        assert len(bed.store.work.newest()) == runs


@pytest.mark.parametrize(("policy", "runs"), [("skip", 0), ("once", 1)])
async def test_missed_runs_follow_the_missed_setting(tmp_path: Path, policy: str, runs: int) -> None:
    async with Bed(tmp_path, REGISTRY.replace("missed: skip", f"missed: {policy}")) as bed:
        assert await at(bed, NINE + timedelta(days=3, hours=1)) == runs
        assert await at(bed, NINE + timedelta(days=3, hours=2)) == runs
        if runs:
            await done(bed)
        assert await at(bed, NINE + timedelta(days=4)) == runs + 1


async def test_slightly_late_run_counts_as_on_time(bed: Bed) -> None:
    assert await at(bed, NINE + timedelta(minutes=4)) == 1


async def test_run_is_skipped_while_the_last_one_is_open(bed: Bed) -> None:
    await at(bed, NINE)
    assert await at(bed, NINE + timedelta(days=1)) == 1
    bed.expect("pieces", "was skipped, because `w1` is still running", kind="report")
    await done(bed)
    assert await at(bed, NINE + timedelta(days=2)) == 2


async def test_three_failures_disable_a_schedule(bed: Bed) -> None:
    for day in range(3):
        assert await at(bed, NINE + timedelta(days=day)) == day + 1
        await done(bed, MailKind.DIED)
        assert bed.store.work.newest()[0].state is WorkState.FAILED
    post = bed.expect("Schedule **pieces** is disabled: its last 3 runs failed: `w3`, `w2` and `w1`")
    assert commands(post) == ["/fleet schedule --enable pieces"]
    assert await at(bed, NINE + timedelta(days=3)) == 3
    await bed.crash()
    registry(bed, "product-a}", "product-a, priority: high}")
    await bed.jobs.watch()
    assert "disabled: its last 3 runs failed" in (await run(bed, "schedule")).text
    await bed.say("/fleet schedule --enable pieces")
    assert await at(bed, NINE + timedelta(days=4)) == 4


async def test_schedule_removed_or_disabled_in_the_registry_stops(bed: Bed) -> None:
    registry(bed, "missed: skip", "enabled: false")
    await bed.jobs.watch()
    assert await at(bed, NINE) == 0
    registry(bed, "enabled: false", "enabled: true")
    await bed.jobs.watch()
    assert await at(bed, NINE + timedelta(days=1)) == 1
    bed.file.write_text(bed.file.read_text().partition("schedules:")[0])
    assert bed.registry.reload()
    await bed.jobs.watch()
    assert bed.store.schedules.every() == []


# -- made in a conversation --------------------------------------------------------------------------------------------------

SAID = 'schedule product-a tidy up the branches --when "every weekday at 9" --timezone Europe/Vienna'


async def test_schedule_is_confirmed_before_it_is_saved(bed: Bed) -> None:
    (post,) = await bed.say(f"/fleet {SAID}")
    assert "**Monday to Friday at 09:00**, Europe/Vienna: “tidy up the branches” on **product-a**" in post.text
    assert "next Mon 2 Mar 09:00 Europe/Vienna (08:00 UTC)" in post.text
    assert "Nothing is saved yet." in post.text
    assert [each.name for each in bed.store.schedules.every()] == ["pieces"]
    (command,) = commands(post)
    (post,) = await bed.say(command)
    assert "Saved as **product-a-1**" in post.text
    assert await at(bed, NINE) == 2
    work = next(each for each in bed.store.work.newest() if each.product == "product-a")
    assert (work.objective, work.asked_by, work.conversation) == ("tidy up the branches", "ana", "web:main")
    assert [each["name"] for each in data(await run(bed, "schedule"))["schedules"]] == ["pieces", "product-a-1"]
    await bed.say("/fleet schedule --remove product-a-1")
    assert [each.name for each in bed.store.schedules.every()] == ["pieces"]


async def test_schedule_by_the_model_needs_approval(bed: Bed) -> None:
    result = await run(bed, SAID, by_model=True)
    assert data(result)["done"] is False
    gate = bed.open_gate()
    assert gate.kind is GateKind.ACTION
    assert "Monday to Friday at 09:00**, Europe/Vienna" in gate.body
    decide(bed.fleet, gate.id, "approve", bed.person)
    await bed.settled()
    assert [each.name for each in bed.store.schedules.every()] == ["pieces", "product-a-1"]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('schedule product-a do it --when "whenever"', "Not a valid recurring time"),
        ('schedule product-a do it --when "0 0 30 2 *"', "never occurs"),
        ('schedule product-a do it --when "daily at 9" --timezone Mars/Base', "is not a time zone"),
        ('schedule product-a do it --when "daily at 9" --name pieces', "is defined in products.yaml"),
        ("schedule product-a do it", "needs a product, an objective and a time"),
        ("schedule --remove pieces", "is defined in products.yaml"),
        ("schedule --enable nothing", "There is no schedule"),
        ('schedule product-z do it --when "daily at 9"', "There is no product"),
    ],
)
async def test_invalid_schedule_commands_are_refused(bed: Bed, line: str, why: str) -> None:
    assert why in await refusal(bed, f"/fleet {line}")
    assert len(bed.store.schedules.every()) == 1


async def test_viewer_sees_schedules_and_cannot_change_them(bed: Bed) -> None:
    bed.person = Person("vic", Role.VIEWER)
    assert "pieces" in (await run(bed, "schedule")).text
    for line in (f"{SAID} --yes", "schedule --disable pieces"):
        assert "needs the role operator" in await refusal(bed, f"/fleet {line}")
