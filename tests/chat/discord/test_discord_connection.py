"""The connection to Discord, its interruptions and recovery."""

from dataclasses import replace
from pathlib import Path

import pytest

from bot.domain.errors import SettingsError
from bot.gates.decide import decide
from tests.chat.discord.discordbed import FAST, DiscordBed
from tests.standins.discord_people import find, text_of


async def test_cut_connection_is_resumed_without_loss(bed: DiscordBed) -> None:
    bed.discord.gateway.cut()
    said = bed.ana.mention(bed.channel, "!status")
    thread = await bed.thread(said)
    await bed.ana.sees(thread, "of 2 slots")
    assert (bed.discord.gateway.identified, bed.discord.gateway.resumed) == (1, 1)


async def test_reconnect_request_is_followed(bed: DiscordBed) -> None:
    bed.discord.gateway.reconnect()
    await bed.discord.until(lambda: bed.discord.gateway.resumed == 1, "it has resumed")
    await bed.up()
    await bed.ana.sees(await bed.thread(bed.ana.mention(bed.channel, "!status")), "of 2 slots")


@pytest.mark.parametrize("how", ["invalidate", "forget"])
async def test_lost_session_is_replaced_and_history_is_read(bed: DiscordBed, how: str) -> None:
    getattr(bed.discord.gateway, how)()
    said = bed.ana.mention(bed.channel, "!status")
    thread = await bed.thread(said)
    await bed.ana.sees(thread, "of 2 slots")
    await bed.discord.until(lambda: bed.discord.gateway.identified == 2, "a new session has begun")
    assert len([post for post in bed.heard if post.text == "!status"]) == 1


async def test_silent_connection_is_detected_by_heartbeats(tmp_path: Path) -> None:
    bed = DiscordBed(tmp_path)
    bed.discord.gateway.heartbeat, bed.pace = 100, replace(FAST, silence=0.5)
    async with bed:
        bed.discord.gateway.deaf = True
        await bed.discord.until(lambda: bed.discord.gateway.resumed, "it has connected again")
        bed.discord.gateway.deaf = False
        await bed.ana.sees(await bed.thread(bed.ana.mention(bed.channel, "!status")), "of 2 slots")


async def test_failed_first_connection_is_retried(tmp_path: Path) -> None:
    bed = DiscordBed(tmp_path)
    bed.discord.gateway.refusing = 2
    async with bed:
        assert bed.discord.gateway.refusing == 0
        await bed.ana.sees(await bed.thread(bed.ana.mention(bed.channel, "!status")), "of 2 slots")


async def test_unreadable_event_ends_only_one_client(bed: DiscordBed) -> None:
    bed.discord.gateway.malformed()
    await bed.discord.until(lambda: bed.discord.gateway.identified == 2, "a new client has come")
    await bed.up()
    await bed.ana.sees(await bed.thread(bed.ana.mention(bed.channel, "!status")), "of 2 slots")


async def test_messages_during_client_replacement_are_handled_once(bed: DiscordBed) -> None:
    before = bed.ana.mention(bed.channel, "!status")
    await bed.ana.sees(await bed.thread(before), "of 2 slots")
    bed.discord.gateway.malformed()
    missed = bed.ana.mention(bed.channel, "!gates")
    await bed.ana.sees(await bed.thread(missed), "Nothing needs your decision")
    assert [post.text for post in bed.heard if post.author == "ana"] == ["!status", "!gates"]


async def test_wrong_token_fails_start_with_reason(tmp_path: Path) -> None:
    bed = DiscordBed(tmp_path)
    bed.connect = False
    async with bed:
        bed.discord.token = "another"
        with pytest.raises(SettingsError, match="rejects DISCORD_TOKEN"):
            await bed.chat.start()
        assert bed.discord.gateway.identified == 0


async def test_reset_token_is_reported_and_posts_wait(bed: DiscordBed) -> None:
    token, bed.discord.token = bed.discord.token, "another"
    bed.fleet.say(f"discord:{bed.channel.id}", "first", key="1")
    await bed.discord.until(lambda: bed.store.outbox.next_due(), "it is refused, and waits")
    bed.discord.gateway.forget()
    await bed.discord.until(lambda: "DISCORD_TOKEN" in bed.chat.part().why, "it is said")
    assert bed.chat.part().state == "down"
    bed.discord.token = token
    await bed.up()
    await bed.later(minutes=2)
    await bed.ana.sees(bed.channel, "first")


async def test_missing_content_intent_limits_to_mentions_and_is_reported(tmp_path: Path) -> None:
    bed = DiscordBed(tmp_path)
    bed.discord.rest.flags = 0
    bed.discord.gateway.approved.clear()
    async with bed:
        assert "every message needs a mention" in bed.chat.part().why
        thread = await bed.thread(bed.ana.mention(bed.channel, "!status"))
        await bed.ana.sees(thread, "of 2 slots")
        bed.ana.mention(thread, "!gates")
        await bed.ana.sees(thread, "Nothing needs your decision")


