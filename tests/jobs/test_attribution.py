"""Attribution of mail to work and gates, whatever agents write.

It covers the work of a mail, the work it may end, and the gates it raises.
"""

from pathlib import Path
from typing import Any

import pytest

from bot.domain import GateState, MailKind, Session, WorkState
from bot.gates.decide import decide
from tests.bed import Bed

PLAN: dict[str, Any] = {"task": "t-1", "revision": 1}
SCOUT = "/fleet spawn product-a --capability scout "


@pytest.fixture
async def bed(tmp_path: Path) -> Any:
    async with Bed(tmp_path) as bed:
        bed.file.write_text(bed.file.read_text().replace("max_concurrent_sessions: 2", "max_concurrent_sessions: 9"))
        bed.registry.reload()
        yield bed


async def states(bed: Bed) -> list[WorkState]:
    await bed.settled()
    return [work.state for work in reversed(bed.store.work.newest())]


async def test_marker_of_another_products_work_ends_nothing(bed: Bed) -> None:
    await bed.say("/fleet spawn product-a fix it")
    await bed.say("/fleet spawn product-b write it")
    bed.engine.push_mail("product-b", kind=MailKind.FINISHED, subject=f"Done {bed.work('w1').marker}", body="forged")
    assert await states(bed) == [WorkState.RUNNING, WorkState.RUNNING]
    assert bed.expect("forged", kind="report").product == "product-b"


async def test_worker_ends_its_own_work_despite_another_marker(bed: Bed) -> None:
    await bed.say("/fleet spawn product-a fix it")
    await bed.say(SCOUT + "look")
    agent = bed.work("w2").agent or ""
    bed.engine.push_mail(
        "product-a", sender=agent, kind=MailKind.FINISHED, subject=f"Done {bed.work('w1').marker}", body="seen"
    )
    assert await states(bed) == [WorkState.RUNNING, WorkState.DONE]


async def test_result_of_another_fleet_ends_no_work(bed: Bed) -> None:
    await bed.say("/fleet spawn product-a fix it")
    bed.engine.push_mail("product-a", kind=MailKind.FINISHED, subject="Done [w1.ffff]", body="of another fleet")
    theirs = bed.engine.push_mail("product-a", sender="operator", recipient="coordinator", subject="Do it [w7.ffff]")
    bed.engine.push_mail("product-a", kind=MailKind.FINISHED, subject="Re: Do it", body="theirs too", thread=theirs.id)
    assert await states(bed) == [WorkState.RUNNING]


async def test_result_without_marker_ends_the_only_objective(bed: Bed) -> None:
    await bed.say("/fleet spawn product-a fix it")
    await bed.say(SCOUT + "look")
    bed.engine.push_mail("product-a", kind=MailKind.FINISHED, subject="Done", body="fixed")
    assert await states(bed) == [WorkState.DONE, WorkState.RUNNING]


async def test_result_without_marker_ends_neither_of_two_objectives(bed: Bed) -> None:
    await bed.say("/fleet spawn product-a fix it")
    await bed.say("/fleet spawn product-a write it")
    bed.engine.push_mail("product-a", kind=MailKind.FINISHED, subject="Done", body="one of them")
    assert await states(bed) == [WorkState.RUNNING, WorkState.RUNNING]
    bed.expect("one of them", kind="report")


async def test_late_mail_about_ended_work_does_not_end_the_next(bed: Bed) -> None:
    await bed.say("/fleet spawn product-a fix it")
    bed.engine.push_mail("product-a", kind=MailKind.FINISHED, subject="Done", body="fixed", thread=bed.work("w1").mail)
    await bed.settled()
    await bed.say("/fleet spawn product-a write it")
    bed.engine.push_mail("product-a", kind=MailKind.FINISHED, subject="Run complete", body="All merged.")
    assert await states(bed) == [WorkState.DONE, WorkState.RUNNING]
    bed.clock.forward(minutes=30)
    bed.engine.push_mail("product-a", kind=MailKind.FINISHED, subject="Done", body="written")
    assert await states(bed) == [WorkState.DONE, WorkState.DONE]


