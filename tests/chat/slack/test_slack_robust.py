"""What goes wrong between Slack and us: lost answers, cut and deaf sockets, limits, refusals, places and tokens that end."""

import asyncio
from pathlib import Path

import pytest

from bot.domain.errors import DeliveryError, SettingsError
from bot.store import Store
from bot.work.pause import paused
from tests.chat.slack.slackbed import SlackBed, labels, read
from tests.standins.slack_world import BOT_USER, Json


def refusals(bed: SlackBed) -> list[str]:
    """What was refused; from then on forgotten, as what was meant to happen."""
    found = list(bed.slack.refused)
    bed.slack.refused.clear()
    return found


async def calm(bed: SlackBed, word: str = "marketing") -> None:
    """Something else is asked and answered: by then, whatever came before it has been handled."""
    ts = await bed.ana.says("#lobby", "<@fleet> products")
    await bed.answer("#lobby", word, thread=ts)


# -- hearing ---------------------------------------------------------------------------------------------------------------


async def test_every_event_is_acknowledged_also_those_that_mean_nothing(bed: SlackBed) -> None:
    events = [
        {"type": "reaction_added", "user": "U01ANA"},
        {"type": "of_the_future"},
        {"type": "message", "subtype": "channel_join"},
    ]
    told = await asyncio.gather(*(bed.slack.emit(event) for event in events))
    unknown: list[tuple[str, Json]] = [
        ("interactive", {"type": "block_suggestion", "user": {"id": "U01ANA"}}),
        ("slash_commands", {"command": "/other"}),
    ]
    told += await asyncio.gather(*(bed.slack.send(kind, payload) for kind, payload in unknown))
    assert all(each.acked is not None for each in told)


async def test_it_is_acknowledged_while_the_web_api_answers_nothing(bed: SlackBed) -> None:
    held = [bed.slack.hold(method, 9) for method in ("chat.postMessage", "users.conversations", "conversations.open")]
    ts = await bed.ana.says("#product-a", "<@fleet> status")  # returns once both of its events are acknowledged
    await bed.ana.commands("#product-a", "products")
    for each in held:
        each.set()
    await bed.answer("#product-a", "Fleet", thread=ts)


async def test_what_is_acknowledged_is_in_the_store(bed: SlackBed) -> None:
    ts = await bed.ana.says("#product-a", "<@fleet> status")
    other = Store(bed.folder / "fleet.db")  # another connection: it sees only what was committed
    assert other.inbound.get(f"slack:{bed.a.id}:{ts}") is not None
    other.close()


async def test_what_cannot_be_kept_is_not_acknowledged_and_slack_sends_it_again(tmp_path: Path) -> None:
    async with SlackBed(tmp_path) as bed:
        bed.slack.deadline = 0.2
        message = {"type": "message", "channel": bed.a.id, "channel_type": "channel", "user": "U01ANA",
                   "text": f"<@{BOT_USER}> status", "ts": bed.slack.world.ts()}  # fmt: skip
        bed.a.messages.append(message)
        bed.store.database.run("PRAGMA query_only = 1")
        told = await bed.slack.emit(message, event_id="Ev1")
        assert told.acked is None
        bed.store.database.run("PRAGMA query_only = 0")
        bed.slack.deadline = 30
        assert (await bed.slack.emit(message, event_id="Ev1", retry=1)).acked is not None
        await bed.answer("#product-a", "Fleet", thread=message["ts"])


async def test_the_same_event_twice_is_handled_once(bed: SlackBed) -> None:
    message = {"type": "message", "channel": bed.a.id, "channel_type": "channel", "user": "U01ANA",
               "text": f"<@{BOT_USER}> spawn product-a fix it", "ts": bed.slack.world.ts()}  # fmt: skip
    bed.a.messages.append(message)
    for retry in range(3):
        await bed.slack.emit(message, event_id="Ev1", retry=retry)
        await bed.slack.emit({**message, "type": "app_mention"}, event_id="Ev2", retry=retry)
    await bed.answer("#product-a", "w1")
    await calm(bed)
    assert len(bed.store.work.open()) == 1 and len(bed.shown("#product-a", "w1")) == 1


