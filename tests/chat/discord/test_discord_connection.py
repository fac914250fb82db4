"""The connection to Discord: interruptions, RESUME, what Discord cannot mean, tokens and intents, several servers."""

from dataclasses import replace
from pathlib import Path

import pytest

from bot.domain.errors import SettingsError
from bot.gates.decide import decide
from tests.chat.discord.discordbed import FAST, DiscordBed
from tests.standins.discord_people import find, text_of


async def test_a_cut_connection_is_resumed_and_nothing_is_missed(bed: DiscordBed) -> None:
    bed.discord.gateway.cut()
    said = bed.ana.mention(bed.channel, "!status")
    thread = await bed.thread(said)
    await bed.ana.sees(thread, "of 2 sessions")
    assert (bed.discord.gateway.identified, bed.discord.gateway.resumed) == (1, 1)


async def test_discord_asks_to_reconnect(bed: DiscordBed) -> None:
    bed.discord.gateway.reconnect()
    await bed.discord.until(lambda: bed.discord.gateway.resumed == 1, "it has resumed")
    await bed.up()
    await bed.ana.sees(await bed.thread(bed.ana.mention(bed.channel, "!status")), "of 2 sessions")


@pytest.mark.parametrize("how", ["invalidate", "forget"])
async def test_a_session_that_is_lost_is_followed_by_a_new_one_and_the_history_is_read(bed: DiscordBed, how: str) -> None:
    getattr(bed.discord.gateway, how)()
    said = bed.ana.mention(bed.channel, "!status")
    thread = await bed.thread(said)
    await bed.ana.sees(thread, "of 2 sessions")
    await bed.discord.until(lambda: bed.discord.gateway.identified == 2, "a new session has begun")
    assert len([post for post in bed.heard if post.text == "!status"]) == 1


async def test_a_connection_that_went_deaf_is_found_by_its_heartbeats(tmp_path: Path) -> None:
    bed = DiscordBed(tmp_path)
    bed.discord.gateway.heartbeat, bed.pace = 100, replace(FAST, silence=0.5)
    async with bed:
        bed.discord.gateway.deaf = True
        await bed.discord.until(lambda: bed.discord.gateway.resumed, "it has connected again")
        bed.discord.gateway.deaf = False
        await bed.ana.sees(await bed.thread(bed.ana.mention(bed.channel, "!status")), "of 2 sessions")


async def test_a_first_connection_that_fails_is_tried_again(tmp_path: Path) -> None:
    bed = DiscordBed(tmp_path)
    bed.discord.gateway.refusing = 2
    async with bed:
        assert bed.discord.gateway.refusing == 0
        await bed.ana.sees(await bed.thread(bed.ana.mention(bed.channel, "!status")), "of 2 sessions")


async def test_an_event_that_nobody_can_read_ends_one_client_not_the_coordinator(bed: DiscordBed) -> None:
    bed.discord.gateway.malformed()
    await bed.discord.until(lambda: bed.discord.gateway.identified == 2, "a new client has come")
    await bed.up()
    await bed.ana.sees(await bed.thread(bed.ana.mention(bed.channel, "!status")), "of 2 sessions")


async def test_what_was_said_while_a_client_was_replaced_is_heard_once(bed: DiscordBed) -> None:
    before = bed.ana.mention(bed.channel, "!status")
    await bed.ana.sees(await bed.thread(before), "of 2 sessions")
    bed.discord.gateway.malformed()
    missed = bed.ana.mention(bed.channel, "!gates")
    await bed.ana.sees(await bed.thread(missed), "Nothing waits")
    assert [post.text for post in bed.heard if post.author == "ana"] == ["!status", "!gates"]


async def test_a_wrong_token_is_said_in_words_at_once(tmp_path: Path) -> None:
    bed = DiscordBed(tmp_path)
    bed.connect = False
    async with bed:
        bed.discord.token = "another"
        with pytest.raises(SettingsError, match="rejects DISCORD_TOKEN"):
            await bed.chat.start()
        assert bed.discord.gateway.identified == 0


async def test_a_token_that_is_reset_while_it_runs_is_said_in_the_readiness_and_what_waits_is_kept(bed: DiscordBed) -> None:
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


async def test_without_the_content_intent_it_listens_to_mentions_and_says_what_is_lacking(tmp_path: Path) -> None:
    bed = DiscordBed(tmp_path)
    bed.discord.rest.flags = 0
    bed.discord.gateway.approved.clear()
    async with bed:
        assert "every message needs a mention" in bed.chat.part().why
        thread = await bed.thread(bed.ana.mention(bed.channel, "!status"))
        await bed.ana.sees(thread, "of 2 sessions")
        bed.ana.mention(thread, "!gates")
        await bed.ana.sees(thread, "Nothing waits")


