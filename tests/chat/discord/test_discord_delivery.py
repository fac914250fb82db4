"""What goes out to Discord: once, in order, whatever Discord refuses and whatever gets lost on the way."""

import pytest

from bot.domain import MailKind
from bot.gates.decide import decide
from tests.chat.discord.discordbed import DiscordBed
from tests.standins.discord_people import find, text_of


def said(bed: DiscordBed, *words: str) -> int:
    """How many messages in product-a's channel show these words."""
    return len([each for each in bed.world.shown(bed.channel.id) if all(word in text_of(each) for word in words)])


@pytest.mark.parametrize("after", [True, False], ids=["the answer", "the request"])
async def test_what_got_lost_on_the_way_is_shown_once(bed: DiscordBed, after: bool) -> None:
    await bed.boards_are_shown()
    bed.discord.rest.lose("POST", f"/channels/{bed.channel.id}/messages", after=after)
    bed.plan()
    await bed.discord.until(lambda: bed.store.outbox.next_due(), "it is not known what became of it")
    await bed.later(minutes=1)
    await bed.delivered(1)
    assert said(bed, "Plan: Plan ready") == 1


async def test_a_message_whose_answer_was_lost_is_recognised_long_after_its_nonce_is_forgotten(
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


async def test_a_card_whose_answer_was_lost_is_recognised_although_it_was_decided_meanwhile(bed: DiscordBed) -> None:
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


async def test_the_same_words_twice_are_two_messages_even_if_an_answer_was_lost(bed: DiscordBed) -> None:
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


async def test_429_is_waited_for_and_nothing_else_is_held_up(bed: DiscordBed) -> None:
    await bed.boards_are_shown()
    bed.discord.rest.limited("POST", f"/channels/{bed.channel.id}/messages", 0.2)
    bed.fleet.say(f"discord:{bed.channel.id}", "first", key="1")
    bed.fleet.say(f"discord:{bed.channel.id}", "second", key="2")
    bed.fleet.say(f"discord:{bed.other.id}", "elsewhere", key="3")
    await bed.ana.sees(bed.other, "elsewhere")
    await bed.ana.sees(bed.channel, "second")
    assert [each.content for each in bed.world.shown(bed.channel.id) if each.content] == ["first", "second"]


async def test_a_long_429_goes_back_to_the_outbox_which_waits_as_long_as_discord_asks(bed: DiscordBed) -> None:
    await bed.boards_are_shown()
    bed.discord.rest.limited("POST", f"/channels/{bed.channel.id}/messages", 300.0)
    bed.fleet.say(f"discord:{bed.channel.id}", "first", key="1")
    await bed.discord.until(lambda: bed.store.outbox.next_due(), "it waits")
    await bed.later(minutes=4)
    assert said(bed, "first") == 0
    await bed.later(minutes=4)
    await bed.ana.sees(bed.channel, "first")


async def test_a_bucket_is_respected_before_it_is_empty(bed: DiscordBed) -> None:
    bed.discord.rest.limits[f"POST /channels/{bed.channel.id}/messages"] = (2, 0.1)
    for number in range(6):
        bed.fleet.say(f"discord:{bed.channel.id}", f"number {number}", key=str(number))
    await bed.ana.sees(bed.channel, "number 5")
    assert [each.content for each in bed.world.shown(bed.channel.id) if each.content] == [f"number {each}" for each in range(6)]


async def test_a_server_in_trouble_is_tried_again(bed: DiscordBed) -> None:
    await bed.boards_are_shown()
    bed.discord.rest.fail("POST", f"/channels/{bed.channel.id}/messages", 503)
    bed.fleet.say(f"discord:{bed.channel.id}", "first", key="1")
    await bed.discord.until(lambda: bed.store.outbox.next_due(), "it waits")
    await bed.later(minutes=1)
    await bed.ana.sees(bed.channel, "first")


async def test_a_deleted_channel_is_told_of_once_and_comes_back_to_life_when_somebody_speaks_there(bed: DiscordBed) -> None:
    place = f"discord:{bed.channel.id}"
    bed.world.deny(bed.channel, "view_channel")
    bed.fleet.say(place, "first", key="1")
    await bed.discord.until(lambda: bed.store.unreachable.has(place), "it is told")
    bed.expect("can say nothing", "don't have access")
    bed.world.deny(bed.channel)
    await bed.settled_on_discord()
    bed.ana.mention(bed.channel, "!status")
    await bed.discord.until(lambda: not bed.store.unreachable.has(place), "it lives")


async def test_what_belongs_to_a_channel_that_is_deleted_is_shown_in_the_page(bed: DiscordBed) -> None:
    bed.world.delete_channel(bed.channel.id)
    bed.plan()
    await bed.discord.until(lambda: bed.store.unreachable.has(f"discord:{bed.channel.id}"), "it is told")
    bed.expect("can say nothing", "does not exist")
    bed.plan(revision=2)
    await bed.settled()
    assert bed.expect("revision 2", kind="gate").conversation == "web:fleet"


async def test_a_person_with_a_closed_door_is_a_dead_place(bed: DiscordBed) -> None:
    bed.world.closed.add(bed.ana.id)
    bed.fleet.say(f"discord:@{bed.ana.id}", "a plan waits", key="1")
    await bed.discord.until(lambda: bed.store.unreachable.has(f"discord:@{bed.ana.id}"), "it is told")
    bed.expect("accepts no direct messages")


async def test_a_stranger_with_a_closed_door_does_not_end_the_channel(bed: DiscordBed) -> None:
    bed.world.closed.add(bed.eve.id)
    bed.eve.mention(bed.channel, "!status")
    await bed.discord.until(lambda: bed.store.outbox.counts().get("failed"), "it could not be told")
    assert bed.store.unreachable.all() == {}


async def test_who_asks_where_we_may_not_write_is_told_in_direct_messages_why(bed: DiscordBed) -> None:
    bed.world.deny(bed.channel, "send_messages", "create_public_threads", "send_messages_in_threads")
    await bed.settled_on_discord()
    bed.ana.mention(bed.channel, "!status")
    await bed.ana.sees(bed.ana.direct, f"I'm not allowed to write in <#{bed.channel.id}>", "discord-invite")
    await bed.ana.sees(bed.ana.direct, "of 2 sessions")


async def test_a_locked_thread_is_a_dead_place(bed: DiscordBed) -> None:
    thread = await bed.thread(bed.ana.mention(bed.channel, "!status"))
    await bed.ana.sees(thread, "of 2 sessions")
    state = thread.thread_metadata
    assert state is not None
    state.archived = state.locked = True
    place = f"discord:{bed.channel.id}:{thread.id}"
    bed.fleet.say(place, "news", key="1")
    await bed.discord.until(lambda: bed.store.unreachable.has(place), "it is told")


async def test_an_archived_thread_opens_again(bed: DiscordBed) -> None:
    thread = await bed.thread(bed.ana.mention(bed.channel, "!status"))
    await bed.ana.sees(thread, "of 2 sessions")
    assert thread.thread_metadata is not None
    thread.thread_metadata.archived = True
    bed.fleet.say(f"discord:{bed.channel.id}:{thread.id}", "news", key="1")
    await bed.ana.sees(thread, "news")


async def test_nobody_is_pinged_whatever_agents_write(bed: DiscordBed) -> None:
    bed.fleet.say(f"discord:{bed.channel.id}", f"@everyone and <@{bed.vic.id}>: look", key="1")
    message = await bed.ana.sees(bed.channel, "look")
    assert (message.mention_everyone, message.ping_user_ids) == (False, [])
    assert message.flags & 4, "no previews of links"


async def test_five_agents_that_finish_are_one_message(bed: DiscordBed) -> None:
    for number in range(5):
        bed.engine.push_mail("product-a", sender=f"builder-{number}", kind=MailKind.WORKER_FINISHED, body=f"part {number} done")
        bed.clock.forward(seconds=0.5)
    await bed.settled()
    await bed.later(seconds=3)
    await bed.ana.sees(bed.channel, *(f"part {number} done" for number in range(5)))


async def test_a_report_that_grows_after_it_was_shown_grows_on_discord(bed: DiscordBed) -> None:
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


async def test_a_very_long_report_is_a_file_below_its_beginning(bed: DiscordBed) -> None:
    text = "\n\n".join(f"Paragraph {number} " + "word " * 60 for number in range(40))
    bed.fleet.say(f"discord:{bed.channel.id}", text, key="1", kind="report")
    message = await bed.ana.sees(bed.channel, "Paragraph 0", "report.md")
    assert len(message.content) <= 2000
    (sent,) = [each for each in bed.discord.rest.asked if each.files]
    assert sent.files["report.md"].decode() == text


async def test_an_interaction_that_can_no_longer_be_answered_is_answered_in_the_channel(bed: DiscordBed) -> None:
    await bed.commands()
    bed.discord.rest.fail("PATCH", "/webhooks/*", 404, 10015, "Unknown Webhook")
    await bed.slash(bed.ana, bed.channel, "status")
    await bed.ana.sees(bed.channel, "of 2 sessions")


async def test_an_interaction_whose_acknowledgement_comes_too_late_is_answered_all_the_same(bed: DiscordBed) -> None:
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
