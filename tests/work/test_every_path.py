"""Admission on every path that starts an agent.

Work is refused or waits while nothing may start, and starts once when it may. No other code asks the engine to start
an agent.
"""

import ast
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from bot.domain import MailKind, WorkState
from bot.domain.errors import Conflict, FleetError
from bot.gates.decide import decide
from bot.work.capacity import capacity
from tests.bed import Bed
from tests.skills.speaking import run

ROOT = Path(__file__).parents[2]
STARTS = {"start", "send", "start_worker", "reply", "resume", "nudge"}
"""Operations of the engine that start or wake an agent."""
REGISTRY = """
products:
  - {name: product-a, path: /projects/product-a, priority: critical}
  - {name: product-b, path: /projects/product-b, priority: low, budget: {per_day_usd: 10}}
scheduling: {max_concurrent_sessions: 1}
schedules:
  - {name: hourly, product: product-b, cron: 30 * * * *, objective: count the visitors, missed: once}
"""
PLAN: dict[str, Any] = {"task": "t-1", "revision": 1}
Step = Callable[[Bed], Awaitable[Any]]


@pytest.fixture
async def bed(tmp_path: Path) -> Any:
    async with Bed(tmp_path, REGISTRY) as bed:
        yield bed


def says(text: str) -> Step:
    return lambda bed: bed.say(text)


def runs(line: str, **how: Any) -> Step:
    async def step(bed: Bed) -> None:
        with suppress(FleetError):
            await run(bed, line, **how)
        await bed.settled()

    return step


async def nothing(bed: Bed) -> None:
    pass


async def works(bed: Bed) -> None:
    await bed.say("/fleet spawn product-b fix it")
    bed.coordinator("product-b")


async def plans(bed: Bed) -> None:
    await works(bed)
    thread = bed.work("w1").mail
    bed.engine.push_mail("product-b", kind=MailKind.PLAN, subject="Plan", body="1. Do", **PLAN, thread=thread)
    await bed.settled()


async def wonders(bed: Bed) -> None:
    bed.engine.push_mail("product-b", kind=MailKind.QUESTION, subject="Which?", body="Which one?")
    await bed.settled()


async def stands(bed: Bed) -> None:
    await works(bed)
    await bed.say("/fleet pause product-b")


async def half_past(bed: Bed) -> None:
    bed.clock.at = bed.clock.at.replace(hour=12, minute=31)
    bed.jobs.wake()
    await bed.settled()


async def restarts(bed: Bed) -> None:
    bed.engine.go_down()
    for name in ("product-a", "product-b"):
        bed.engine.set_sessions(name)
    bed.engine.come_up(restarted=True)
    await bed.settled()


async def dies(bed: Bed) -> None:
    for _ in range(2):
        bed.clock.forward(seconds=11)
        bed.engine.set_sessions("product-b")
        await bed.settled()
    bed.clock.forward(minutes=2)
    await bed.jobs.tick()
    await bed.settled()


PATHS: dict[str, tuple[Step, Step]] = {
    "a command": (nothing, says("/fleet spawn product-b do it")),
    "a task for one worker": (nothing, says("/fleet spawn product-b do it --capability scout")),
    "the agent": (nothing, runs("spawn product-b do it", by_model=True)),
    "a schedule": (nothing, half_past),
    "a decision on a plan": (plans, says("/fleet approve-plan g1")),
    "an answer to an ended coordinator": (wonders, says("/fleet approve-plan g1 the blue one")),
    "a resumed product": (stands, says("/fleet resume product-b")),
    "a restarted runtime": (works, restarts),
    "a lost session": (works, dies),
}
"""Steps that prepare each path, and steps that then try to run product-b."""
REFUSED: dict[str, tuple[Step, Step]] = {
    "a question": (nothing, runs("ask product-b how far are you?")),
    "a mail": (nothing, runs("mail product-b --to coordinator continue")),
    "a nudge": (nothing, runs("nudge product-b coordinator continue")),
}
"""Steps that are refused instead of queued, because they make no sense later."""


async def full(bed: Bed) -> None:
    await bed.say("/fleet spawn product-a first things first")


async def brake(bed: Bed) -> None:
    await bed.say("/fleet brake --yes")


async def spent(bed: Bed) -> None:
    bed.engine.set_snapshot("product-b", cost_usd_today=10.0, cost_usd_total=10.0)
    await bed.settled()


