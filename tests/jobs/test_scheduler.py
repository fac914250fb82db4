"""Slots as people see them, for new, waiting, paused and resumed work."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.domain import GateState, MailKind, Trouble, WorkState
from bot.domain.errors import EngineError
from bot.gates.decide import decide
from bot.work import estimates
from bot.work.capacity import capacity
from bot.work.pause import paused
from bot.work.status import status
from tests.bed import Bed

REGISTRY = """
products:
  - {name: product-a, path: /projects/product-a, priority: high}
  - {name: product-b, path: /projects/product-b}
  - {name: product-c, path: /projects/product-c}
  - {name: product-d, path: /projects/product-d, priority: low}
scheduling: {max_concurrent_sessions: 2, failures_in_a_row: 3, retries: 0}
"""
PLAN: dict[str, Any] = {"task": "t-1", "revision": 1}


@pytest.fixture
async def bed(tmp_path: Path) -> Any:
    async with Bed(tmp_path, REGISTRY) as bed:
        yield bed


async def spawn(bed: Bed, product: str, words: str = "do it", options: str = "") -> None:
    await bed.say(f"/fleet spawn {product} {options} -- {words}")


async def plan(bed: Bed, work: str) -> None:
    thread, product = bed.work(work).mail, bed.work(work).product
    bed.engine.push_mail(product, kind=MailKind.PLAN, subject=f"Plan {work}", body="1. Do", **PLAN, thread=thread)
    await bed.settled()


async def ends(bed: Bed, work: str, kind: MailKind = MailKind.FINISHED) -> None:
    bed.engine.push_mail(bed.work(work).product, kind=kind, subject="Done", body="done", thread=bed.work(work).mail)
    await bed.settled()


def states(bed: Bed) -> dict[str, str]:
    return {work.id: work.state.value for work in reversed(bed.store.work.newest())}


async def test_third_start_waits_for_a_free_slot(bed: Bed) -> None:
    for product in ("product-b", "product-c", "product-a"):
        await spawn(bed, product)
    assert states(bed) == {"w1": "running", "w2": "running", "w3": "queued"}
    assert bed.work("w3").reason == "waits for a slot (2 of 2 in use)"
    await ends(bed, "w1")
    assert states(bed) == {"w1": "done", "w2": "running", "w3": "running"}
    told = bed.store.admissions.of("w3")
    assert [(each.verdict, each.code) for each in told] == [("start", "admitted"), ("wait", "sessions")]
    assert told[0].numbers["slots"] == [2, 2]


async def test_waiting_work_releases_its_slot_and_needs_one_to_resume(bed: Bed) -> None:
    await spawn(bed, "product-a")
    await spawn(bed, "product-b")
    await spawn(bed, "product-c")
    await spawn(bed, "product-d")
    await plan(bed, "w1")
    assert states(bed) == {"w1": "waiting", "w2": "running", "w3": "running", "w4": "queued"}
    decide(bed.fleet, "g1", "approve", bed.person)
    await bed.settled()
    assert bed.work("w1").reason == "decided, resumes when a slot is free: waits for a slot (2 of 2 in use)"
    assert not bed.engine.calls_of("reply")
    await ends(bed, "w2")
    assert states(bed) == {"w1": "running", "w2": "done", "w3": "running", "w4": "queued"}
    assert len(bed.engine.calls_of("reply")) == 1
    assert [each.verdict for each in bed.store.admissions.of("w1")] == ["resume", "wait", "start"]


async def test_waiting_work_keeps_its_slot_if_configured(tmp_path: Path) -> None:
    async with Bed(tmp_path, REGISTRY.replace("retries: 0", "waiting_keeps_slot: true")) as bed:
        for product in ("product-a", "product-b", "product-c"):
            await spawn(bed, product)
        await plan(bed, "w1")
        assert states(bed) == {"w1": "waiting", "w2": "running", "w3": "queued"}
        decide(bed.fleet, "g1", "approve", bed.person)
        await bed.settled()
        assert states(bed)["w1"] == "running"


async def test_undeliverable_decision_leaves_the_work_waiting(bed: Bed) -> None:
    await spawn(bed, "product-a")
    await plan(bed, "w1")
    bed.engine.fail("reply", EngineError("The mailbox is gone.", code="corrupt"))
    decide(bed.fleet, "g1", "approve", bed.person)
    await bed.settled()
    assert bed.work("w1").state is WorkState.WAITING
    assert "was not delivered" in bed.work("w1").reason


async def test_answer_for_an_ended_coordinator_waits_for_a_slot(bed: Bed) -> None:
    bed.engine.push_mail("product-d", kind=MailKind.QUESTION, subject="Which?", body="Which one?")
    await bed.settled()
    await spawn(bed, "product-a")
    await spawn(bed, "product-b")
    await bed.say("/fleet approve-plan g1 the blue one")
    assert bed.fleet.gate("g1").state is GateState.DECIDED
    assert not bed.engine.calls_of("reply", "product-d")
    await ends(bed, "w1")
    assert len(bed.engine.calls_of("reply", "product-d")) == 1


async def test_paused_product_releases_its_slot_and_resumes_when_one_is_free(bed: Bed) -> None:
    await spawn(bed, "product-a")
    await spawn(bed, "product-b")
    await spawn(bed, "product-c")
    await bed.say("/fleet pause product-b")
    assert states(bed) == {"w1": "running", "w2": "running", "w3": "running"}
    assert capacity(bed.fleet).running == 2
    (post,) = await bed.say("/fleet resume product-b", event="again")
    assert "resumes as soon as there is capacity: waits for a slot (2 of 2 in use)" in post.text
    assert not bed.engine.calls_of("resume")
    await spawn(bed, "product-d")
    await ends(bed, "w1")
    assert len(bed.engine.calls_of("resume", "product-b")) == 1
    assert capacity(bed.fleet).running == 2
    assert states(bed)["w4"] == "queued", "resumed work has priority"
    bed.expect("product-b** resumed", kind="report")
    assert not paused(bed.fleet, "product-b")
    (post,) = await bed.say("/fleet why product-b")
    assert "slots in use 2 of 2" in post.text


async def test_paused_work_keeps_its_memory(bed: Bed) -> None:
    await spawn(bed, "product-a")
    await spawn(bed, "product-b")
    bed.engine.set_snapshot("product-a", memory_mib=1024.0)
    bed.engine.set_snapshot("product-b", memory_mib=3072.0)
    await bed.settled()
    assert (capacity(bed.fleet).memory_gb, capacity(bed.fleet).standing_gb) == (4.0, 0.0)
    await bed.say("/fleet pause product-b")
    await plan(bed, "w1")
    assert (capacity(bed.fleet).memory_gb, capacity(bed.fleet).standing_gb) == (4.0, 4.0)


async def test_pending_resume_happens_once_across_a_crash(bed: Bed) -> None:
    for product in ("product-a", "product-b", "product-c"):
        await spawn(bed, product)
    await bed.say("/fleet pause product-b")
    await bed.say("/fleet resume product-b")
    await bed.crash()
    assert capacity(bed.fleet).running == 2
    await ends(bed, "w1")
    await bed.crash()
    assert len(bed.engine.calls_of("resume", "product-b")) == 1
    assert len([post for post in bed.posts("report") if "product-b** resumed" in post.text]) == 1


async def test_resume_undoes_pause_with_focus(bed: Bed) -> None:
    await spawn(bed, "product-a")
    await spawn(bed, "product-b")
    await spawn(bed, "product-c")
    await spawn(bed, "product-d")
    (post,) = await bed.say("/fleet pause product-b --focus product-d")
    assert "product-d has priority until product-b resumes" in post.text.lower()
    assert states(bed) == {"w1": "running", "w2": "running", "w3": "queued", "w4": "running"}
    assert status(bed.fleet, ["product-d"]).products[0].priority == "critical"
    await bed.crash()
    await ends(bed, "w1")
    (post,) = await bed.say("/fleet resume product-b")
    assert status(bed.fleet, ["product-d"]).products[0].priority == "low"
    assert bed.fleet.product("product-d").priority == "low", "the registry file is unchanged"


async def test_dependent_work_waits_for_its_dependency(bed: Bed) -> None:
    await spawn(bed, "product-a")
    await spawn(bed, "product-b", options="--after w1")
    assert bed.work("w2").reason == "waits for w1, which is running"
    await plan(bed, "w1")
    assert bed.work("w2").reason == "waits for w1, which is waiting for a decision"
    await ends(bed, "w1")
    assert states(bed)["w2"] == "running"
    await spawn(bed, "product-c", options="--after w2")
    await ends(bed, "w2", MailKind.FAILED)
    assert "depends on w2, which failed" in bed.work("w3").reason
    await bed.say("/fleet prioritize w3 --after none")
    assert states(bed)["w3"] == "running"


async def test_product_cools_down_after_failures_and_then_gets_one_trial(bed: Bed) -> None:
    for _ in range(3):
        await spawn(bed, "product-b")
        await ends(bed, bed.store.work.newest()[0].id, MailKind.FAILED)
    await spawn(bed, "product-b")
    await spawn(bed, "product-b")
    assert "has failed 3 times in a row" in bed.work("w4").reason
    assert "/fleet resume product-b" in bed.work("w4").reason
    bed.clock.forward(minutes=31)
    await bed.jobs.tick()
    await bed.settled()
    assert (states(bed)["w4"], states(bed)["w5"]) == ("running", "queued")
    assert "as a trial" in bed.work("w5").reason
    await ends(bed, "w4")
    assert states(bed)["w5"] == "running"


async def test_resume_ends_the_cooling_of_a_failed_product(bed: Bed) -> None:
    for _ in range(3):
        await spawn(bed, "product-b")
        await ends(bed, bed.store.work.newest()[0].id, MailKind.FAILED)
    await spawn(bed, "product-b")
    await bed.say("/fleet resume product-b")
    assert states(bed)["w4"] == "running"


async def test_expected_memory_is_learned_from_recent_runs(bed: Bed) -> None:
    for mib, total in ((300, 3.0), (700, 5.0), (500, 6.0)):
        await spawn(bed, "product-b")
        bed.engine.set_snapshot("product-b", memory_mib=float(mib), cost_usd_total=total)
        await bed.settled()
        bed.clock.forward(minutes=4)
        await ends(bed, bed.store.work.newest()[0].id)
    known = estimates.expected(bed.fleet, "product-b", None)
    assert (round(known.memory_gb, 2), known.seconds, known.runs) == (0.68, 240.0, 3)
    assert known.usd == 2.0, "the median of 3, 2 and 1"


async def test_repeatedly_failing_start_is_reported_once(bed: Bed) -> None:
    bed.engine.fail("send", EngineError("The database is locked.", code="locked"), times=50)
    await spawn(bed, "product-b")
    for _ in range(500):
        await asyncio.sleep(0.01)
        bed.jobs.loop.retry_now()
        if any("could not start yet" in post.text for post in bed.heard):
            break
    post = bed.expect("could not start yet", "The database is locked.")
    assert post.suggestions[0].command == "/fleet stop product-b"
    assert len([each for each in bed.posts("error") if "could not start yet" in each.text]) == 1


async def test_stalled_work_is_reported_once_with_actions(bed: Bed) -> None:
    await spawn(bed, "product-b")
    session = bed.coordinator("product-b")
    bed.engine.set_sessions("product-b", replace(session, last_activity=bed.clock()))
    bed.clock.forward(minutes=19)
    await bed.jobs.tick()
    await bed.settled()
    assert bed.work("w1").reason == ""
    for _ in range(2):
        bed.clock.forward(minutes=2)
        await bed.jobs.tick()
        await bed.settled()
    post = bed.expect("w1", "may have stalled", "no activity from coordinator for 21 min")
    assert [each.command.split()[1] for each in post.suggestions] == ["inspect", "nudge", "stop"]
    assert len([each for each in bed.posts("report") if "stalled" in each.text]) == 1
    assert bed.work("w1").state is WorkState.RUNNING


async def test_product_in_trouble_holds_only_its_own_work(bed: Bed) -> None:
    bed.engine.set_trouble("product-a", Trouble("path_missing", "Its folder is gone.", "Run `fleet adopt`."))
    await spawn(bed, "product-a")
    await spawn(bed, "product-d")
    assert (bed.work("w1").reason, states(bed)["w2"]) == ("product-a: Its folder is gone. Run fleet adopt", "running")