async def test_what_was_said_while_it_was_away_is_taken_up_in_channels_threads_and_direct_messages(bed: SlackBed) -> None:
    ts = await bed.ana.says("#product-a", "<@fleet> status")
    await bed.answer("#product-a", "Fleet", thread=ts)
    await bed.kill()
    bed.clock.forward(minutes=5)
    mention = await bed.ana.says("#product-b", "<@fleet> status product-b")
    await bed.ana.says("#product-a", "!status product-a", thread=ts)
    await bed.ana.says("@fleet", "!products")
    await bed.eve.says("#product-a", "nothing for you")
    await bed.start()
    await bed.answer("#product-b", "product-b", thread=mention)
    await bed.answer("#product-a", "product-a", "idle", thread=ts)
    await bed.answer("@fleet", "marketing")
    await bed.crash()
    await calm(bed)
    assert len(bed.shown("#product-b")) == 1 and len(bed.shown("@fleet", "marketing")) == 1


async def test_a_channel_to_which_it_was_invited_while_it_was_away_is_caught_up_too(bed: SlackBed) -> None:
    await bed.kill()
    bed.clock.forward(minutes=5)
    bed.slack.channel("new", bed.ana)
    ts = await bed.ana.says("#new", "<@fleet> products")
    await bed.start()
    await bed.answer("#new", "marketing", thread=ts)


async def test_what_is_older_than_a_day_is_left_alone(bed: SlackBed) -> None:
    await bed.kill()
    await bed.ana.says("#product-a", "<@fleet> pause product-a")
    bed.clock.forward(hours=30)
    ts = await bed.ana.says("#product-b", "<@fleet> products")
    await bed.start()
    await bed.answer("#product-b", "marketing", thread=ts)
    assert not paused(bed.fleet, "product-a") and not bed.shown("#product-a")


# -- the connection --------------------------------------------------------------------------------------------------------


async def test_a_cut_socket_comes_back_and_nothing_is_lost(bed: SlackBed) -> None:
    await bed.slack.cut()
    ts = await bed.ana.says("#product-a", "<@fleet> status")
    await bed.slack.until(lambda: bed.slack.sockets, "another socket")
    await bed.answer("#product-a", "Fleet", thread=ts)
    await bed.slack.until(lambda: bed.chat.part().state == "ok", "readiness")


async def test_a_disconnect_makes_room_for_another_socket(bed: SlackBed) -> None:
    links = [name for name, _ in bed.slack.calls].count("apps.connections.open")
    await bed.slack.disconnect()
    await bed.slack.until(lambda: [name for name, _ in bed.slack.calls].count("apps.connections.open") > links, "another link")
    await calm(bed)


async def test_a_deaf_socket_is_found_by_its_missing_pongs(tmp_path: Path) -> None:
    async with SlackBed(tmp_path, ping=0.1) as bed:
        links = [name for name, _ in bed.slack.calls].count("apps.connections.open")
        bed.slack.deafen()
        await bed.slack.until(
            lambda: [name for name, _ in bed.slack.calls].count("apps.connections.open") > links, "another link"
        )
        bed.slack.deafen(False)
        await bed.slack.until(lambda: bed.chat.part().state == "ok", "readiness")
        await calm(bed)


async def test_while_slack_gives_no_socket_readiness_says_so_and_it_goes_on_trying(tmp_path: Path) -> None:
    async with SlackBed(tmp_path, ping=0.1) as bed:
        bed.slack.fail("apps.connections.open", "internal_error", 3)
        await bed.slack.cut()
        await bed.slack.until(lambda: "internal_error" in bed.chat.part().why, "the reason")
        assert bed.chat.part().state == "down"
        await bed.slack.until(lambda: bed.chat.part().state == "ok", "readiness")
        await calm(bed)
        refusals(bed)


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        ({"bot_token": "xoxb-of-somebody-else"}, "SLACK_BOT_TOKEN"),
        ({"app_token": "xapp-of-somebody-else"}, "SLACK_APP_TOKEN"),
        ({"app_token": None}, "SLACK_APP_TOKEN for Socket Mode, or SLACK_SIGNING_SECRET"),
    ],
)
async def test_a_wrong_token_ends_the_start_with_words_not_with_a_loop(
    tmp_path: Path, tokens: dict[str, str], words: str
) -> None:
    async with SlackBed(tmp_path, connected=False) as bed:
        chat = bed.make(**tokens)
        with pytest.raises(SettingsError, match=words):
            await chat.start()
        assert chat.part().state == "down"


