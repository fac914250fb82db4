"""Receiving from Slack, and the connection with its failures."""

import asyncio
from pathlib import Path

import pytest

from bot.domain.errors import DeliveryError, SettingsError
from bot.store import Store
from bot.work.pause import paused
from tests.chat.slack.slackbed import SlackBed, calm, refusals
from tests.standins.slack_world import BOT_USER, Json

# -- receiving ---------------------------------------------------------------------------------------------------------------


async def test_every_event_is_acknowledged_even_if_ignored(bed: SlackBed) -> None:
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


async def test_event_is_acknowledged_while_web_api_hangs(bed: SlackBed) -> None:
    held = [bed.slack.hold(method, 9) for method in ("chat.postMessage", "users.conversations", "conversations.open")]
    ts = await bed.ana.says("#product-a", "<@fleet> status")  # returns once both of its events are acknowledged
    await bed.ana.commands("#product-a", "products")
    for each in held:
        each.set()
    await bed.answer("#product-a", "Fleet", thread=ts)


async def test_acknowledged_event_is_persisted(bed: SlackBed) -> None:
    ts = await bed.ana.says("#product-a", "<@fleet> status")
    other = Store(bed.folder / "fleet.db")  # another connection sees only committed changes
    assert other.inbound.get(f"slack:{bed.a.id}:{ts}") is not None
    other.close()


async def test_unpersisted_event_is_not_acknowledged_and_sent_again(tmp_path: Path) -> None:
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


async def test_duplicate_event_is_handled_once(bed: SlackBed) -> None:
    message = {"type": "message", "channel": bed.a.id, "channel_type": "channel", "user": "U01ANA",
               "text": f"<@{BOT_USER}> spawn product-a fix it", "ts": bed.slack.world.ts()}  # fmt: skip
    bed.a.messages.append(message)
    for retry in range(3):
        await bed.slack.emit(message, event_id="Ev1", retry=retry)
        await bed.slack.emit({**message, "type": "app_mention"}, event_id="Ev2", retry=retry)
    await bed.answer("#product-a", "w1")
    await calm(bed)
    assert len(bed.store.work.open()) == 1 and len(bed.shown("#product-a", "w1")) == 1


async def test_messages_missed_while_offline_are_answered(bed: SlackBed) -> None:
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


async def test_channel_joined_while_offline_is_caught_up(bed: SlackBed) -> None:
    await bed.kill()
    bed.clock.forward(minutes=5)
    bed.slack.channel("new", bed.ana)
    ts = await bed.ana.says("#new", "<@fleet> products")
    await bed.start()
    await bed.answer("#new", "marketing", thread=ts)


async def test_messages_older_than_a_day_are_ignored(bed: SlackBed) -> None:
    await bed.kill()
    await bed.ana.says("#product-a", "<@fleet> pause product-a")
    bed.clock.forward(hours=30)
    ts = await bed.ana.says("#product-b", "<@fleet> products")
    await bed.start()
    await bed.answer("#product-b", "marketing", thread=ts)
    assert not paused(bed.fleet, "product-a") and not bed.shown("#product-a")


# -- the connection --------------------------------------------------------------------------------------------------------


async def test_cut_socket_reconnects_without_loss(bed: SlackBed) -> None:
    await bed.slack.cut()
    ts = await bed.ana.says("#product-a", "<@fleet> status")
    await bed.slack.until(lambda: bed.slack.sockets, "another socket")
    await bed.answer("#product-a", "Fleet", thread=ts)
    await bed.slack.until(lambda: bed.chat.part().state == "ok", "readiness")


async def test_disconnect_request_opens_another_socket(bed: SlackBed) -> None:
    links = [name for name, _ in bed.slack.calls].count("apps.connections.open")
    await bed.slack.disconnect()
    await bed.slack.until(lambda: [name for name, _ in bed.slack.calls].count("apps.connections.open") > links, "another link")
    await calm(bed)


async def test_silent_socket_is_detected_by_missing_pongs(tmp_path: Path) -> None:
    async with SlackBed(tmp_path, ping=0.1) as bed:
        links = [name for name, _ in bed.slack.calls].count("apps.connections.open")
        bed.slack.deafen()
        await bed.slack.until(
            lambda: [name for name, _ in bed.slack.calls].count("apps.connections.open") > links, "another link"
        )
        bed.slack.deafen(False)
        await bed.slack.until(lambda: bed.chat.part().state == "ok", "readiness")
        await calm(bed)


async def test_readiness_reports_refused_socket_and_retries(tmp_path: Path) -> None:
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
async def test_wrong_token_fails_start_with_reason(tmp_path: Path, tokens: dict[str, str], words: str) -> None:
    async with SlackBed(tmp_path, connected=False) as bed:
        chat = bed.make(**tokens)
        with pytest.raises(SettingsError, match=words):
            await chat.start()
        assert chat.part().state == "down"


async def test_unreachable_slack_at_start_is_retryable(tmp_path: Path) -> None:
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


async def test_revoked_token_is_reported_and_posts_wait(bed: SlackBed) -> None:
    bed.slack.revoked.add(bed.slack.bot_token)
    await bed.slack.emit({"type": "tokens_revoked", "tokens": {"bot": [BOT_USER]}})
    assert bed.chat.part().state == "down" and "SLACK_BOT_TOKEN" in bed.chat.part().why
    bed.plan()
    await bed.settled()
    bed.slack.revoked.clear()
    await bed.crash()
    await bed.card()
    refusals(bed)


async def test_silently_revoked_token_is_detected_at_next_message(bed: SlackBed) -> None:
    bed.slack.revoked.add(bed.slack.bot_token)
    await bed.ana.says("#product-a", "<@fleet> status")
    await bed.slack.until(lambda: "revoked" in bed.chat.part().why, "the reason")
    bed.slack.revoked.clear()
    await bed.crash()
    bed.passing(minutes=5)
    await bed.answer("#product-a", "Fleet")
    refusals(bed)
