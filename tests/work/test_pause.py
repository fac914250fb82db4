"""Pausing, parking, stopping and losing sessions during a start, a question or an answer."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.domain import GateState, MailKind, Person, Role, WorkState
from bot.domain.errors import Conflict, EngineError
from bot.engine.base import SnapshotChanged
from bot.gates.decide import decide
from bot.work.capacity import capacity
from bot.work.pause import stop
from bot.work.status import status
from tests.bed import Bed
from tests.fakes.engine import FakeEngine

PLAN: dict[str, Any] = {"task": "t-1", "revision": 1}


class SlowEngine(FakeEngine):
    """An engine whose operations can be held at their start. A coordinator's start can take seconds."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.holding: str = ""
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()

    async def _held(self, op: str) -> None:
        if self.holding == op:
            self.begun.set()
            await self.go_on.wait()

    async def send(self, product: str, subject: str, body: str, **how: Any) -> str:
        await self._held("send")
        return await super().send(product, subject, body, **how)

    async def stop(self, product: str, agent: str | None = None) -> tuple[str, ...]:
        await self._held("stop")
        return await super().stop(product, agent)


class SlowBed(Bed):
    engine: SlowEngine

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.engine = SlowEngine(now=self.clock)


@pytest.fixture
async def bed(tmp_path: Path) -> Any:
    async with SlowBed(tmp_path) as bed:
        yield bed


async def plan(bed: Bed, work: str = "w1") -> None:
    thread = bed.work(work).mail
    bed.engine.push_mail("product-a", kind=MailKind.PLAN, subject="Plan", body="1. Do", **PLAN, thread=thread)
    await bed.settled()


async def begin(bed: SlowBed, text: str, op: str) -> asyncio.Task[Any]:
    """Say something that makes the engine do something, and wait until it is at it."""
    bed.engine.holding = op
    task = asyncio.create_task(bed.say(text))
    await asyncio.wait_for(bed.engine.begun.wait(), 5)
    return task


async def test_stop_waits_for_a_start_under_way(bed: SlowBed) -> None:
    started = await begin(bed, "/fleet spawn product-a fix it", "send")
    stopped = asyncio.create_task(bed.say("/fleet stop product-a --yes"))
    await asyncio.sleep(0.01)
    bed.engine.go_on.set()
    await asyncio.gather(started, stopped)
    assert bed.work("w1").state is WorkState.CANCELLED
    assert not bed.engine.box("product-a").snapshot.coordinator


async def test_admitted_work_stopped_before_its_start_never_starts(bed: SlowBed) -> None:
    stopping = await begin(bed, "/fleet stop product-a --yes", "stop")
    await bed.router.handle(bed.inbound("/fleet spawn product-a fix it"))
    for _ in range(5):
        await asyncio.sleep(0)
    assert bed.engine.calls_of("send") == []
    bed.engine.go_on.set()
    await stopping
    assert bed.work("w1").state is WorkState.RUNNING
    assert bed.engine.box("product-a").snapshot.coordinator


async def test_stopping_the_coordinator_ends_its_objectives(bed: SlowBed) -> None:
    await bed.say("/fleet spawn product-a fix it")
    await bed.say("/fleet spawn product-a --capability scout look")
    await stop(bed.fleet, "product-a", bed.person, "coordinator")
    assert [bed.work(id).state for id in ("w1", "w2")] == [WorkState.CANCELLED, WorkState.RUNNING]


async def test_pending_answer_does_not_restart_stopped_work(bed: SlowBed) -> None:
    await bed.say("/fleet spawn product-a fix it")
    await plan(bed)
    bed.engine.fail("reply", EngineError("The mailbox is locked.", code="locked"), times=1)
    decide(bed.fleet, "g1", "approve", bed.person)
    await bed.settled()
    await bed.say("/fleet stop product-a --yes")
    await bed.crash()
    assert not bed.engine.box("product-a").snapshot.coordinator
    gate = bed.fleet.gate("g1")
    assert (gate.state, gate.reason) == (GateState.DECIDED, "ana stopped its session")


