"""Delivery to Slack, once and in order despite refusals and losses."""

import asyncio
from pathlib import Path

import pytest

from tests.chat.slack.slackbed import SlackBed, calm, labels, read, refusals
from tests.standins.slack_world import BOT_USER


async def test_lost_response_is_resolved_without_second_message(bed: SlackBed) -> None:
    bed.slack.lose("chat.postMessage")
    ts = await bed.ana.says("#product-a", "<@fleet> status")
    await bed.answer("#product-a", "Fleet", thread=ts)
    await bed.slack.until(lambda: bed.store.outbox.next_due() is not None, "the doubt")
    bed.passing(minutes=1)
    await bed.slack.until(lambda: bed.store.outbox.counts().get("delivered") == 1, "the end of the doubt")
    assert len(bed.shown("#product-a", "Fleet")) == 1


async def test_lost_request_is_sent_again(bed: SlackBed) -> None:
    bed.slack.break_down("chat.postMessage", 502)
    ts = await bed.ana.says("#product-a", "<@fleet> status")
    await bed.slack.until(lambda: bed.store.outbox.next_due() is not None, "the doubt")
    bed.passing(minutes=1)
    await bed.answer("#product-a", "Fleet", thread=ts)
    assert len(bed.shown("#product-a", "Fleet")) == 1


async def test_lost_response_to_card_leaves_one_card_and_one_diff(bed: SlackBed) -> None:
    bed.plan()
    await bed.card()
    bed.slack.lose("chat.postMessage", 2)
    bed.plan(revision=2, body="1. Split the parser\n2. Test it twice")
    await bed.card("#product-a", "revision 2")
    for _ in range(3):
        bed.passing(minutes=1)
        await bed.settled()
    await bed.slack.until(lambda: bed.shown("#product-a", "```diff"), "the diff")
    assert len(bed.shown("#product-a", "revision 2", "Needs")) == 1 and len(bed.shown("#product-a", "```diff")) == 1


async def test_rate_limit_delays_posts_as_long_as_slack_asks(bed: SlackBed) -> None:
    bed.slack.limit("chat.postMessage", 30)
    ts = await bed.ana.says("#product-a", "<@fleet> status")
    await bed.slack.until(lambda: bed.store.outbox.next_due() is not None, "the pause")
    asked = [name for name, _ in bed.slack.calls].count("chat.postMessage")
    bed.passing(seconds=20)
    await bed.settled()
    assert [name for name, _ in bed.slack.calls].count("chat.postMessage") == asked
    bed.passing(seconds=20)
    await bed.answer("#product-a", "Fleet", thread=ts)


async def test_rate_limit_delays_reads_as_long_as_slack_asks(bed: SlackBed) -> None:
    await bed.kill()
    ts = await bed.ana.says("#product-a", "<@fleet> status")
    bed.slack.limit("conversations.history", 0, 2)
    bed.slack.limit("users.conversations", 0)
    await bed.start()
    await bed.answer("#product-a", "Fleet", thread=ts)


async def test_refused_blocks_become_text_with_log_entry(bed: SlackBed, caplog: pytest.LogCaptureFixture) -> None:
    bed.slack.fail("chat.postMessage", "invalid_blocks")
    bed.plan()
    shown = await bed.answer("#product-a", "Plan ready")
    assert not shown.get("blocks") and "invalid_blocks" in caplog.text
    bed.slack.fail("chat.update", "invalid_blocks")
    await bed.ana.commands("#product-a", "approve-plan g1 approve")
    await bed.slack.until(lambda: "chat.update: invalid_blocks" in bed.slack.refused, "that the outcome is refused, too")
    refusals(bed)


async def test_archived_channel_is_reported_and_recovers(bed: SlackBed) -> None:
    bed.a.archived = True
    bed.plan()
    await bed.slack.until(lambda: bed.store.unreachable.all(), "the end of the channel")
    bed.expect("slack:#product-a", "archived", kind="error")
    bed.a.archived = False
    await bed.slack.emit({"type": "channel_unarchive", "channel": bed.a.id, "user": "U01ANA"})
    assert not bed.store.unreachable.all()
    bed.plan(revision=2, body="Another")
    await bed.card("#product-a", "revision 2")
    refusals(bed)


