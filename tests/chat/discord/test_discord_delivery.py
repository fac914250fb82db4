"""Delivery to Discord, once and in order despite refusals and losses."""

import pytest

from bot.domain import MailKind
from bot.gates.decide import decide
from tests.chat.discord.discordbed import DiscordBed
from tests.standins.discord_people import find, text_of


def said(bed: DiscordBed, *words: str) -> int:
    """Count the messages in product-a's channel with these words."""
    return len([each for each in bed.world.shown(bed.channel.id) if all(word in text_of(each) for word in words)])


@pytest.mark.parametrize("after", [True, False], ids=["the answer", "the request"])
async def test_lost_request_or_response_shows_message_once(bed: DiscordBed, after: bool) -> None:
    await bed.boards_are_shown()
    bed.discord.rest.lose("POST", f"/channels/{bed.channel.id}/messages", after=after)
    bed.plan()
    await bed.discord.until(lambda: bed.store.outbox.next_due(), "it is not known what became of it")
    await bed.later(minutes=1)
    await bed.delivered(1)
    assert said(bed, "Plan: Plan ready") == 1


async def test_lost_response_is_resolved_after_nonce_expired(
    bed: DiscordBed,
) -> None:
    await bed.boards_are_shown()
    bed.discord.rest.lose("POST", f"/channels/{bed.channel.id}/messages")
    bed.fleet.say(f"discord:{bed.channel.id}", "Work is **done**.", key="1")
    await bed.ana.sees(bed.channel, "Work is")
    await bed.discord.until(lambda: bed.store.outbox.next_due(), "its answer was lost")
    bed.world.advance_clock(600)
    await bed.later(minutes=10)
    await bed.delivered(1)
    assert said(bed, "Work is") == 1


async def test_lost_response_to_card_is_resolved_after_decision(bed: DiscordBed) -> None:
    await bed.boards_are_shown()
    bed.discord.rest.lose("POST", f"/channels/{bed.channel.id}/messages")
    bed.plan()
    card = await bed.card("Approve")
    await bed.discord.until(lambda: bed.store.outbox.next_due(), "its answer was lost")
    decide(bed.fleet, "g1", "approve", bed.person, platform="web")
    bed.world.advance_clock(600)
    await bed.later(minutes=10)
    await bed.discord.until(lambda: "Approved by ana" in text_of(card), "the one card says so")
    assert said(bed, "Plan: Plan ready") == 1


async def test_equal_posts_are_two_messages_despite_lost_response(bed: DiscordBed) -> None:
    place = f"discord:{bed.channel.id}"
    bed.fleet.say(place, "Stopped.", key="1")
    await bed.delivered(1)
    bed.world.advance_clock(600)
    await bed.boards_are_shown()
    bed.discord.rest.lose("POST", f"/channels/{bed.channel.id}/messages", after=False)
    bed.fleet.say(place, "Stopped.", key="2")
    await bed.discord.until(lambda: bed.store.outbox.next_due(), "its request was lost")
    await bed.later(minutes=10)
    await bed.delivered(2)
    assert said(bed, "Stopped.") == 2


async def test_rate_limit_delays_only_its_channel(bed: DiscordBed) -> None:
    await bed.boards_are_shown()
    bed.discord.rest.limited("POST", f"/channels/{bed.channel.id}/messages", 0.2)
    bed.fleet.say(f"discord:{bed.channel.id}", "first", key="1")
    bed.fleet.say(f"discord:{bed.channel.id}", "second", key="2")
    bed.fleet.say(f"discord:{bed.other.id}", "elsewhere", key="3")
    await bed.ana.sees(bed.other, "elsewhere")
    await bed.ana.sees(bed.channel, "second")
    assert [each.content for each in bed.world.shown(bed.channel.id) if each.content] == ["first", "second"]