async def test_message_without_content_is_ignored(tmp_path: Path) -> None:
    bed = DiscordBed(tmp_path)
    bed.discord.rest.flags = 0
    bed.discord.gateway.approved.clear()
    async with bed:
        thread = await bed.thread(bed.ana.mention(bed.channel, "!status"))
        await bed.ana.sees(thread, "of 2 slots")
        bed.ana.say(thread, "!help")
        bed.ana.mention(thread, "!gates")
        await bed.ana.sees(thread, "Nothing needs your decision")
        assert [post.text for post in bed.heard if post.author == "ana"] == ["!status", "!gates"]


async def test_unavailable_server_is_served_once_available(tmp_path: Path) -> None:
    bed = DiscordBed(tmp_path)
    bed.discord.gateway.unavailable.add(bed.guild.id)
    async with bed:
        bed.discord.gateway.available(bed.guild.id)
        await bed.ana.sees(await bed.thread(bed.ana.mention(bed.channel, "!status")), "of 2 slots")


async def test_unpersisted_message_is_retried(tmp_path: Path) -> None:
    bed = DiscordBed(tmp_path)
    bed.discord.gateway.unavailable.add(bed.guild.id)
    async with bed:
        bed.discord.rest.fail("GET", f"/channels/{bed.channel.id}", 503, times=2)
        bed.ana.mention(bed.channel, "!status")
        await bed.discord.until(lambda: bed.chat.receiver.pending, "it waits")
        await bed.ana.sees(bed.channel, "of 2 slots")
        assert not bed.chat.receiver.pending


async def test_intent_refused_by_gateway_is_dropped(tmp_path: Path) -> None:
    bed = DiscordBed(tmp_path)
    bed.discord.gateway.approved.clear()
    async with bed:
        assert "every message needs a mention" in bed.chat.part().why
        await bed.ana.sees(await bed.thread(bed.ana.mention(bed.channel, "!status")), "of 2 slots")


async def test_products_can_use_several_servers(bed: DiscordBed) -> None:
    guild = bed.world.guild("Second works")
    channel = bed.world.channel(guild, "general")
    bed.world.add_member(guild.id, bed.ana.id)
    await bed.ana.sees(await bed.thread(bed.ana.mention(channel, "!status")), "of 2 slots")
    await bed.discord.until(lambda: "Second works" in bed.chat.part().why, "the readiness names it")


async def test_sending_does_not_depend_on_gateway(bed: DiscordBed) -> None:
    bed.plan()
    card = await bed.card()
    bed.discord.gateway.cut()
    decide(bed.fleet, "g1", "approve", bed.person, platform="web")
    await bed.discord.until(lambda: "Approved by ana" in text_of(card), "the card says so")


async def test_open_cards_mention_offline_time(bed: DiscordBed) -> None:
    bed.plan()
    card = await bed.card()
    await bed.delivered(1)
    await bed.kill()
    lost = await bed.ben.press(card, "Approve", wait=False)
    bed.world.advance_clock(30)
    bed.clock.forward(minutes=5)
    assert lost.failed
    await bed.start()
    await bed.card("I was offline from", "press it again")
    await (await bed.ben.press(card, "Approve")).answer("Approved by ben")
    await bed.discord.until(lambda: "Approved by ben" in text_of(card), "the card says so")
    assert "I was offline" not in text_of(card)


async def test_messages_missed_in_threads_and_direct_messages_are_answered(bed: DiscordBed) -> None:
    thread = await bed.thread(bed.ana.mention(bed.channel, "!status"))
    await bed.ana.sees(thread, "of 2 slots")
    bed.ana.dm("!status")
    await bed.ana.sees(bed.ana.direct, "of 2 slots")
    await bed.kill()
    bed.ana.say(thread, "!gates")
    bed.ana.dm("!gates")
    await bed.start()
    await bed.ana.sees(thread, "Nothing needs your decision")
    await bed.ana.sees(bed.ana.direct, "Nothing needs your decision")
    assert find(bed.world.shown(bed.channel.id), ["Nothing needs your decision"]) is None


async def test_messages_older_than_a_day_are_ignored(bed: DiscordBed) -> None:
    await bed.ana.sees(await bed.thread(bed.ana.mention(bed.channel, "!status")), "of 2 slots")
    bed.chat.catch_up.save()
    await bed.kill()
    bed.ana.mention(bed.channel, "!pause product-a")
    bed.clock.forward(days=2)
    bed.world.advance_clock(2 * 86_400)
    said = bed.ana.mention(bed.channel, "!gates")
    await bed.start()
    await bed.ana.sees(await bed.thread(said), "Nothing needs your decision")
    assert [post.text for post in bed.heard if post.author == "ana"] == ["!status", "!gates"]


async def test_unreadable_history_is_retried(bed: DiscordBed) -> None:
    await bed.kill()
    said = bed.ana.mention(bed.channel, "!status")
    bed.discord.rest.fail("GET", f"/channels/{bed.channel.id}/messages", 503, times=1)
    await bed.start()
    await bed.ana.sees(await bed.thread(said), "of 2 slots")