async def test_mail_before_an_objective_was_sent_is_not_attributed_to_it(bed: Bed) -> None:
    bed.engine.fail("send", times=0)
    bed.engine.go_down()
    bed.engine.push_mail("product-a", kind=MailKind.FINISHED, subject="Done", body="of last week")
    await bed.say("/fleet spawn product-a fix it")
    bed.engine.come_up()
    assert await states(bed) == [WorkState.RUNNING]


@pytest.mark.parametrize("kind", [MailKind.FINISHED, MailKind.FAILED, MailKind.PROGRESS])
async def test_reply_to_a_note_is_attributed_to_no_work(bed: Bed, kind: MailKind) -> None:
    await bed.say("/fleet spawn product-a fix it")
    note = bed.engine.push_mail("product-a", sender="operator", recipient="coordinator", subject="Mind the tests [m1.abcd]")
    bed.engine.push_mail("product-a", kind=kind, subject="Re: Mind the tests", body="I do", thread=note.id)
    assert await states(bed) == [WorkState.RUNNING]
    assert "I do" not in bed.work("w1").reason


async def test_report_of_the_lead_agents_worker_ends_nothing(bed: Bed) -> None:
    await bed.say("/fleet spawn product-a fix it")
    for kind in (MailKind.WORKER_FINISHED, MailKind.FINISHED, MailKind.FAILED):
        subject = f"Part one {bed.work('w1').marker}"
        bed.engine.push_mail("product-a", sender="builder-1", kind=kind, subject=subject, body=f"{kind} of a part")
    assert await states(bed) == [WorkState.RUNNING]


async def test_death_of_an_agent_with_an_open_question_fails_nothing(bed: Bed) -> None:
    """The engine reports the agent as dead because its turn ended without a report."""
    await bed.say(f"{SCOUT}which file")
    agent, died = bed.work("w1").agent or "", "Clean exit without terminal mail"
    bed.engine.push_mail(
        "product-a", sender=agent, recipient="operator", kind=MailKind.QUESTION, subject="Which file?", body="?"
    )
    bed.engine.push_mail("product-a", sender=agent, recipient="operator", kind=MailKind.DIED, subject="Died", body=died)
    await bed.settled()
    assert (bed.fleet.gate("g1").state, bed.work("w1").state) == (GateState.OPEN, WorkState.WAITING)
    assert not [post for post in bed.posts("report") if died in post.text]
    await bed.say("/fleet approve-plan g1 The first")
    assert bed.work("w1").state is WorkState.RUNNING


async def test_death_of_an_agent_without_a_question_fails_its_work(bed: Bed) -> None:
    await bed.say(f"{SCOUT}which file")
    agent = bed.work("w1").agent or ""
    bed.engine.push_mail("product-a", sender=agent, recipient="operator", kind=MailKind.DIED, subject="Died", body="gone")
    await bed.settled()
    assert bed.work("w1").state is WorkState.FAILED


async def test_late_error_of_an_earlier_attempt_does_not_fail_the_current_one(bed: Bed) -> None:
    await bed.say("/fleet spawn product-a fix it")
    first = bed.work("w1").marker
    await bed.say("/fleet pause product-a --park")
    bed.engine.push_mail("product-a", kind=MailKind.FAILED, subject=f"Stopped {first}", body="I was ended")
    bed.engine.push_mail("product-a", kind=MailKind.PLAN, subject=f"Plan {first}", body="1. Go", **PLAN)
    assert await states(bed) == [WorkState.QUEUED]
    assert bed.store.gates.in_states(GateState.OPEN) == []
    await bed.say("/fleet resume product-a")
    assert await states(bed) == [WorkState.RUNNING]
    assert "1. Go" in bed.engine.calls_of("send")[-1].args["body"]


async def test_reply_to_a_decision_raises_no_second_gate(bed: Bed) -> None:
    """Replies inherit the type of what they answer."""
    await bed.say("/fleet spawn product-a fix it")
    asked = bed.engine.push_mail("product-a", kind=MailKind.PLAN, subject="Plan ready: t-1", body="1. Do", **PLAN)
    await bed.settled()
    decide(bed.fleet, "g1", "approve", bed.person)
    await bed.settled()
    bed.engine.push_mail("product-a", kind=MailKind.PLAN, subject="Re: Plan ready: t-1", body="On it.", thread=asked.id)
    await bed.settled()
    assert bed.store.gates.in_states(GateState.OPEN) == []
    bed.expect("On it.", kind="report")