async def test_a_message_whose_content_is_kept_from_us_is_not_answered(tmp_path: Path) -> None:
    bed = DiscordBed(tmp_path)
    bed.discord.rest.flags = 0
    bed.discord.gateway.approved.clear()
    async with bed:
        thread = await bed.thread(bed.ana.mention(bed.channel, "!status"))
        await bed.ana.sees(thread, "of 2 sessions")
        bed.ana.say(thread, "!help")
        bed.ana.mention(thread, "!gates")
        await bed.ana.sees(thread, "Nothing waits")
        assert [post.text for post in bed.heard if post.author == "ana"] == ["!status", "!gates"]


async def test_a_server_that_is_away_at_first_is_served_when_it_comes(tmp_path: Path) -> None:
    bed = DiscordBed(tmp_path)
    bed.discord.gateway.unavailable.add(bed.guild.id)
    async with bed:
        bed.discord.gateway.available(bed.guild.id)
        await bed.ana.sees(await bed.thread(bed.ana.mention(bed.channel, "!status")), "of 2 sessions")


async def test_a_message_that_could_not_be_kept_at_once_is_kept_later(tmp_path: Path) -> None:
    bed = DiscordBed(tmp_path)
    bed.discord.gateway.unavailable.add(bed.guild.id)
    async with bed:
        bed.discord.rest.fail("GET", f"/channels/{bed.channel.id}", 503, times=2)
        bed.ana.mention(bed.channel, "!status")
        await bed.discord.until(lambda: bed.chat.receiver.pending, "it waits")
        await bed.ana.sees(bed.channel, "of 2 sessions")
        assert not bed.chat.receiver.pending


async def test_an_intent_that_only_the_gateway_refuses_is_done_without(tmp_path: Path) -> None:
    bed = DiscordBed(tmp_path)
    bed.discord.gateway.approved.clear()
    async with bed:
        assert "every message needs a mention" in bed.chat.part().why
        await bed.ana.sees(await bed.thread(bed.ana.mention(bed.channel, "!status")), "of 2 sessions")


async def test_products_may_be_talked_about_in_several_servers(bed: DiscordBed) -> None:
    guild = bed.world.guild("Second works")
    channel = bed.world.channel(guild, "general")
    bed.world.add_member(guild.id, bed.ana.id)
    await bed.ana.sees(await bed.thread(bed.ana.mention(channel, "!status")), "of 2 sessions")
    await bed.discord.until(lambda: "Second works" in bed.chat.part().why, "the readiness names it")


async def test_sending_does_not_wait_for_the_gateway_to_be_told_of_a_decision(bed: DiscordBed) -> None:
    bed.plan()
    card = await bed.card()
    bed.discord.gateway.cut()
    decide(bed.fleet, "g1", "approve", bed.person, platform="web")
    await bed.discord.until(lambda: "Approved by ana" in text_of(card), "the card says so")


async def test_when_it_was_away_its_open_cards_say_so(bed: DiscordBed) -> None:
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


async def test_what_was_said_in_a_thread_and_in_private_while_it_was_away_is_answered(bed: DiscordBed) -> None:
    thread = await bed.thread(bed.ana.mention(bed.channel, "!status"))
    await bed.ana.sees(thread, "of 2 sessions")
    bed.ana.dm("!status")
    await bed.ana.sees(bed.ana.direct, "of 2 sessions")
    await bed.kill()
    bed.ana.say(thread, "!gates")
    bed.ana.dm("!gates")
    await bed.start()
    await bed.ana.sees(thread, "Nothing waits")
    await bed.ana.sees(bed.ana.direct, "Nothing waits")
    assert find(bed.world.shown(bed.channel.id), ["Nothing waits"]) is None


async def test_what_was_said_longer_than_a_day_ago_is_left_alone(bed: DiscordBed) -> None:
    await bed.ana.sees(await bed.thread(bed.ana.mention(bed.channel, "!status")), "of 2 sessions")
    bed.chat.catch_up.save()
    await bed.kill()
    bed.ana.mention(bed.channel, "!pause product-a")
    bed.clock.forward(days=2)
    bed.world.advance_clock(2 * 86_400)
    said = bed.ana.mention(bed.channel, "!gates")
    await bed.start()
    await bed.ana.sees(await bed.thread(said), "Nothing waits")
    assert [post.text for post in bed.heard if post.author == "ana"] == ["!status", "!gates"]


async def test_what_cannot_be_read_after_an_absence_is_read_later(bed: DiscordBed) -> None:
    await bed.kill()
    said = bed.ana.mention(bed.channel, "!status")
    bed.discord.rest.fail("GET", f"/channels/{bed.channel.id}/messages", 503, times=1)
    await bed.start()
    await bed.ana.sees(await bed.thread(said), "of 2 sessions")
