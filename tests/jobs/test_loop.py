"""The loop and its table of jobs, without a fleet."""

import asyncio
from collections.abc import Iterator

import pytest

from bot.domain.errors import EngineError
from bot.jobs.loop import Job, Loop, Step
from bot.text.backoff import Backoff

SOON = Backoff(0.001, longest=0.01)
NEVER = Backoff(1000, longest=1000)


class Queue:
    """Items that are due until they have been run."""

    def __init__(self, *items: str) -> None:
        self.items = list(items)
        self.ran: list[str] = []
        self.hold = asyncio.Event()
        self.hold.set()
        self.failures = 0

    def due(self) -> list[str]:
        return list(self.items)

    async def run(self, item: str) -> None:
        await self.hold.wait()
        self.ran.append(item)
        if self.failures:
            self.failures -= 1
            raise EngineError("Not now.", code="locked")
        self.items.remove(item)


async def test_each_due_item_runs_once_and_in_order() -> None:
    queue, loop = Queue("a", "b"), Loop(SOON)
    loop.table = (Job("work", queue.due, queue.run),)
    await loop.settled()
    assert queue.ran == ["a", "b"]


async def test_running_item_is_not_started_again() -> None:
    queue, loop = Queue("a"), Loop(SOON)
    loop.table = (Job("work", queue.due, queue.run),)
    queue.hold.clear()
    loop.step()
    assert loop.busy("work", "a")
    loop.step()
    queue.hold.set()
    await loop.settled()
    assert queue.ran == ["a"]
    assert not loop.busy("work", "a")


async def test_failed_item_pauses_and_the_others_run() -> None:
    queue, loop = Queue("a", "b"), Loop(NEVER, expected=(EngineError,))
    queue.failures = 1
    loop.table = (Job("work", queue.due, queue.run),)
    await loop.settled()
    assert queue.ran == ["a", "b"]
    assert loop.busy("work", "a")
    loop.retry_now()
    await loop.settled()
    assert queue.ran == ["a", "b", "a"]


async def test_failures_are_counted_and_reported() -> None:
    queue, loop, heard = Queue("a"), Loop(SOON, expected=(EngineError,)), list[int]()
    queue.failures = 3
    loop.table = (Job("work", queue.due, queue.run, failing=lambda _, failures: heard.append(failures)),)
    running = asyncio.create_task(loop.run())
    async with asyncio.timeout(5):
        while queue.items:
            await asyncio.sleep(0.001)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert heard == [1, 2, 3]


async def test_broken_job_does_not_stop_the_next_one(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> Iterator[str]:
        raise ValueError("no rows")

    queue, loop = Queue("a"), Loop(SOON)
    loop.table = (
        Job("broken", broken, queue.run),
        Step("also broken", lambda: list(broken()).clear()),
        Job("work", queue.due, queue.run),
    )
    await loop.settled()
    assert queue.ran == ["a"]
    assert "Job broken failed." in caplog.text
    assert "Job also broken failed." in caplog.text


async def test_waking_one_lane_leaves_the_other_jobs_alone() -> None:
    steps, loop = list[str](), Loop(SOON)
    loop.table = (Step("all", lambda: steps.append("all")), Step("posts", lambda: steps.append("posts"), lane="posts"))
    loop.step("posts")
    assert steps == ["posts"]
    loop.step()
    assert steps == ["posts", "all", "posts"]


async def test_cancelled_loop_cancels_its_tasks() -> None:
    queue, loop = Queue("a"), Loop(SOON)
    queue.hold.clear()
    loop.table = (Job("work", queue.due, queue.run),)
    running = asyncio.create_task(loop.run())
    await asyncio.sleep(0.01)
    assert loop.busy("work", "a")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert not loop.busy("work", "a")
    assert queue.ran == []