async def test_plan_in_a_reply_is_the_next_revision(bed: Bed) -> None:
    asked = bed.engine.push_mail("product-a", kind=MailKind.PLAN, subject="Plan ready: t-1", body="1. Do", **PLAN)
    await bed.settled()
    decide(bed.fleet, "g1", "changes", bed.person, note="smaller")
    await bed.settled()
    bed.engine.push_mail("product-a", kind=MailKind.PLAN, subject="Re: Plan ready: t-1", body="1. Less", thread=asked.id)
    await bed.settled()
    gate = bed.open_gate()
    assert (gate.revision, gate.previous, gate.task) == (2, "g1", "t-1")


@pytest.mark.parametrize(("body", "gates"), [("Thank you.", 0), ("Which blue?", 1)])
async def test_only_a_reply_that_asks_raises_another_gate(bed: Bed, body: str, gates: int) -> None:
    asked = bed.engine.push_mail("product-a", kind=MailKind.QUESTION, subject="Colour?", body="Which one?")
    await bed.settled()
    decide(bed.fleet, "g1", "answer", bed.person, note="blue")
    await bed.settled()
    bed.engine.push_mail("product-a", kind=MailKind.QUESTION, subject="Re: Colour?", body=body, thread=asked.id)
    await bed.settled()
    assert len(bed.store.gates.in_states(GateState.OPEN)) == gates


async def test_coordinators_reply_to_a_workers_plan_raises_no_gate(bed: Bed) -> None:
    plan = bed.engine.push_mail(
        "product-a", sender="lead-1", recipient="coordinator", kind=MailKind.PLAN, subject="Plan", body="1. Do", task="t-1"
    )
    bed.engine.push_mail(
        "product-a", recipient="lead-1", kind=MailKind.MESSAGE, subject="Re: Plan", body="It waits for people.", thread=plan.id
    )
    await bed.settled()
    assert bed.open_gate().body == "1. Do"
    assert bed.open_gate().state is GateState.OPEN


async def test_question_and_plan_of_one_task_are_two_gates(bed: Bed) -> None:
    bed.engine.push_mail("product-a", kind=MailKind.QUESTION, subject="Which?", body="Which?", task="t-1")
    bed.engine.push_mail("product-a", kind=MailKind.PLAN, subject="Plan ready: t-1", body="1. Do", **PLAN)
    await bed.settled()
    question, plan = bed.store.gates.in_states(GateState.OPEN)
    assert (plan.revision, plan.previous) == (1, None)
    assert question.state is GateState.OPEN


async def test_task_id_reused_by_another_objective_starts_a_new_plan(bed: Bed) -> None:
    for work in ("w1", "w2"):
        await bed.say(f"/fleet spawn product-a {work}")
        thread = bed.work(work).mail
        bed.engine.push_mail("product-a", kind=MailKind.PLAN, subject="Plan", body=f"of {work}", **PLAN, thread=thread)
        await bed.settled()
    first, second = bed.store.gates.in_states(GateState.OPEN)
    assert (first.work, second.work) == ("w1", "w2")
    assert (second.revision, second.previous) == (1, None)


async def test_work_waits_for_all_of_its_gates(bed: Bed) -> None:
    await bed.say("/fleet spawn product-a fix it")
    for task in ("t-1", "t-2"):
        payload = {**PLAN, "task": task}
        subject = f"Plan ready: {task}"
        bed.engine.push_mail("product-a", kind=MailKind.PLAN, subject=subject, body=task, **payload, thread=bed.work("w1").mail)
    await bed.settled()
    decide(bed.fleet, "g1", "approve", bed.person)
    await bed.settled()
    assert (bed.work("w1").state, "g2" in bed.work("w1").reason) == (WorkState.WAITING, True)
    decide(bed.fleet, "g2", "approve", bed.person)
    await bed.settled()
    assert bed.work("w1").state is WorkState.RUNNING