async def test_work_of_a_paused_product_frees_its_slot(bed: SlowBed) -> None:
    bed.file.write_text(bed.file.read_text().replace("max_concurrent_sessions: 2", "max_concurrent_sessions: 1"))
    bed.registry.reload()
    bed.engine.fail("send", EngineError("product-a is paused.", code="paused"), product="product-a")
    bed.engine.fail("pause", EngineError("Not now.", code="engine_failed"))
    await bed.say("/fleet pause product-a")
    bed.engine.set_snapshot("product-a", paused=True)
    await bed.say("/fleet spawn product-a one")
    await bed.say("/fleet spawn product-b two")
    assert [bed.work(id).state for id in ("w1", "w2")] == [WorkState.QUEUED, WorkState.RUNNING]


async def test_pause_refused_by_the_engine_changes_nothing(bed: SlowBed) -> None:
    bed.engine.fail("pause", EngineError("Its agents run on a tmux server of others.", code="unsupported"))
    (said,) = await bed.say("/fleet pause product-a")
    assert "tmux server" in said.text
    await bed.say("/fleet spawn product-a fix it")
    assert bed.work("w1").state is WorkState.RUNNING


async def test_pause_in_the_runtime_is_shown_and_can_be_resumed(bed: SlowBed) -> None:
    bed.engine.set_snapshot("product-a", paused=True)
    await bed.say("/fleet spawn product-a fix it")
    assert status(bed.fleet, ["product-a"]).products[0].state == "paused"
    (said,) = await bed.say("/fleet resume product-a")
    assert said.kind == "reply", said.text
    assert bed.work("w1").state is WorkState.RUNNING


async def test_pausing_a_parked_product_keeps_it_parked(bed: SlowBed) -> None:
    await bed.say("/fleet spawn product-a fix it")
    await bed.say("/fleet pause product-a --park")
    await bed.say("/fleet pause product-a")
    assert bed.store.product_states.pause("product-a") == "parked"
    await bed.say("/fleet resume product-a")
    assert (bed.work("w1").state, bed.work("w1").attempt) == (WorkState.RUNNING, 2)


async def test_resume_finishes_interrupted_parking(bed: SlowBed) -> None:
    """The fleet was killed after storing the pause and before ending the sessions."""
    await bed.say("/fleet spawn product-a fix it")
    bed.store.product_states.set_pause("product-a", "parked")
    await bed.crash()
    await bed.say("/fleet resume product-a")
    assert (bed.work("w1").state, bed.work("w1").attempt) == (WorkState.RUNNING, 2)
    assert len(bed.engine.calls_of("stop")) == 1


async def test_next_attempt_after_parking_learns_earlier_decisions(bed: SlowBed) -> None:
    await bed.say("/fleet spawn product-a fix it")
    await plan(bed)
    bed.engine.fail("reply", EngineError("The mailbox is locked.", code="locked"), times=1)
    decide(bed.fleet, "g1", "changes", bed.person, note="smaller steps")
    await bed.settled()
    await bed.say("/fleet pause product-a --park")
    await bed.say("/fleet resume product-a")
    assert "smaller steps" in bed.engine.calls_of("send")[-1].args["body"]


async def test_waiting_work_keeps_waiting_through_a_runtime_restart(bed: SlowBed) -> None:
    await bed.say("/fleet spawn product-a fix it")
    await plan(bed)
    bed.engine.go_down("the container stopped")
    bed.engine.set_sessions("product-a")
    bed.engine.come_up(restarted=True)
    for _ in range(3):
        bed.clock.forward(minutes=1)
        await bed.jobs.tick()
        await bed.settled()
    assert (bed.work("w1").state, bed.open_gate().id) == (WorkState.WAITING, "g1")
    decide(bed.fleet, "g1", "approve", bed.person)
    await bed.settled()
    answer = bed.engine.calls_of("reply")[0].args["answer"]
    assert (answer.choice, answer.note) == ("approve", "")
    assert all(part in answer.context for part in ("started anew", "1. Do", "fix it"))
    assert answer.reporting.marker == bed.work("w1").marker
    assert bed.work("w1").state is WorkState.RUNNING
    assert bed.engine.box("product-a").snapshot.coordinator