async def test_slack_that_cannot_be_reached_at_the_start_may_be_tried_again(tmp_path: Path) -> None:
    async with SlackBed(tmp_path, connected=False) as bed:
        chat = bed.make(api_url="http://127.0.0.1:9/api")
        with pytest.raises(DeliveryError, match="cannot be reached") as error:
            await chat.start()
        assert error.value.retry_after
        chat = bed.make()
        bed.slack.break_down("auth.test")
        with pytest.raises(DeliveryError, match="failed to process"):
            await chat.start()
        await chat.start()
        await bed.slack.until(lambda: chat.part().state == "ok", "readiness")
        await chat.stop()


async def test_a_revoked_token_is_said_and_what_waits_is_kept_for_the_next_one(bed: SlackBed) -> None:
    bed.slack.revoked.add(bed.slack.bot_token)
    await bed.slack.emit({"type": "tokens_revoked", "tokens": {"bot": [BOT_USER]}})
    assert bed.chat.part().state == "down" and "SLACK_BOT_TOKEN" in bed.chat.part().why
    bed.plan()
    await bed.settled()
    bed.slack.revoked.clear()
    await bed.crash()
    await bed.card()
    refusals(bed)


async def test_a_token_that_ends_without_a_word_is_noticed_at_the_next_message(bed: SlackBed) -> None:
    bed.slack.revoked.add(bed.slack.bot_token)
    await bed.ana.says("#product-a", "<@fleet> status")
    await bed.slack.until(lambda: "revoked" in bed.chat.part().why, "the reason")
    bed.slack.revoked.clear()
    await bed.crash()
    bed.passing(minutes=5)
    await bed.answer("#product-a", "Fleet")
    refusals(bed)


# -- saying ----------------------------------------------------------------------------------------------------------------


async def test_a_lost_answer_is_resolved_by_looking_not_by_saying_it_twice(bed: SlackBed) -> None:
    bed.slack.lose("chat.postMessage")
    ts = await bed.ana.says("#product-a", "<@fleet> status")
    await bed.answer("#product-a", "Fleet", thread=ts)
    await bed.slack.until(lambda: bed.store.outbox.next_due() is not None, "the doubt")
    bed.passing(minutes=1)
    await bed.slack.until(lambda: bed.store.outbox.counts().get("delivered") == 1, "the end of the doubt")
    assert len(bed.shown("#product-a", "Fleet")) == 1


async def test_a_request_that_never_arrived_is_sent_again(bed: SlackBed) -> None:
    bed.slack.break_down("chat.postMessage", 502)
    ts = await bed.ana.says("#product-a", "<@fleet> status")
    await bed.slack.until(lambda: bed.store.outbox.next_due() is not None, "the doubt")
    bed.passing(minutes=1)
    await bed.answer("#product-a", "Fleet", thread=ts)
    assert len(bed.shown("#product-a", "Fleet")) == 1


async def test_a_lost_answer_to_a_card_leaves_one_card_with_one_diff(bed: SlackBed) -> None:
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


async def test_slack_asks_to_slow_down_and_is_left_alone_for_so_long(bed: SlackBed) -> None:
    bed.slack.limit("chat.postMessage", 30)
    ts = await bed.ana.says("#product-a", "<@fleet> status")
    await bed.slack.until(lambda: bed.store.outbox.next_due() is not None, "the pause")
    asked = [name for name, _ in bed.slack.calls].count("chat.postMessage")
    bed.passing(seconds=20)
    await bed.settled()
    assert [name for name, _ in bed.slack.calls].count("chat.postMessage") == asked
    bed.passing(seconds=20)
    await bed.answer("#product-a", "Fleet", thread=ts)


async def test_reading_waits_as_long_as_slack_asks_for(bed: SlackBed) -> None:
    await bed.kill()
    ts = await bed.ana.says("#product-a", "<@fleet> status")
    bed.slack.limit("conversations.history", 0, 2)
    bed.slack.limit("users.conversations", 0)
    await bed.start()
    await bed.answer("#product-a", "Fleet", thread=ts)


