"""Gates on Discord, with cards, forms, menus, revisions, files and late clicks."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from simcord.components import validate_components, walk_components

from bot.chat.discord import custom_ids
from bot.chat.discord.to_card import to_card
from bot.domain import Action, Decision, Gate, GateKind, GateState, MailKind, Role
from bot.gates import actions
from bot.gates.decide import decide
from bot.work.pause import paused
from tests.chat.discord.discordbed import DiscordBed
from tests.standins.discord_people import labels, text_of


async def test_card_shows_plan_deciders_and_buttons(bed: DiscordBed) -> None:
    bed.plan()
    card = await bed.card("Split the parser", "product-a", "g1", "Waiting for approval · Needs ana or ben")
    assert labels(card) == ["Approve", "Request changes", "Reject"]
    assert card.flags & (1 << 15) and not card.content


async def test_changes_take_note_and_next_revision_shows_diff(bed: DiscordBed) -> None:
    bed.plan(body="1. Split the parser\n2. Test it")
    card = await bed.card()
    form = await bed.ben.press(card, "Request changes")
    pressed = await bed.ben.submit(form, note="use a table")
    await pressed.answer("Changes requested by ben")
    await bed.discord.until(lambda: "use a table" in text_of(card) and not labels(card), "the card says so")
    await bed.settled()
    bed.plan(revision=2, body="1. Use a table\n2. Test it")
    newer = await bed.card("revision 2", "Changes since revision 1")
    assert "-1. Split the parser\n+1. Use a table" in text_of(newer)


async def test_rejection_takes_reason(bed: DiscordBed) -> None:
    bed.plan()
    card = await bed.card()
    pressed = await bed.ana.submit(await bed.ana.press(card, "Reject"), note="not this year")
    await pressed.answer("Rejected by ana")
    await bed.discord.until(lambda: "not this year" in text_of(card), "the card says why")


async def test_question_is_answered_in_form(bed: DiscordBed) -> None:
    bed.engine.push_mail(
        "product-a", kind=MailKind.QUESTION, subject="Which date format?", body="ISO or local?", recipient="operator"
    )
    card = await bed.ana.sees(bed.channel, "Question: Which date format?", "ISO or local?")
    await (await bed.ana.submit(await bed.ana.press(card, "Answer"), note="ISO")).answer("Answered by ana")


async def test_many_options_become_menu(bed: DiscordBed) -> None:
    options = [f"option {number}" for number in range(8)]
    bed.engine.push_mail("product-a", kind=MailKind.DECISION, subject="Which one?", body="Choose.", options=options)
    card = await bed.ana.sees(bed.channel, "Decision: Which one?")
    assert labels(card) == []
    await (await bed.ana.choose(card, "option 6")).answer("option 6")
    await bed.discord.until(lambda: "“option 6” chosen by ana" in text_of(card), "the card says what was chosen")


async def test_late_click_names_first_decider(bed: DiscordBed) -> None:
    bed.plan()
    card = await bed.card()
    hold = bed.discord.rest.hold("PATCH", f"/channels/{bed.channel.id}/messages/{card.id}", times=5)
    await (await bed.ben.press(card, "Approve")).answer("Approved by ben")
    told = await (await bed.ana.press(card, "Approve")).answer("Already decided: approved by ben")
    assert told.is_ephemeral
    late = await bed.ana.press(card, "Reject")
    await late.answer("Already decided: approved by ben", "Your answer changed nothing")
    hold.set()


async def test_late_form_names_first_decider(bed: DiscordBed) -> None:
    bed.plan()
    form = await bed.ben.press(await bed.card(), "Reject")
    decide(bed.fleet, "g1", "approve", bed.person, platform="web")
    await (await bed.ben.submit(form, note="not yet")).answer("Already decided: approved by ana", "Your answer changed nothing")


async def test_forbidden_click_names_deciders_before_form(bed: DiscordBed) -> None:
    bed.plan()
    pressed = await bed.vic.press(await bed.card(), "Reject")
    told = await pressed.answer("can decide")
    assert told.is_ephemeral and pressed.record.modal is None and bed.open_gate().decision is None


async def test_action_gate_asks_for_confirmation(bed: DiscordBed) -> None:
    action = Action("pause", {"product": "product-a"}, bed.fleet.registry.people[0], Role.OPERATOR)
    place = f"discord:{bed.channel.id}"
    actions.ask(
        bed.fleet, action, product="product-a", title="pause product-a", body="It fails.", conversation=place, request="r1"
    )
    card = await bed.ana.sees(bed.channel, "Action: pause product-a", "Waiting for approval")
    asked = await (await bed.ana.press(card, "Approve")).answer("runs immediately", "Are you sure?")
    assert asked.is_ephemeral and bed.open_gate().decision is None and not paused(bed.fleet, "product-a")
    await (await bed.ana.press(asked, "Run")).answer("Approved by ana")
    await bed.discord.until(lambda: paused(bed.fleet, "product-a"), "it is paused")


async def test_click_of_stranger_is_refused_privately(bed: DiscordBed) -> None:
    bed.plan()
    told = await (await bed.eve.press(await bed.card(), "Approve")).answer("I do not know you")
    assert told.is_ephemeral


async def test_button_works_after_restart(bed: DiscordBed) -> None:
    bed.plan()
    card = await bed.card()
    await bed.kill()
    await bed.start()
    form = await bed.ben.press(card, "Request changes")
    await bed.kill()
    await bed.start()
    await (await bed.ben.submit(form, note="smaller")).answer("Changes requested by ben")


async def test_decision_made_elsewhere_updates_card(bed: DiscordBed) -> None:
    bed.plan()
    card = await bed.card()
    decide(bed.fleet, "g1", "approve", bed.person, platform="web")
    await bed.discord.until(lambda: "Approved by ana in the browser" in text_of(card), "the card says so")
    assert labels(card) == []


async def test_long_plan_is_file_with_beginning_on_card(bed: DiscordBed) -> None:
    body = "\n".join(f"{number}. Do step {number} of the long plan with care" for number in range(1, 200))
    bed.plan(body=body)
    card = await bed.card("plan-g1.md", "1. Do step 1 of")
    assert "199. Do step" not in text_of(card)
    (sent,) = [each for each in bed.discord.rest.asked if each.files]
    assert sent.files["plan-g1.md"].decode() == body
    await (await bed.ben.press(card, "Approve")).answer("Approved by ben")
    await bed.discord.until(lambda: "Approved by ben" in text_of(card), "the card says so")
    assert [each["filename"] for each in card.attachments] == ["plan-g1.md"]


async def test_refused_layout_is_shown_as_text(bed: DiscordBed) -> None:
    await bed.boards_are_shown()
    bed.discord.rest.fail("POST", f"/channels/{bed.channel.id}/messages", 400, 50035, "Invalid Form Body")
    bed.plan()
    card = await bed.ana.sees(bed.channel, "Plan: Plan ready", "/fleet approve-plan g1")
    assert card.components == []
    decide(bed.fleet, "g1", "approve", bed.person, platform="web")
    await bed.discord.until(lambda: "Approved by ana" in text_of(card), "the text says so too")


async def test_agent_text_in_card_mentions_no_one(bed: DiscordBed) -> None:
    bed.plan(body=f"@everyone @here <@{bed.vic.id}> look at this")
    card = await bed.card("@everyone")
    assert (card.mention_everyone, card.ping_user_ids) == (False, [])


async def test_gates_command_shows_cards_with_buttons(bed: DiscordBed) -> None:
    bed.plan()
    bed.plan("product-b")
    await bed.ana.sees(bed.other, "Plan: Plan ready")
    answer = await (await bed.slash(bed.ana, bed.channel, "gates g2")).answer("product-b")
    await (await bed.ana.press(answer, "Approve")).answer("Approved by ana")
    await bed.discord.until(lambda: "Approved by ana" in text_of(answer), "it is shown there too")


async def test_deleted_card_is_not_posted_again(bed: DiscordBed) -> None:
    bed.plan()
    card = await bed.card()
    await bed.delivered(3)
    bed.world.delete_message(bed.channel.id, card.id)
    decide(bed.fleet, "g1", "approve", bed.person, platform="web")
    assert bed.store.outbox.stale("discord")
    await bed.discord.until(lambda: not bed.store.outbox.stale("discord"), "nothing is left to be shown")
    assert bed.store.outbox.counts() == {"delivered": 3}


async def test_unknown_button_is_answered(bed: DiscordBed) -> None:
    row = {"type": 1, "components": [{"type": 2, "style": 1, "label": "Old", "custom_id": "v0:approve:1"}]}
    old = bed.world.create_message(bed.channel.id, bed.discord.bot, "an old card", components=[row])
    await (await bed.ana.press(old, "Old")).answer("older version")


@pytest.mark.parametrize("options", [3, 21])
@pytest.mark.parametrize("size", [0, 500, 5_000, 100_000])
async def test_card_stays_within_layout_limits(size: int, options: int) -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    choices = ("approve", "changes", "reject", *(f"option {number} " + "x" * 66 for number in range(options - 3)))
    gate = Gate(
        "g1234567", "product-a", GateKind.PLAN, "_*" * 100, "word *and* `code`\n" * (size // 18), GateState.OPEN, now, now
    )
    gate = replace(gate, revision=123, options=choices)
    seen = {
        "asked_by": "*" * 80, "created_at": now.isoformat(), "reminds_at": now.isoformat(), "escalated_at": now.isoformat(),
        "needs": "a " * 500, "answers": [{"choice": "approve", "by": "b" * 60}] * 20, "cost_usd_today": 12.5,
        "lines": size // 18, "diff": "+ line\n" * (size // 7), "outcome": "Approved by ana: " + "note " * 1600,
    }  # fmt: skip
    decided = gate.decided(Decision("approve", "ana", now), now)
    for each in (gate, decided):
        for head in ("", "said " * 180):
            page = to_card(each, seen, head=head, away="I was offline. " * 10)
            assert page.view is not None
            shown = validate_components(page.view.to_components(), flags=1 << 15)
            names = {part["file"]["url"].removeprefix("attachment://") for part in walk_components(shown) if part["type"] == 13}
            assert names == {name for name, _ in page.files}


def test_custom_ids_fit_largest_numbers() -> None:
    shown = custom_ids.Shown("g1234567", 24, 9999, "a" * 64)
    assert len(custom_ids.note(shown)) <= custom_ids.LONGEST
    sure = custom_ids.confirmed(custom_ids.note(shown).replace("note:", "gate:"))
    assert len(sure) <= custom_ids.LONGEST
    found = custom_ids.GATE.fullmatch(sure)
    assert found is not None and custom_ids.shown(found) == replace(shown, confirmed=True)
    assert custom_ids.NOTE.fullmatch(custom_ids.note(shown))
