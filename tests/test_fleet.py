"""The main path of a fleet with a crash at every seam. Work is requested, started, planned, decided, delivered and reported."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.domain import GateState, MailKind, Trouble, WorkState
from bot.domain.errors import Conflict, EngineError
from bot.engine.base import Answer
from bot.gates.decide import decide
from bot.store.sweep import BATCH
from bot.work import holds
from bot.work.status import status as fleet_status
from tests.bed import Bed

PLAN: dict[str, Any] = {"task": "t-1", "revision": 1}


@pytest.fixture
async def bed(tmp_path: Path) -> Any:
    async with Bed(tmp_path) as bed:
        yield bed


async def ask(bed: Bed, text: str = "/fleet spawn product-a fix the failing test") -> str:
    await bed.say(text)
    return bed.work("w1").mail or ""


async def plan(bed: Bed, revision: int = 1, body: str = "1. Look\n2. Fix") -> None:
    thread = bed.work("w1").mail
    payload = {**PLAN, "revision": revision}
    bed.engine.push_mail("product-a", kind=MailKind.PLAN, subject="Plan ready: t-1", body=body, **payload, thread=thread)
    await bed.settled()


async def test_objective_is_sent_once_and_its_result_reported(bed: Bed) -> None:
    mail = await ask(bed)
    (sent,) = bed.engine.calls_of("send")
    assert sent.marker == bed.work("w1").marker
    assert "fix the failing test" in sent.args["body"]
    assert bed.work("w1").state is WorkState.RUNNING
    bed.engine.push_mail("product-a", kind=MailKind.FINISHED, subject="Fixed", body="The test passes.", thread=mail)
    await bed.settled()
    assert bed.work("w1").state is WorkState.DONE
    report = bed.expect("product-a", "The test passes.", kind="report")
    assert report.conversation == "web:main"


async def test_repeated_request_is_one_piece_of_work(bed: Bed) -> None:
    await bed.say("/fleet spawn product-a fix it", event="once")
    await bed.say("/fleet spawn product-a fix it", event="once")
    assert len(bed.engine.calls_of("send")) == 1
    assert len(bed.store.work.newest()) == 1


async def test_scout_has_its_own_name_and_reports_findings(bed: Bed) -> None:
    await bed.say("/fleet spawn product-a --capability scout look at the tests")
    (started,) = bed.engine.calls_of("start_worker")
    agent = started.args["agent"]
    assert agent.startswith("scout-w1-")
    assert "look at the tests" in started.args["brief"]
    bed.engine.push_mail("product-a", sender=agent, recipient="coordinator", kind=MailKind.WORKER_FINISHED, body="Three files.")
    await bed.settled()
    bed.expect("Three files.", agent, kind="report")
    assert bed.work("w1").state is WorkState.DONE


async def test_work_without_capacity_waits_with_a_reason(bed: Bed) -> None:
    for product in ("product-a", "product-b", "product-c"):
        await bed.say(f"/fleet spawn {product} do it")
    waiting = bed.work("w3")
    assert (waiting.state, waiting.reason) == (WorkState.QUEUED, "waits for a slot (2 of 2 in use)")
    bed.engine.push_mail("product-b", kind=MailKind.FINISHED, body="done", thread=bed.work("w2").mail)
    await bed.settled()
    assert bed.work("w3").state is WorkState.RUNNING


async def test_plan_becomes_a_gate_and_its_approval_is_sent_once(bed: Bed) -> None:
    mail = await ask(bed)
    await plan(bed)
    gate = bed.open_gate()
    assert bed.work("w1").state is WorkState.WAITING
    bed.expect("waits for you", gate.id, kind="gate")
    await bed.say(f"/fleet approve-plan {gate.id}")
    (reply,) = bed.engine.calls_of("reply")
    assert reply.args["answer"] == Answer("approve")
    assert reply.args["plan"] == gate.body
    assert bed.fleet.gate(gate.id).state is GateState.DELIVERED
    assert bed.work("w1").state is WorkState.RUNNING
    bed.expect("Approved by ana", kind="outcome")
    bed.engine.push_mail("product-a", kind=MailKind.FINISHED, body="done", thread=mail)
    await bed.settled()
    assert bed.work("w1").state is WorkState.DONE


async def test_requested_changes_lead_to_a_second_revision(bed: Bed) -> None:
    await ask(bed)
    await plan(bed)
    decide(bed.fleet, "g1", "changes", bed.person, note="test it too")
    await bed.settled()
    assert bed.engine.calls_of("reply")[0].args["answer"] == Answer("changes", "test it too")
    await plan(bed, 2, "1. Look\n2. Fix\n3. Test")
    gate = bed.open_gate()
    assert (gate.revision, gate.previous) == (2, "g1")


async def test_newer_revision_replaces_an_open_one(bed: Bed) -> None:
    await ask(bed)
    await plan(bed)
    await plan(bed, 2, "another")
    assert bed.fleet.gate("g1").state is GateState.SUPERSEDED
    with pytest.raises(Conflict):
        decide(bed.fleet, "g1", "approve", bed.person)


async def test_repeated_mail_is_reported_once(bed: Bed) -> None:
    mail = await ask(bed)
    result = bed.engine.push_mail("product-a", kind=MailKind.FINISHED, body="done once", thread=mail)
    bed.engine.push_again(result)
    await bed.crash()
    bed.engine.push_again(result)
    await bed.settled()
    assert len([post for post in bed.posts("report") if "done once" in post.text]) == 1


async def test_simultaneous_reports_become_one_message(bed: Bed) -> None:
    bed.engine.go_down()
    for number in range(5):
        bed.engine.push_mail(
            "product-a", sender=f"builder-{number}", kind=MailKind.FINISHED, subject=f"part {number}", body="done"
        )
    bed.engine.come_up()
    await bed.settled()
    assert len(bed.posts("report")) == 1
    assert all(f"part {number}" in bed.posts("report")[0].text for number in range(5))


async def test_mail_during_downtime_is_ingested_at_start(bed: Bed) -> None:
    mail = await ask(bed)
    await bed.kill()
    bed.engine.listener = None
    bed.engine.push_mail("product-a", kind=MailKind.FINISHED, body="while you slept", thread=mail)
    await bed.start()
    await bed.settled()
    assert [post.text.count("while you slept") for post in bed.posts("report")] == [1]


@pytest.mark.parametrize("op", ["send", "start_worker"])
async def test_start_with_a_lost_answer_is_not_repeated(bed: Bed, op: str) -> None:
    bed.engine.lose_answer(op)
    await bed.say(f"/fleet spawn product-a {'--capability scout ' if op == 'start_worker' else ''}look")
    assert bed.work("w1").state is WorkState.STARTING
    await bed.crash()
    assert bed.work("w1").state is WorkState.RUNNING
    box = bed.engine.box("product-a")
    assert len([each for each in box.mail if each.ours]) + len(box.started) == 1


async def test_decision_with_a_lost_delivery_is_delivered_once(bed: Bed) -> None:
    await ask(bed)
    await plan(bed)
    bed.engine.lose_answer("reply")
    decide(bed.fleet, "g1", "approve", bed.person)
    await bed.settled()
    assert bed.fleet.gate("g1").state is GateState.DECIDED
    await bed.crash()
    assert bed.fleet.gate("g1").state is GateState.DELIVERED
    answers = [each for each in bed.engine.box("product-a").mail if each.ours and each.thread]
    assert len(answers) == 1


async def test_failed_start_reports_reason_and_next_step(bed: Bed) -> None:
    bed.engine.fail("send", EngineError("product-a is not initialised.", "Run: fleet adopt product-a", code="not_initialised"))
    await bed.say("/fleet spawn product-a do it")
    assert bed.work("w1").state is WorkState.FAILED
    bed.expect("could not start", "not initialised", "fleet adopt", kind="error")


async def test_failing_product_holds_its_work_only(bed: Bed) -> None:
    bed.engine.set_trouble("product-a", Trouble("path_missing", "/projects/product-a does not exist.", "Create it."))
    await bed.say("/fleet spawn product-a do it")
    await bed.say("/fleet spawn product-b do it")
    assert (bed.work("w1").state, bed.work("w2").state) == (WorkState.QUEUED, WorkState.RUNNING)
    assert "does not exist" in bed.work("w1").reason
    bed.engine.set_trouble("product-a", None)
    await bed.settled()
    assert bed.work("w1").state is WorkState.RUNNING


async def dies(bed: Bed) -> None:
    bed.coordinator("product-a")
    bed.clock.forward(seconds=30)
    bed.engine.set_sessions("product-a")
    await bed.settled()


async def test_lost_coordinator_is_retried_and_then_fails(bed: Bed) -> None:
    await ask(bed)
    for retry, minutes in ((1, 1), (2, 5)):
        await dies(bed)
        assert (bed.work("w1").state, bed.work("w1").lost) == (WorkState.QUEUED, retry)
        assert bed.expect("w1", f"retry {retry} of 2").suggestions[0].command == "/fleet cancel w1"
        assert "retried at" in bed.work("w1").reason
        bed.clock.forward(minutes=minutes)
        await bed.jobs.tick()
        await bed.settled()
        assert bed.work("w1").state is WorkState.RUNNING
        assert "begun before" in bed.engine.calls_of("send")[-1].args["body"]
    await dies(bed)
    assert bed.work("w1").state is WorkState.FAILED
    post = bed.expect("w1", "ended without a result", "started 3 times", kind="report")
    assert post.suggestions[0].command == "/fleet spawn product-a fix the failing test"


async def test_lost_writing_agent_is_not_retried(bed: Bed) -> None:
    await bed.say("/fleet spawn product-c --capability marketing write to our customers")
    bed.clock.forward(seconds=30)
    bed.engine.set_sessions("product-c")
    await bed.settled()
    assert bed.work("w1").state is WorkState.FAILED


async def test_runtime_restart_is_reported_and_its_work_restarted(bed: Bed) -> None:
    await ask(bed)
    bed.engine.push_mail(
        "product-a", kind=MailKind.PROGRESS, subject=f"Began {bed.work('w1').marker}", body="Looking at tests."
    )
    bed.engine.go_down("the container stopped")
    await bed.settled()
    assert fleet_status(bed.fleet).products[0].state == "unreachable"
    bed.engine.set_sessions("product-a")
    bed.engine.come_up(restarted=True)
    await bed.settled()
    bed.expect("was restarted", "w1", kind="report")
    again = bed.engine.calls_of("send")[-1]
    assert again.marker == bed.work("w1").marker != bed.engine.calls_of("send")[0].marker
    assert "Looking at tests." in again.args["body"]


async def test_pause_keeps_sessions_and_holds_new_work(bed: Bed) -> None:
    await bed.say("/fleet pause product-a")
    await bed.say("/fleet spawn product-a do it")
    assert bed.work("w1").reason == "product-a is paused"
    await bed.say("/fleet resume product-a")
    assert bed.work("w1").state is WorkState.RUNNING
    assert [call.op for call in bed.engine.calls if call.op in {"pause", "resume"}] == ["pause", "resume"]


async def test_parking_ends_sessions_and_resume_restarts_with_a_recap(bed: Bed) -> None:
    await ask(bed)
    await bed.say("/fleet pause product-a --park")
    assert (bed.work("w1").state, bed.work("w1").attempt) == (WorkState.QUEUED, 2)
    await bed.say("/fleet resume product-a")
    assert "begun before" in bed.engine.calls_of("send")[-1].args["body"]


async def test_invalid_registry_keeps_the_last_valid_one(bed: Bed) -> None:
    bed.file.write_text("products:\n  - {name: product-a, pth: /x}\n")
    bed.registry.reload()
    status = fleet_status(bed.fleet)
    assert len(status.products) == 3
    assert any("products.yaml:2:" in problem for problem in status.registry_problems)
    bed.file.write_text("products:\n  - {name: product-z, path: /projects/z}\n")
    bed.registry.reload()
    await bed.jobs.watch()
    assert [each.name for each in fleet_status(bed.fleet).products] == ["product-z"]


async def test_status_lists_most_urgent_first(bed: Bed) -> None:
    await bed.say("/fleet spawn product-c write")
    await ask(bed, "/fleet spawn product-a fix")
    bed.engine.set_trouble("product-b", Trouble("engine_missing", "ov is not there."))
    bed.engine.push_mail("product-a", kind=MailKind.QUESTION, subject="Which?", body="Which one?")
    await bed.settled()
    assert [each.name for each in fleet_status(bed.fleet).products] == ["product-b", "product-a", "product-c"]


async def test_status_queries_do_not_grow_with_gates(bed: Bed) -> None:
    def asked() -> int:
        said: list[str] = []
        bed.store.database._db.set_trace_callback(said.append)
        fleet_status(bed.fleet)
        holds.holds(bed.fleet, {})
        bed.store.database._db.set_trace_callback(None)
        return len(said)

    bed.engine.push_mail("product-a", kind=MailKind.QUESTION, subject="Which?", body="Which one?")
    await bed.settled()
    few = asked()
    with bed.store.transaction():
        for number in range(1000):
            bed.store.gates.add(replace(bed.fleet.gate("g1"), mail=f"m{number}"))
    assert len(bed.store.gates.in_states(GateState.OPEN)) == 1001
    assert asked() <= few + 2 * (1000 // BATCH), "two queries for each further batch of gates"


async def test_engine_event_that_cannot_be_stored_is_logged(bed: Bed, caplog: pytest.LogCaptureFixture) -> None:
    bed.store.close()
    bed.engine.push_mail("product-a", body="x")
    assert "could not be handled" in caplog.text