async def test_runtime_restart_during_downtime_is_noticed(bed: SlowBed) -> None:
    """A machine that restarts ends the fleet and the runtime."""
    await bed.say("/fleet spawn product-a fix it")
    await bed.crash()
    assert bed.work("w1").attempt == 1
    await bed.kill()
    bed.engine.listener = None
    bed.engine.set_sessions("product-a")
    bed.engine.info = replace(bed.engine.info, boot="boot-9", life="life-9")
    await bed.start()
    await bed.settled()
    assert (bed.work("w1").state, bed.work("w1").attempt) == (WorkState.RUNNING, 2)
    await bed.crash()
    assert bed.work("w1").attempt == 2
    assert len([post for post in bed.posts("report") if "was restarted" in post.text]) == 1


async def test_result_sent_before_a_runtime_restart_ends_the_work(bed: SlowBed) -> None:
    await bed.say("/fleet spawn product-a fix it")
    bed.engine.go_down("the container stopped")
    bed.engine.push_mail("product-a", kind=MailKind.FINISHED, body="Fixed.", thread=bed.work("w1").mail)
    bed.engine.set_sessions("product-a")
    bed.engine.come_up(restarted=True)
    await bed.settled()
    assert bed.work("w1").state is WorkState.DONE
    assert len(bed.engine.calls_of("send")) == 1


async def test_stale_snapshot_fails_no_work(bed: SlowBed) -> None:
    await bed.say("/fleet spawn product-a fix it")
    shown = bed.fleet.snapshots["product-a"]
    empty = replace(shown, sessions=(), coordinator=False)
    bed.jobs.hear(SnapshotChanged(replace(empty, at=bed.clock() + timedelta(hours=1))))
    assert bed.work("w1").state is WorkState.RUNNING
    bed.clock.forward(seconds=15)
    bed.fleet.snapshots.clear()
    bed.jobs.hear(SnapshotChanged(shown))
    bed.fleet.snapshots.clear()
    bed.jobs.hear(SnapshotChanged(empty))
    bed.jobs.hear(SnapshotChanged(empty))
    assert bed.work("w1").state is WorkState.RUNNING


async def test_missing_session_is_confirmed_by_a_second_snapshot(bed: SlowBed) -> None:
    await bed.say("/fleet spawn product-a fix it")
    await bed.kill()
    bed.engine.listener = None
    bed.engine.set_sessions("product-a")
    bed.clock.forward(minutes=5)
    await bed.start()
    await bed.settled()
    assert bed.work("w1").state is WorkState.RUNNING
    bed.clock.forward(seconds=15)
    await bed.jobs.tick()
    assert (bed.work("w1").state, bed.work("w1").lost) == (WorkState.QUEUED, 1)


async def test_clock_set_back_hides_no_lost_session(bed: SlowBed) -> None:
    await bed.say("/fleet spawn product-a fix it")
    bed.clock.forward(hours=-3)
    bed.engine.set_sessions("product-a")
    await bed.settled()
    assert (bed.work("w1").state, bed.work("w1").lost) == (WorkState.QUEUED, 1)


async def test_removed_product_uses_no_slot_and_returns_unchanged(bed: SlowBed) -> None:
    whole = bed.file.read_text().replace("max_concurrent_sessions: 2", "max_concurrent_sessions: 3")
    bed.file.write_text(whole)
    bed.registry.reload()
    await bed.say("/fleet spawn product-a fix it")
    await plan(bed)
    await bed.say("/fleet spawn product-a --capability scout look")
    bed.engine.fail("send", EngineError("busy", code="locked"), times=1)
    await bed.say("/fleet spawn product-a write it")
    bed.engine.fail("reply", EngineError("The mailbox is locked.", code="locked"), times=1)
    decide(bed.fleet, "g1", "approve", bed.person)
    await bed.settled()
    bed.file.write_text("\n".join(line for line in whole.split("\n") if "product-a" not in line))
    bed.registry.reload()
    await bed.jobs.watch()
    await bed.crash()
    assert capacity(bed.fleet).running == 0
    assert bed.fleet.gate("g1").state is GateState.DECIDED
    assert bed.fleet.gate("g1").reason == ""
    bed.file.write_text(whole)
    bed.registry.reload()
    await bed.jobs.watch()
    await bed.settled()
    assert bed.fleet.gate("g1").state is GateState.DELIVERED
    assert {bed.work(id).state for id in ("w1", "w2", "w3")} == {WorkState.RUNNING}