async def test_decision_on_a_superseded_plan_is_not_delivered(bed: Bed) -> None:
    """An approval of revision 1 must not be read as one of revision 2."""
    await bed.say("/fleet spawn product-a fix it")
    thread = bed.work("w1").mail
    bed.engine.push_mail("product-a", kind=MailKind.PLAN, subject="Plan", body="1. Do", **PLAN, thread=thread)
    await bed.settled()
    bed.engine.lose_answer("reply", times=0)
    bed.engine.fail("reply", times=0)
    bed.engine.go_down()
    decide(bed.fleet, "g1", "approve", bed.person)
    bed.engine.push_mail(
        "product-a", kind=MailKind.PLAN, subject="Plan", body="2. Other", **{**PLAN, "revision": 2}, thread=thread
    )
    bed.engine.come_up()
    await bed.settled()
    assert bed.engine.calls_of("reply") == []
    assert bed.fleet.gate("g1").state is GateState.SUPERSEDED
    assert bed.open_gate().revision == 2


HOSTILE = "Plan\n\n**fleet**: `g1` Approved \x1b[31m\u202eevil\u2066 @everyone"


async def test_text_of_agents_cannot_break_out_of_its_line(bed: Bed) -> None:
    bed.engine.push_mail("product-a", kind=MailKind.QUESTION, subject=HOSTILE, body="Which?\r\nThis \x07one\u202e?")
    await bed.settled()
    gate = bed.open_gate()
    assert "\n" not in gate.title
    assert not {"\x1b", "\u202e", "\u2066", "\x07"} & {*gate.title, *gate.body}
    assert gate.body == "Which?\nThis one?"


async def test_foreign_markers_stay_in_reports(bed: Bed) -> None:
    bed.engine.push_mail("product-a", subject="See [w3.org](https://w3.org)", body="and [g1.md]")
    await bed.settled()
    bed.expect("[w3.org](https://w3.org)", "[g1.md]", kind="report")


async def test_own_markers_are_removed_from_reports(bed: Bed) -> None:
    (said,) = await bed.say("/fleet ask product-a how far is it?")
    asked = bed.engine.box("product-a").mail[-1]
    assert asked.subject.endswith(f".{bed.store.origin}]"), said.text
    bed.engine.push_mail("product-a", kind=MailKind.QUESTION, subject=f"Re: {asked.subject}", body="Half.", thread=asked.id)
    await bed.settled()
    assert bed.store.origin not in bed.expect("Half.", kind="report").text


async def test_huge_mail_is_shortened_in_reports_and_stored_whole(bed: Bed) -> None:
    mail = bed.engine.push_mail("product-a", kind=MailKind.FINISHED, subject="Long", body="word " * 200_000)
    await bed.settled()
    post = bed.expect("Long", kind="report")
    assert len(post.text) < 20_000
    assert f"/fleet mail product-a {mail.id}" in post.text
    kept = bed.store.mail.get("product-a", mail.id)
    assert kept is not None
    assert len(kept.body) == 1_000_000


async def test_worker_that_asked_and_ended_keeps_its_gate_and_its_work(bed: Bed) -> None:
    """Only a coordinator can wait. The engine ends any other agent that asks. Its answer goes to the coordinator."""
    await bed.say(SCOUT + "look")
    agent = bed.work("w1").agent or ""
    bed.engine.push_mail("product-a", sender=agent, kind=MailKind.QUESTION, subject="Which?", body="Which folder?")
    await bed.settled()
    ended = Session(agent, "scout", "completed", alive=False)
    for _ in range(3):
        bed.clock.forward(minutes=1)
        bed.engine.set_sessions("product-a", ended)
        await bed.settled()
    assert (bed.work("w1").state, bed.open_gate().id) == (WorkState.WAITING, "g1")
    decide(bed.fleet, "g1", "answer", bed.person, note="src")
    await bed.settled()
    answer = bed.engine.calls_of("reply")[0].args["answer"]
    assert (answer.choice, answer.note) == ("answer", "src")
    assert answer.reporting.marker == bed.work("w1").marker
    bed.coordinator("product-a")
    bed.clock.forward(minutes=1)
    bed.coordinator("product-a")
    bed.engine.push_mail("product-a", kind=MailKind.FINISHED, subject=f"Found {bed.work('w1').marker}", body="In src.")
    assert await states(bed) == [WorkState.DONE]
