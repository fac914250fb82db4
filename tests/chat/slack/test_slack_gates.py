"""Gates on Slack, with cards, forms, outcomes, revisions, long plans and late clicks."""

import asyncio
import json
from pathlib import Path

from bot.domain import Action, GateState, MailKind, Press, Role
from bot.gates.decide import decide
from bot.work.pause import paused
from tests.bed import ANA
from tests.chat.slack.slackbed import REGISTRY, SlackBed, labels, read
from tests.standins.slack_people import find_button

TABLE = "Two steps.\n\n| file | lines |\n|:--|--:|\n| `src/lex.py` | 40 |\n| src/parse.py | 120 |\n\nThen tests."


async def test_plan_card_shows_deciders_and_table_then_outcome(bed: SlackBed) -> None:
    bed.plan(body=TABLE)
    card = await bed.card()
    kinds = [each["type"] for each in card["blocks"]]
    assert kinds == ["header", "context", "markdown", "table", "markdown", "context", "actions"]
    assert labels(card) == ["Approve", "Request changes", "Reject"]
    assert "Needs ana or ben" in read(card) and "revision 1" in read(card) and "next reminder at" in read(card)
    assert card["blocks"][3]["column_settings"][1]["align"] == "right"
    await bed.ben.presses("Approve", "#product-a", card)
    await bed.slack.until(lambda: "Approved by ben in Slack" in read(card) and not labels(card), "the outcome")
    await bed.slack.until(lambda: bed.told() == ["DECISION: approve"], "the answer at the coordinator")
    await bed.whispered(bed.ben, "Approved by ben")


async def test_changes_require_note_and_rejection_allows_one(bed: SlackBed) -> None:
    bed.plan()
    card = await bed.card()
    await bed.ben.presses("Request changes", "#product-a", card)
    form = await bed.ben.form()
    answer = (await bed.ben.submits(form, {"What should change?": "   "})).answer
    assert answer == {"response_action": "errors", "errors": {"note": "Enter a note."}}
    await bed.ben.submits(form, {"What should change?": "Use a table, <not> a ladder"})
    await bed.slack.until(lambda: "Changes requested by ben" in read(card), "the outcome")
    assert "Use a table, &lt;not&gt; a ladder" in read(card)
    await bed.slack.until(lambda: bed.told() == ["DECISION: revise: Use a table, <not> a ladder"], "the note")

    bed.plan("product-b")
    other = await bed.card("#product-b")
    await bed.ana.presses("Reject", "#product-b", other)
    await bed.ana.submits(await bed.ana.form(), {})
    await bed.slack.until(lambda: "Rejected by ana" in read(other), "the outcome")


async def test_revision_replaces_card_and_posts_diff_in_thread(bed: SlackBed) -> None:
    bed.plan()
    first = await bed.card()
    bed.plan(revision=2, body="1. Split the parser\n2. Test it twice")
    second = await bed.card("#product-a", "revision 2")
    assert "1 line added, 1 removed since revision 1" in read(second)
    diff = await bed.answer("#product-a", "```diff", thread=second["ts"])
    assert "-2. Test it\n+2. Test it twice" in read(diff)
    await bed.slack.until(lambda: "revision 2 replaced it" in read(first) and not labels(first), "the old card")


async def test_long_plan_is_shortened_with_file_in_thread(bed: SlackBed) -> None:
    body = "\n".join(f"{number}. Step {number} of the plan" for number in range(1, 120))
    bed.plan(body=body)
    card = await bed.card()
    assert "119 lines in total" in read(card) and "Step 15" not in read(card)
    file = await bed.slack.until(lambda: next((each for each in bed.a.messages if each.get("files")), None), "the file")
    assert file["thread_ts"] == card["ts"]
    (kept,) = bed.slack.world.files.values()
    assert kept["content"].decode() == body and kept["title"] == "g1-revision-1.md"


async def test_approvers_get_note_with_link_to_card(bed: SlackBed) -> None:
    bed.plan()
    card = await bed.card()
    note = await bed.answer("@fleet", "Plan ready", who=bed.ben)
    link = find_button(note["blocks"], "Open the card")["url"]
    assert link == bed.slack.world.permalink(bed.a, card)
    await bed.ben.presses("Open the card", "@fleet", note)
    await bed.ana.presses("Approve", "#product-a", card)
    await bed.slack.until(lambda: "Approved by ana" in read(note) and not labels(note), "the note's end")