async def test_long_rate_limit_returns_post_to_outbox(bed: DiscordBed) -> None:
    await bed.boards_are_shown()
    bed.discord.rest.limited("POST", f"/channels/{bed.channel.id}/messages", 300.0)
    bed.fleet.say(f"discord:{bed.channel.id}", "first", key="1")
    await bed.discord.until(lambda: bed.store.outbox.next_due(), "it waits")
    await bed.later(minutes=4)
    assert said(bed, "first") == 0
    await bed.later(minutes=4)
    await bed.ana.sees(bed.channel, "first")


async def test_rate_limit_bucket_is_respected(bed: DiscordBed) -> None:
    bed.discord.rest.limits[f"POST /channels/{bed.channel.id}/messages"] = (2, 0.1)
    for number in range(6):
        bed.fleet.say(f"discord:{bed.channel.id}", f"number {number}", key=str(number))
    await bed.ana.sees(bed.channel, "number 5")
    assert [each.content for each in bed.world.shown(bed.channel.id) if each.content] == [f"number {each}" for each in range(6)]


async def test_server_error_is_retried(bed: DiscordBed) -> None:
    await bed.boards_are_shown()
    bed.discord.rest.fail("POST", f"/channels/{bed.channel.id}/messages", 503)
    bed.fleet.say(f"discord:{bed.channel.id}", "first", key="1")
    await bed.discord.until(lambda: bed.store.outbox.next_due(), "it waits")
    await bed.later(minutes=1)
    await bed.ana.sees(bed.channel, "first")


async def test_lost_channel_is_reported_once_and_recovers(bed: DiscordBed) -> None:
    place = f"discord:{bed.channel.id}"
    bed.world.deny(bed.channel, "view_channel")
    bed.fleet.say(place, "first", key="1")
    await bed.discord.until(lambda: bed.store.unreachable.has(place), "the board reports it")
    bed.expect("can say nothing", "don't have access")
    bed.world.deny(bed.channel)
    await bed.settled_on_discord()
    bed.ana.mention(bed.channel, "!status")
    await bed.discord.until(lambda: not bed.store.unreachable.has(place), "it lives")


async def test_posts_of_deleted_channel_are_shown_on_page(bed: DiscordBed) -> None:
    bed.world.delete_channel(bed.channel.id)
    bed.plan()
    await bed.discord.until(lambda: bed.store.unreachable.has(f"discord:{bed.channel.id}"), "the board reports it")
    bed.expect("can say nothing", "does not exist")
    bed.plan(revision=2)
    await bed.settled()
    assert bed.expect("revision 2", kind="gate").conversation == "web:fleet"


async def test_closed_direct_messages_are_marked_unreachable(bed: DiscordBed) -> None:
    bed.world.closed.add(bed.ana.id)
    bed.fleet.say(f"discord:@{bed.ana.id}", "a plan waits", key="1")
    await bed.discord.until(lambda: bed.store.unreachable.has(f"discord:@{bed.ana.id}"), "the board reports it")
    bed.expect("accepts no direct messages")


async def test_stranger_with_closed_direct_messages_keeps_channel_reachable(bed: DiscordBed) -> None:
    bed.world.closed.add(bed.eve.id)
    bed.eve.mention(bed.channel, "!status")
    await bed.discord.until(lambda: bed.store.outbox.counts().get("failed"), "the private answer fails")
    assert bed.store.unreachable.all() == {}


async def test_question_in_read_only_channel_is_answered_in_direct_messages(bed: DiscordBed) -> None:
    bed.world.deny(bed.channel, "send_messages", "create_public_threads", "send_messages_in_threads")
    await bed.settled_on_discord()
    bed.ana.mention(bed.channel, "!status")
    await bed.ana.sees(bed.ana.direct, f"I'm not allowed to write in <#{bed.channel.id}>", "discord-invite")
    await bed.ana.sees(bed.ana.direct, "of 2 slots")


