"""`kill -9` at every seam of a queue under limits.

No work is lost or started twice, and no limit on slots or money is exceeded. As in `tests/store/test_seams.py`, a
seam is the moment before a commit or a call of the engine. Here the number of running sessions is checked after every
step.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from bot.domain import GateState, MailKind, WorkState
from bot.work.capacity import capacity
from bot.work.pause import paused
from tests.store.test_seams import Fate, Killed, Life, every

REGISTRY = """
products:
  - {name: product-a, path: /projects/product-a, priority: high, budget: {per_day_usd: 10}}
  - {name: product-b, path: /projects/product-b}
  - {name: product-c, path: /projects/product-c, priority: low}
scheduling: {max_concurrent_sessions: 2}
schedules:
  - {name: hourly, product: product-c, cron: 30 * * * *, objective: count the visitors, missed: once}
"""
LEAST = 100
"""Minimum number of seams."""
PLAN: dict[str, Any] = {"task": "t-1", "revision": 1}


class Queue(Life):
    """A fleet with limits, whose every seam is counted."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.file.write_text(REGISTRY)

    def most_in_use(self) -> int:
        return capacity(self.fleet).running


def says(event: str, text: str) -> Callable[[Queue], Awaitable[Any]]:
    async def step(bed: Queue) -> None:
        await bed.say(text, event=event)

    return step


def ends(product: str, subject: str) -> Callable[[Queue], Awaitable[Any]]:
    """Return a step that ends this product's work, once."""

    async def step(bed: Queue) -> None:
        if all(mail.subject != subject for mail in bed.engine.box(product).mail):
            work = next(each for each in bed.store.work.open(product) if each.mail)
            bed.engine.push_mail(product, kind=MailKind.FINISHED, subject=subject, body=subject, thread=work.mail)

    return step


async def plans(bed: Queue) -> None:
    if all(mail.subject != "Plan" for mail in bed.engine.box("product-a").mail):
        thread = bed.work("w1").mail
        bed.engine.push_mail("product-a", kind=MailKind.PLAN, subject="Plan", body="1. Do", **PLAN, thread=thread)


async def overspends(bed: Queue) -> None:
    bed.engine.set_snapshot("product-a", cost_usd_today=10.5, cost_usd_total=10.5)


async def half_past(bed: Queue) -> None:
    bed.clock.at = bed.clock.at.replace(hour=12, minute=31)
    bed.jobs.wake()


STEPS: tuple[Callable[[Queue], Awaitable[Any]], ...] = (
    says("one", "/fleet spawn product-a fix it"),
    says("two", "/fleet spawn product-b tidy up"),
    says("three", "/fleet spawn product-c write"),
    says("first", "/fleet prioritize w3 critical"),
    plans,
    says("yes", "/fleet approve-plan g1"),
    half_past,
    ends("product-b", "B is done"),
    overspends,
    says("more", "/fleet resume product-a --spend 5"),
    says("brake", "/fleet brake --yes"),
    says("off", "/fleet brake --release"),
    ends("product-c", "C is done"),
    ends("product-a", "A is done"),
    ends("product-c", "C is done again"),
)


async def settle(bed: Queue) -> None:
    await bed.settled()
    assert bed.most_in_use() <= 2, "more sessions run than the limit allows"


async def live(bed: Queue) -> None:
    """Perform every step, and repeat it after a crash."""
    for step in STEPS:
        while True:
            try:
                await step(bed)
                await settle(bed)
            except Killed:
                pass
            if not bed.fate.dead:
                break
            await bed.restart()
            await settle(bed)


def check(bed: Queue) -> None:
    """Check that everything is as if nothing had happened."""
    work = bed.store.work.newest()
    assert [each.objective for each in reversed(work)] == ["fix it", "tidy up", "write", "count the visitors"]
    assert {each.state for each in work} == {WorkState.DONE}, [(each.id, each.state, each.reason) for each in work]
    sent = Counter(mail.subject for box in bed.engine.boxes.values() for mail in box.mail if mail.ours)
    assert set(sent.values()) == {1}, sent
    assert len(sent) == 5, "four pieces of work, and one answer"
    gates = bed.store.gates.in_states()
    assert [(gate.kind.value, gate.state) for gate in gates] == [("plan", GateState.DELIVERED), ("action", GateState.WITHDRAWN)]
    starts = Counter(ruling.work for ruling in bed.store.admissions.starts_since(bed.clock().replace(hour=0)))
    assert {id: starts[id] for id in ("w1", "w2", "w3", "w4")} == {"w1": 2, "w2": 1, "w3": 1, "w4": 1}
    assert [name for name in bed.fleet.products if paused(bed.fleet, name)] == []
    assert bed.store.brakes.all() == {}
    assert bed.store.product_states.braked() == []
    assert bed.store.resumptions.all() == []
    assert bed.store.raised_limits.get("product-a", bed.clock().date()) == 5.5
    assert bed.store.audit.first_broken() is None


async def run(folder: Path, at: int | None) -> list[str]:
    """Run one life and return the seams of its first process."""
    folder.mkdir()
    bed = Queue(folder)
    bed.fate = fate = Fate()
    await bed.start()
    fate.at = at
    try:
        await live(bed)
        await settle(bed)
        check(bed)
    finally:
        await bed.kill()
    return fate.met


async def test_crash_at_any_point_loses_no_work_and_exceeds_no_limit(tmp_path: Path) -> None:
    await every(run, tmp_path, LEAST, step=16)
