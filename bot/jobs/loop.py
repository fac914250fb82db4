"""A loop that runs whatever is due, and tries again after a pause when something fails.

A table lists the jobs in order. Each pass asks every job what is due and starts a task for each item that neither runs nor
pauses after a failure. Passes happen when `wake` is called; nothing is polled here. Jobs read what is due from where it is
persisted, so a pass is safe to repeat after a crash.

This is one of the two places that catch every exception: a failing job is logged and never stops another.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from bot.domain.errors import FleetError
from bot.text.backoff import Backoff

log = logging.getLogger(__name__)

EVERYTHING = ""
"""The lane of jobs that any change may make due."""
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Job(Generic[Item]):
    """A row of the table that runs one task for each item that is due."""

    name: str
    due: Callable[[], Iterable[Item]]
    """Items that are due now. A generator is advanced only after its previous item has been started or skipped."""
    run: Callable[[Item], Coroutine[Any, Any, bool | None]]
    """The work on one item. It returns True to be run again after a pause."""
    key: Callable[[Item], str] = str
    """Text that identifies an item, so that a job never runs two tasks for the same one."""
    lane: str = EVERYTHING
    """Part of the table that this job's end makes due again."""
    failing: Callable[[Item, int], None] | None = None
    """Callback for each failure of an item, with the number of failures in a row."""


@dataclass(frozen=True, slots=True)
class Step:
    """A row of the table that is done at once, in every pass of its lane."""

    name: str
    run: Callable[[], None]
    lane: str = EVERYTHING


Table = Sequence[Job[Any] | Step]


class Loop:
    """Runs a table of jobs until cancelled."""

    def __init__(self, retries: Backoff, expected: tuple[type[FleetError], ...] = ()) -> None:
        self.table: Table = ()
        """The jobs in the order in which each pass checks them."""
        self._retries = retries
        self._expected = expected
        """Errors that pass by themselves, so that a line in the log is enough."""
        self._wake = asyncio.Event()
        self._lanes: set[str] = set()
        """Lanes in which something may be due."""
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._failures: dict[str, int] = {}
        self._pausing: set[str] = set()
        """Keys that failed and wait for their next attempt."""
        self._timer: asyncio.TimerHandle | None = None

    def wake(self, lane: str = EVERYTHING) -> None:
        """Ask for a pass, of one lane or of the whole table."""
        self._lanes.add(lane)
        self._wake.set()

    def wake_in(self, seconds: float, lane: str = EVERYTHING) -> None:
        """Ask for a pass later. Only the newest request is stored, because each pass finds the next one."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self.wake, lane)

    async def run(self) -> None:
        """Run passes whenever woken. When cancelled, cancel the tasks that were started."""
        self.wake()
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                lanes, self._lanes = self._lanes, set()
                for lane in {EVERYTHING} if EVERYTHING in lanes else lanes:
                    self.step(lane)
        finally:
            if self._timer is not None:
                self._timer.cancel()
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def settled(self) -> None:
        """Run passes until nothing more is due, for programs that do one thing and end."""
        self.step()
        while self._tasks:
            await asyncio.wait(self._tasks.values())
            self.step()

    def step(self, lane: str = EVERYTHING) -> None:
        """Run one pass, which starts whatever is due and not running yet."""
        for job in self.table:
            if lane in {EVERYTHING, job.lane}:
                self._ask(job)

    def busy(self, name: str, key: str = "") -> bool:
        """Return True while an item of a job runs or pauses after a failure."""
        task = _task(name, key)
        return task in self._tasks or task in self._pausing

    def failed(self, name: str, key: str = "") -> int:
        """Pause an item, the longer the more often it has failed. Return the number of failures in a row."""
        task = _task(name, key)
        failures = self._failures[task] = self._failures.get(task, 0) + 1
        self._pausing.add(task)
        asyncio.get_running_loop().call_later(self._retries.pause(failures), self._resume, task)
        return failures

    def succeeded(self, name: str, key: str = "") -> None:
        """Forget the failures of an item."""
        self._failures.pop(_task(name, key), None)

    def retry_now(self) -> None:
        """End every pause after a failure."""
        self._pausing.clear()
        self.wake()

    def _resume(self, task: str) -> None:
        self._pausing.discard(task)
        self.wake()

    def _ask(self, job: Job[Any] | Step) -> None:
        try:
            if isinstance(job, Step):
                job.run()
                return
            for item in job.due():
                self._start(job, item)
        except Exception:
            log.exception("Job %s failed.", job.name)

    def _start(self, job: Job[Item], item: Item) -> None:
        key = job.key(item)
        if self.busy(job.name, key):
            return
        name = _task(job.name, key)
        self._tasks[name] = asyncio.create_task(self._guarded(job, item, key), name=name)
        self._tasks[name].add_done_callback(lambda _: self._ended(name, job.lane))

    def _ended(self, name: str, lane: str) -> None:
        """Look again for what became due while the task ran."""
        self._tasks.pop(name, None)
        self.wake(lane)

    async def _guarded(self, job: Job[Item], item: Item, key: str) -> None:
        """Run one item. Whatever fails, or asks for it, is run again after a pause."""
        try:
            if await job.run(item):
                self.failed(job.name, key)
            else:
                self.succeeded(job.name, key)
            return
        except Exception as error:
            if isinstance(error, self._expected):
                log.info("Job %s is retried: %s", _task(job.name, key), error)
            else:
                log.exception("Job %s failed.", _task(job.name, key))
        failures = self.failed(job.name, key)
        if job.failing is not None:
            job.failing(item, failures)


def _task(name: str, key: str) -> str:
    return f"{name} {key}".rstrip()