async def test_locked_thread_is_marked_unreachable(bed: DiscordBed) -> None:
    thread = await bed.thread(bed.ana.mention(bed.channel, "!status"))
    await bed.ana.sees(thread, "of 2 slots")
    state = thread.thread_metadata
    assert state is not None
    state.archived = state.locked = True
    place = f"discord:{bed.channel.id}:{thread.id}"
    bed.fleet.say(place, "news", key="1")
    await bed.discord.until(lambda: bed.store.unreachable.has(place), "the board reports it")


async def test_archived_thread_is_reopened(bed: DiscordBed) -> None:
    thread = await bed.thread(bed.ana.mention(bed.channel, "!status"))
    await bed.ana.sees(thread, "of 2 slots")
    assert thread.thread_metadata is not None
    thread.thread_metadata.archived = True
    bed.fleet.say(f"discord:{bed.channel.id}:{thread.id}", "news", key="1")
    await bed.ana.sees(thread, "news")


async def test_agent_text_notifies_no_one(bed: DiscordBed) -> None:
    bed.fleet.say(f"discord:{bed.channel.id}", f"@everyone and <@{bed.vic.id}>: look", key="1")
    message = await bed.ana.sees(bed.channel, "look")
    assert (message.mention_everyone, message.ping_user_ids) == (False, [])
    assert message.flags & 4, "links have no previews"


async def test_simultaneous_reports_are_one_message(bed: DiscordBed) -> None:
    for number in range(5):
        bed.engine.push_mail("product-a", sender=f"builder-{number}", kind=MailKind.WORKER_FINISHED, body=f"part {number} done")
        bed.clock.forward(seconds=0.5)
    await bed.settled()
    await bed.later(seconds=3)
    await bed.ana.sees(bed.channel, *(f"part {number} done" for number in range(5)))


async def test_extended_report_is_edited(bed: DiscordBed) -> None:
    bed.engine.push_mail("product-a", sender="builder-1", kind=MailKind.WORKER_FINISHED, body="part 1 done")
    await bed.settled()
    bed.fleet.say(f"discord:{bed.other.id}", "nothing to do with it", key="x")
    bed.clock.forward(seconds=2.9)
    first = find(bed.world.shown(bed.channel.id), ["part 1"])
    bed.engine.push_mail("product-a", sender="builder-2", kind=MailKind.WORKER_FINISHED, body="part 2 done")
    await bed.settled()
    await bed.later(seconds=5)
    await bed.ana.sees(bed.channel, "part 1 done", "part 2 done")
    assert first is None or said(bed, "part 1 done") == 1


async def test_very_long_report_is_file_with_beginning(bed: DiscordBed) -> None:
    text = "\n\n".join(f"Paragraph {number} " + "word " * 60 for number in range(40))
    bed.fleet.say(f"discord:{bed.channel.id}", text, key="1", kind="report")
    message = await bed.ana.sees(bed.channel, "Paragraph 0", "report.md")
    assert len(message.content) <= 2000
    (sent,) = [each for each in bed.discord.rest.asked if each.files]
    assert sent.files["report.md"].decode() == text


async def test_expired_interaction_is_answered_in_channel(bed: DiscordBed) -> None:
    await bed.commands()
    bed.discord.rest.fail("PATCH", "/webhooks/*", 404, 10015, "Unknown Webhook")
    await bed.slash(bed.ana, bed.channel, "status")
    await bed.ana.sees(bed.channel, "of 2 slots")


async def test_late_acknowledgement_is_still_answered(bed: DiscordBed) -> None:
    bed.plan()
    card = await bed.card()
    hold = bed.discord.rest.hold("POST", "/interactions/*")
    pressed = await bed.ben.press(card, "Approve", wait=False)
    await bed.discord.until(lambda: bed.discord.rest.requests("POST", "/interactions/*"), "it is being acknowledged")
    bed.world.advance_clock(4)
    hold.set()
    await bed.ben.sees(bed.ben.direct, "Approved by ben")
    assert pressed.failed
    await bed.discord.until(lambda: "Approved by ben" in text_of(card), "the card says so")