async def test_blocks_that_slack_refuses_become_text_and_the_log_says_why(
    bed: SlackBed, caplog: pytest.LogCaptureFixture
) -> None:
    bed.slack.fail("chat.postMessage", "invalid_blocks")
    bed.plan()
    shown = await bed.answer("#product-a", "Plan ready")
    assert not shown.get("blocks") and "invalid_blocks" in caplog.text
    bed.slack.fail("chat.update", "invalid_blocks")
    await bed.ana.commands("#product-a", "approve-plan g1 approve")
    await bed.slack.until(lambda: "chat.update: invalid_blocks" in bed.slack.refused, "that the outcome is refused, too")
    refusals(bed)


async def test_an_archived_channel_is_said_on_the_board_and_lives_again_when_it_does(bed: SlackBed) -> None:
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


async def test_a_bot_that_was_removed_says_so_and_comes_back_when_it_is_invited(bed: SlackBed) -> None:
    bed.a.members.discard(BOT_USER)
    await bed.slack.emit({"type": "channel_left", "channel": bed.a.id, "actor_id": "U01ANA"})
    bed.expect("slack:#product-a", "I was removed from the channel.", kind="error")
    bed.a.members.add(BOT_USER)
    await bed.slack.emit({"type": "member_joined_channel", "channel": bed.a.id, "user": BOT_USER, "inviter": "U01ANA"})
    bed.plan()
    await bed.card()
    assert not bed.store.unreachable.all()


async def test_a_renamed_channel_is_still_the_products_also_after_a_restart(bed: SlackBed) -> None:
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


async def test_a_channel_that_it_was_not_invited_to_is_named_with_its_cure(bed: SlackBed) -> None:
    bed.a.members.discard(BOT_USER)
    await bed.crash()
    bed.plan()
    await bed.slack.until(lambda: bed.store.unreachable.all(), "the end of the channel")
    bed.expect("slack:#product-a", "I'm not a member", kind="error")
    refusals(bed)


async def test_somebody_whose_account_was_deactivated_gets_no_more_direct_messages(bed: SlackBed) -> None:
    await bed.ben.says("@fleet", "!status")
    await bed.answer("@fleet", "Fleet", who=bed.ben)
    bed.slack.world.users["U02BEN"].deleted = True
    await bed.slack.emit({"type": "user_change", "user": {"id": "U02BEN", "deleted": True}})
    bed.expect("slack:@U02BEN", "deactivated", kind="error")
    bed.slack.world.users["U03VIC"].deleted = True
    bed.plan()
    await bed.card()


async def test_a_message_of_ours_that_somebody_deleted_is_not_missed(bed: SlackBed) -> None:
    bed.plan()
    card = await bed.card()
    bed.a.messages.remove(card)
    await bed.ana.commands("#product-a", "approve-plan g1 approve")
    await bed.slack.until(lambda: "chat.update: message_not_found" in bed.slack.refused, "the try")
    await bed.answer("@fleet", "Approved by ana", who=bed.ben)
    await calm(bed)
    assert {each.partition(":")[2] for each in refusals(bed)} == {" message_not_found"}


async def test_a_file_that_slack_refuses_does_not_hold_up_the_card(bed: SlackBed) -> None:
    bed.slack.fail("files.completeUploadExternal", "file_upload_size_restricted")
    bed.plan(body="\n".join(f"{number}. Step" for number in range(99)))
    card = await bed.card()
    await bed.ana.presses("Approve", "#product-a", card)
    await bed.slack.until(lambda: "Approved by ana" in read(card) and not labels(card), "the outcome")
    refusals(bed)


async def test_a_stream_that_a_crash_left_open_is_finished_by_the_next_start(tmp_path: Path) -> None:
    from tests.fakes.model import ScriptedModel, say

    models = [ScriptedModel([say("Half\nof it", hold=asyncio.Event())]), ScriptedModel([say("All of it.")])]
    async with SlackBed(tmp_path, model=lambda: models.pop(0)) as bed:
        ts = await bed.ana.says("#product-a", "<@fleet> tell me")
        streamed = await bed.answer("#product-a", "Half", thread=ts)
        await bed.crash()
        await bed.slack.until(lambda: "All of it." in read(streamed) and not streamed["streaming"], "the whole answer")
        assert "Half" not in read(streamed) and len(bed.shown("#product-a")) == 1
