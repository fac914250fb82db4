"""Retries of lost sessions, with a delay and a limit where repeating is safe. Otherwise a person decides."""

from pathlib import Path
from typing import Any

import pytest

from bot.domain import WorkState
from tests.bed import Bed
from tests.skills.speaking import commands

REGISTRY = """
products:
  - {name: product-a, path: /projects/product-a}
scheduling: {max_concurrent_sessions: 4, retries: 2, failures_in_a_row: 9}
"""


@pytest.fixture
async def bed(tmp_path: Path) -> Any:
    async with Bed(tmp_path, REGISTRY) as bed:
        yield bed


async def loses_its_session(bed: Bed) -> None:
    for _ in range(2):
        bed.clock.forward(seconds=11)
        bed.engine.set_sessions("product-a")
        await bed.settled()


async def later(bed: Bed, minutes: float) -> WorkState:
    bed.clock.forward(minutes=minutes)
    await bed.jobs.tick()
    await bed.settled()
    return bed.work("w1").state


@pytest.mark.parametrize("task", ["", " --capability scout"])
async def test_repeatable_work_is_retried_after_one_and_five_minutes_then_fails(bed: Bed, task: str) -> None:
    await bed.say(f"/fleet spawn product-a{task} fix it")
    for number, minutes in ((1, 1), (2, 5)):
        await loses_its_session(bed)
        post = bed.expect(f"retry {number} of 2", kind="report")
        assert commands(post) == ["/fleet cancel w1"]
        assert bed.work("w1").state is WorkState.QUEUED
        assert "after its session was lost" in bed.work("w1").reason
        assert await later(bed, minutes - 0.5) is WorkState.QUEUED
        assert await later(bed, 0.6) is WorkState.RUNNING
        assert bed.work("w1").attempt == number + 1
    await loses_its_session(bed)
    assert bed.work("w1").state is WorkState.FAILED
    post = bed.expect("`w1` failed", "It was started 3 times.", kind="report")
    assert commands(post)[0].startswith("/fleet spawn product-a")
    assert await later(bed, 60) is WorkState.FAILED


async def test_writing_work_is_not_retried_without_a_person(bed: Bed) -> None:
    await bed.say("/fleet spawn product-a --capability builder fix it")
    await loses_its_session(bed)
    assert bed.work("w1").state is WorkState.FAILED
    post = bed.expect("`w1` failed", "Its agents' commits are still on their branches.", kind="report")
    assert commands(post) == ["/fleet spawn product-a --capability builder fix it"]