def starts(bed: Bed) -> list[str]:
    return [call.op for call in bed.engine.calls if call.product == "product-b" and call.op in STARTS]


@pytest.mark.parametrize("against", [full, brake, spent])
@pytest.mark.parametrize("path", PATHS | REFUSED)
async def test_held_product_starts_nothing_on_any_path(bed: Bed, path: str, against: Step) -> None:
    before, wants = (PATHS | REFUSED)[path]
    await before(bed)
    await against(bed)
    had = starts(bed)
    await wants(bed)
    await bed.jobs.tick()
    await bed.settled()
    assert starts(bed) == had


@pytest.mark.parametrize("path", PATHS)
async def test_work_starts_once_when_there_is_capacity(bed: Bed, path: str) -> None:
    before, wants = PATHS[path]
    await before(bed)
    await full(bed)
    had = starts(bed)
    await wants(bed)
    first = next(work for work in bed.store.work.open("product-a"))
    bed.engine.push_mail("product-a", kind=MailKind.FINISHED, subject="Done", body="done", thread=first.mail)
    await bed.settled()
    assert len(starts(bed)) == len(had) + 1


async def test_questions_wake_no_more_coordinators_than_slots(bed: Bed) -> None:
    await run(bed, "ask product-a how far are you?", request="r1")
    assert capacity(bed.fleet).running == 1
    with pytest.raises(Conflict, match="waits for a slot"):
        await run(bed, "ask product-b how far are you?", request="r2")
    await bed.say("/fleet spawn product-b do it")
    assert bed.work("w1").state is WorkState.QUEUED
    await run(bed, "ask product-a and how long will it take?", request="r3")
    sent = next(mail for mail in bed.engine.box("product-a").mail if mail.kind is MailKind.QUESTION)
    bed.engine.push_mail("product-a", kind=MailKind.QUESTION, body="Half way.", thread=sent.id)
    await bed.settled()
    assert bed.work("w1").state is WorkState.RUNNING


async def test_answers_wake_no_more_coordinators_than_slots(bed: Bed) -> None:
    for product in ("product-a", "product-b"):
        bed.engine.push_mail(product, kind=MailKind.QUESTION, subject="Which?", body="Which one?")
    await bed.settled()
    for gate in ("g1", "g2"):
        decide(bed.fleet, gate, "answer", bed.person, note="the blue one")
    await bed.settled()
    assert len(bed.engine.calls_of("reply")) == 1
    await bed.crash()
    assert len(bed.engine.calls_of("reply")) == 1
    bed.clock.forward(minutes=11)
    await bed.jobs.tick()
    await bed.settled()
    assert len(bed.engine.calls_of("reply")) == 2, "a coordinator silent for ten minutes frees its slot"


def calls() -> Iterator[tuple[str, str, ast.Call]]:
    """Yield every call in the bot and its skills, with its module and function."""
    for file in sorted([*ROOT.glob("bot/**/*.py"), *ROOT.glob("skills/*.py")]):
        module = ".".join(file.relative_to(ROOT).with_suffix("").parts)
        if module.startswith(("bot.supervisor", "bot.rehearsal")):
            continue
        for function in ast.walk(ast.parse(file.read_text())):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                yield from ((module, function.name, call) for call in ast.walk(function) if isinstance(call, ast.Call))


def test_engine_is_asked_to_start_agents_only_in_known_functions() -> None:
    found = {
        (f"{module}.{function}", call.func.attr)
        for module, function, call in calls()
        if isinstance(call.func, ast.Attribute) and call.func.attr in STARTS
        if not module.startswith("bot.engine.")  # engines that wrap another one
        if isinstance(call.func.value, ast.Attribute | ast.Name) and ast.unparse(call.func.value).endswith("engine")
    }
    assert found == {
        ("bot.jobs.dispatch._start", "send"),
        ("bot.jobs.dispatch._start", "start_worker"),
        ("bot.jobs.deliver._send", "reply"),
        ("bot.jobs.deliver._check_receipt", "nudge"),
        ("bot.work.pause.resume_now", "resume"),
        ("skills.ask.ask", "send"),
        ("skills.mail._send", "send"),
        ("skills.nudge.nudge", "nudge"),
    }


def test_only_the_scheduler_admits_work() -> None:
    found = {
        f"{module}.{function}"
        for module, function, call in calls()
        if any(each.arg == "state" and ast.unparse(each.value) == "WorkState.STARTING" for each in call.keywords)
    }
    assert found == {"bot.jobs.scheduler._act"}