async def test_removed_bot_is_reported_and_recovers_when_invited(bed: SlackBed) -> None:
    bed.a.members.discard(BOT_USER)
    await bed.slack.emit({"type": "channel_left", "channel": bed.a.id, "actor_id": "U01ANA"})
    bed.expect("slack:#product-a", "I was removed from the channel.", kind="error")
    bed.a.members.add(BOT_USER)
    await bed.slack.emit({"type": "member_joined_channel", "channel": bed.a.id, "user": BOT_USER, "inviter": "U01ANA"})
    bed.plan()
    await bed.card()
    assert not bed.store.unreachable.all()


async def test_renamed_channel_keeps_its_product_after_restart(bed: SlackBed) -> None:
    await bed.slack.until(lambda: bed.store.known_channels.of("slack").get("#product-a"), "what is known of it")
    bed.a.name = "project-a"
    await bed.slack.emit({"type": "channel_rename", "channel": {"id": bed.a.id, "name": "project-a", "created": 1}})
    bed.expect("was renamed to #project-a")
    for _ in range(2):
        ts = await bed.ana.says("#project-a", "<@fleet> pause")
        await bed.answer("#project-a", "product-a", thread=ts)
        await bed.crash()
    bed.plan()
    await bed.card("#project-a")


async def test_channel_without_bot_is_reported_with_fix(bed: SlackBed) -> None:
    bed.a.members.discard(BOT_USER)
    await bed.crash()
    bed.plan()
    await bed.slack.until(lambda: bed.store.unreachable.all(), "the end of the channel")
    bed.expect("slack:#product-a", "I'm not a member", kind="error")
    refusals(bed)


async def test_deactivated_account_gets_no_direct_messages(bed: SlackBed) -> None:
    await bed.ben.says("@fleet", "!status")
    await bed.answer("@fleet", "Fleet", who=bed.ben)
    bed.slack.world.users["U02BEN"].deleted = True
    await bed.slack.emit({"type": "user_change", "user": {"id": "U02BEN", "deleted": True}})
    bed.expect("slack:@U02BEN", "deactivated", kind="error")
    bed.slack.world.users["U03VIC"].deleted = True
    bed.plan()
    await bed.card()


async def test_deleted_bot_message_is_not_posted_again(bed: SlackBed) -> None:
    bed.plan()
    card = await bed.card()
    bed.a.messages.remove(card)
    await bed.ana.commands("#product-a", "approve-plan g1 approve")
    await bed.slack.until(lambda: "chat.update: message_not_found" in bed.slack.refused, "the try")
    await bed.answer("@fleet", "Approved by ana", who=bed.ben)
    await calm(bed)
    assert {each.partition(":")[2] for each in refusals(bed)} == {" message_not_found"}


async def test_refused_file_does_not_delay_card(bed: SlackBed) -> None:
    bed.slack.fail("files.completeUploadExternal", "file_upload_size_restricted")
    bed.plan(body="\n".join(f"{number}. Step" for number in range(99)))
    card = await bed.card()
    await bed.ana.presses("Approve", "#product-a", card)
    await bed.slack.until(lambda: "Approved by ana" in read(card) and not labels(card), "the outcome")
    refusals(bed)


async def test_stream_left_open_by_crash_is_finished_after_restart(tmp_path: Path) -> None:
    from tests.fakes.model import ScriptedModel, say

    models = [ScriptedModel([say("Half\nof it", hold=asyncio.Event())]), ScriptedModel([say("All of it.")])]
    async with SlackBed(tmp_path, model=lambda: models.pop(0)) as bed:
        ts = await bed.ana.says("#product-a", "<@fleet> tell me")
        streamed = await bed.answer("#product-a", "Half", thread=ts)
        await bed.crash()
        await bed.slack.until(lambda: "All of it." in read(streamed) and not streamed["streaming"], "the whole answer")
        assert "Half" not in read(streamed) and len(bed.shown("#product-a")) == 1