async def test_note_is_the_card_without_channel(tmp_path: Path) -> None:
    async with SlackBed(tmp_path, REGISTRY.replace(', channels: ["slack:#product-a"]', "")) as bed:
        bed.plan()
        card = await bed.slack.until(lambda: next(iter(bed.shown("@fleet", "Plan ready", who=bed.ben)), None), "the card")
        await bed.ben.presses("Approve", "@fleet", card)
        await bed.slack.until(lambda: "Approved by ben" in read(card), "the outcome")
        assert not bed.slack.refused


async def test_decision_made_elsewhere_updates_card_at_once(bed: SlackBed) -> None:
    bed.plan()
    card = await bed.card()
    decide(bed.fleet, "g1", "approve", ANA, platform="web")
    await bed.slack.until(lambda: "Approved by ana in the browser" in read(card) and not labels(card), "the outcome")


async def test_late_or_forbidden_click_is_answered_in_private(bed: SlackBed) -> None:
    bed.plan()
    card = await bed.card()
    approve, change = (find_button(card["blocks"], label) for label in ("Approve", "Request changes"))
    await bed.vic.press_of(approve, "#product-a", card)
    await bed.whispered(bed.vic, "can decide")
    await bed.vic.press_of(change, "#product-a", card)
    assert not bed.slack.world.views
    await bed.eve.press_of(approve, "#product-a", card)
    await bed.whispered(bed.eve, "I do not know you")
    await bed.ana.press_of(approve, "#product-a", card)
    await bed.slack.until(lambda: "Approved by ana" in read(card), "the outcome")
    await bed.ben.press_of(approve, "#product-a", card)
    await bed.whispered(bed.ben, "Already decided: approved by ana")
    await bed.ben.press_of(change, "#product-a", card)
    await bed.slack.until(lambda: len([each for each in bed.slack.world.ephemeral if each["user"] == bed.ben.id]) == 2)


async def test_concurrent_and_repeated_clicks_decide_once(tmp_path: Path) -> None:
    registry = REGISTRY.replace("resource_weight: 3,", "resource_weight: 3, approvals: {required: 2},", 1)
    async with SlackBed(tmp_path, registry) as bed:
        bed.plan()
        card = await bed.card()
        approve = find_button(card["blocks"], "Approve")
        for _ in range(3):
            await bed.ben.press_of(approve, "#product-a", card)
        await bed.slack.until(lambda: "ben approved" in read(card), "half of it")
        assert bed.open_gate().decision is None
        await bed.ana.presses("Approve", "#product-a", card)
        await bed.slack.until(lambda: "Approved by ben and ana" in read(card), "the outcome")
        assert not bed.slack.refused


async def test_decision_shows_its_options_and_question_takes_answer(bed: SlackBed) -> None:
    bed.engine.push_mail(
        "product-a", kind=MailKind.DECISION, subject="Which database?", body="Both work.", options=["postgres", "sqlite"]
    )
    card = await bed.card("#product-a", "Which database?")
    assert labels(card) == ["postgres", "sqlite", "Reject"]
    await bed.ben.presses("sqlite", "#product-a", card)
    await bed.slack.until(lambda: "“sqlite” chosen by ben" in read(card), "the outcome")

    bed.engine.push_mail("product-b", kind=MailKind.QUESTION, subject="Which colour?", body="I cannot tell.")
    asked = await bed.card("#product-b", "Which colour?")
    await bed.ana.presses("Answer", "#product-b", asked)
    await bed.ana.submits(await bed.ana.form(), {"Your answer": "Blue"})
    await bed.slack.until(lambda: "Answered by ana" in read(asked), "the outcome")
    await bed.slack.until(lambda: "Blue" in str(bed.told("product-b")), "the answer")