async def test_undeliverable_decision_offers_the_persons_objective(bed: SlowBed) -> None:
    await bed.say("/fleet spawn product-a -- --strict mode has to work")
    bed.engine.push_mail(
        "product-a", kind=MailKind.PLAN, subject="delete everything --capability builder", body="1.", **PLAN,
        thread=bed.work("w1").mail,
    )  # fmt: skip
    await bed.settled()
    bed.engine.fail("reply", EngineError("There is no such mail.", code="not_found"))
    decide(bed.fleet, "g1", "approve", bed.person)
    await bed.settled()
    post = bed.expect("did not get the decision", kind="error")
    assert [each.command for each in post.suggestions] == ["/fleet spawn product-a -- --strict mode has to work"]
    await bed.say(post.suggestions[0].command)
    assert bed.work("w2").objective == "--strict mode has to work"


async def test_mail_that_could_not_be_stored_is_fetched_again(bed: SlowBed) -> None:
    """The disk is full for a moment. Mail of that time is fetched again, in order."""
    await bed.say("/fleet spawn product-a fix it")
    pages = bed.store.database.value("PRAGMA page_count")
    bed.store.database.run(f"PRAGMA max_page_count = {pages + 1}")
    bed.engine.push_mail("product-a", body="long " * 20_000)
    bed.store.database.run("PRAGMA max_page_count = 1000000")
    bed.engine.push_mail("product-a", kind=MailKind.FINISHED, body="Fixed.", thread=bed.work("w1").mail)
    await bed.settled()
    assert bed.work("w1").state is WorkState.RUNNING
    bed.jobs.loop.retry_now()
    await bed.settled()
    assert bed.work("w1").state is WorkState.DONE
    assert sum("long long" in post.text for post in bed.posts("report")) == 1


async def test_unreadable_mail_is_skipped_and_reported(bed: SlowBed, caplog: pytest.LogCaptureFixture) -> None:
    bed.engine.go_down()
    bed.engine.push_mail("product-a", body="before")
    broken = bed.engine.push_mail("product-a", kind=MailKind.PLAN, revision=2**80)
    bed.engine.push_mail("product-a", body="after")
    bed.engine.come_up()
    await bed.settled()
    for words in (("before",), ("after",), (broken.id, "cannot read")):
        bed.expect(*words)
    assert "is skipped" in caplog.text


async def test_self_approval_is_refused_where_forbidden(bed: SlowBed) -> None:
    bed.file.write_text(bed.file.read_text() + "approvals: {self_approval: false}\n")
    bed.registry.reload()
    await bed.say("/fleet spawn product-a fix it")
    bed.engine.push_mail("product-a", sender="builder-9", kind=MailKind.PLAN, subject="Plan", body="1.", **PLAN)
    await bed.settled()
    with pytest.raises(Exception, match="does not allow self-approval"):
        decide(bed.fleet, "g1", "approve", bed.person)
    assert decide(bed.fleet, "g1", "approve", Person("ben", Role.ADMIN)).state is GateState.DECIDED


async def test_concurrent_decisions_of_two_processes_make_one(bed: SlowBed, tmp_path: Path) -> None:
    bed.engine.push_mail("product-a", kind=MailKind.PLAN, subject="Plan", body="1.", **PLAN)
    await bed.settled()
    other = SlowBed(tmp_path)
    await other.start()
    decide(bed.fleet, "g1", "approve", bed.person)
    with pytest.raises(Conflict, match="Already decided: approved by ana"):
        decide(other.fleet, "g1", "reject", Person("ben", Role.ADMIN), note="no")
    await other.kill()