async def test_action_gate_asks_for_confirmation(bed: SlackBed) -> None:
    from bot.gates import actions

    ts = await bed.ana.says("#product-a", "<@fleet> status")
    await bed.answer("#product-a", "Fleet", thread=ts)
    action = Action("pause", {"product": "product-a"}, bed.fleet.registry.people[0], Role.OPERATOR)
    actions.ask(bed.fleet, action, product="product-a", title="pause product-a", body="It keeps failing.",
               conversation=f"slack:#product-a:{ts}", request="r1")  # fmt: skip
    card = await bed.card("#product-a", "pause product-a")
    approve = find_button(card["blocks"], "Approve")
    assert card["thread_ts"] == ts and approve["confirm"]["confirm"]["text"] == "Run" and approve["style"] == "danger"
    await bed.slack.until(lambda: bed.slack.world.sessions.get((bed.a.id, ts)) == "suspended", "that it waits")
    await bed.ana.presses("Approve", "#product-a", card)
    await bed.slack.until(lambda: paused(bed.fleet, "product-a"), "the pause")
    await bed.slack.until(lambda: bed.slack.world.sessions[bed.a.id, ts] == "active", "that it waits no more")


async def test_button_decides_only_the_revision_shown(bed: SlackBed) -> None:
    bed.plan()
    card = await bed.card()
    button = find_button(card["blocks"], "Approve")
    forged = {**button, "value": json.dumps({**json.loads(button["value"]), "d": "0" * 64})}
    await bed.ana.press_of(forged, "#product-a", card)
    await bed.whispered(bed.ana, "g1 has changed since")
    await bed.ana.press_of({**button, "value": "nonsense"}, "#product-a", card)
    await bed.ana.press_of({**button, "action_id": "other:1"}, "#product-a", card)
    assert bed.open_gate().decision is None


async def test_unopened_form_is_answered_with_command(bed: SlackBed) -> None:
    bed.plan()
    card = await bed.card()
    bed.slack.fail("views.open", "expired_trigger_id")
    await bed.ben.presses("Request changes", "#product-a", card)
    await bed.whispered(bed.ben, "/fleet approve-plan g1 changes")
    assert bed.slack.refused == ["views.open: expired_trigger_id"]
    bed.slack.refused.clear()
    await bed.ben.commands("#product-a", "approve-plan g1 changes --note smaller")
    await bed.slack.until(lambda: "Changes requested by ben" in read(card), "the outcome")


async def test_trigger_opens_one_form(bed: SlackBed) -> None:
    trigger = bed.slack.trigger()
    bed.slack.exchange(trigger)
    bed.plan()
    card = await bed.card()
    await asyncio.gather(*(bed.ben.presses("Reject", "#product-a", card) for _ in range(2)))
    assert len([each for each in bed.slack.world.views.values() if each["type"] == "modal"]) == 2


async def test_reminder_repeats_buttons_and_all_cards_close(bed: SlackBed) -> None:
    bed.plan()
    card = await bed.card()
    bed.passing(minutes=45)
    await bed.jobs.tick()
    reminder = await bed.card("#product-a", "still waits")
    assert labels(reminder) == ["Approve", "Request changes", "Reject"]
    await bed.ben.presses("Approve", "#product-a", reminder)
    await bed.slack.until(lambda: not labels(card) and not labels(reminder), "the end of both")


async def test_gates_command_shows_full_gate_with_buttons(bed: SlackBed) -> None:
    bed.plan()
    await bed.card()
    ts = await bed.ben.says("#product-a", "<@fleet> gates g1")
    answer = await bed.answer("#product-a", "Split the parser", thread=ts)
    await bed.ben.presses("Approve", "#product-a", answer)
    await bed.slack.until(lambda: bed.fleet.gate("g1").state is not GateState.OPEN, "the decision")
    await bed.slack.until(lambda: not labels(answer) and "Approved by ben" in read(answer), "the outcome")


def test_button_value_contains_only_reference() -> None:
    from bot.chat.slack.to_card import to_press

    assert to_press('{"g":"g1","c":"approve","r":2,"d":"abc"}') == Press("g1", "approve", "", 2, "abc")
    assert to_press('{"g":"g1"}') is None and to_press("[]") is None and to_press('{"g":1,"c":2,"r":"x","d":3}') is None
