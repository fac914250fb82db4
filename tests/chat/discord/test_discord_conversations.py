"""Conversations on Discord, with mentions, threads, commands and streaming."""

from bot.chat.discord.to_commands import TASK
from bot.domain import MailKind
from bot.work.pause import paused
from tests.chat.discord.discordbed import DiscordBed
from tests.standins.discord_people import find, labels


async def test_mention_starts_thread_without_further_mentions(bed: DiscordBed) -> None:
    said = bed.ana.mention(bed.channel, "!status")
    thread = await bed.thread(said)
    assert thread.name == "!status"
    answer = await bed.ana.sees(thread, "Fleet", "product-a")
    assert bed.world.shown(bed.channel.id) == [] or answer.channel_id == thread.id
    bed.ana.say(thread, "!gates")
    await bed.ana.sees(thread, "Nothing needs your decision")


async def test_messages_to_others_are_ignored(bed: DiscordBed) -> None:
    bed.ana.say(bed.channel, "!status")
    thread = await bed.thread(bed.ana.mention(bed.channel, "!status"))
    await bed.ana.sees(thread, "Fleet")
    before = len(bed.world.shown(thread.id))
    bed.ana.say(thread, f"<@{bed.ben.id}> what do you think?")
    hers = bed.ben.say(thread, "I like it")
    bed.ana.say(thread, "!gates")
    await bed.ana.sees(thread, "Nothing needs your decision")
    assert not [post for post in bed.heard if "what do you think" in post.text]
    assert [post for post in bed.heard if post.text == hers.content], "the bot's thread needs no mention"
    assert len(bed.world.shown(thread.id)) >= before + 1
    assert len([each for each in bed.world.shown(bed.channel.id) if "**Fleet:**" in each.content]) == 0


async def test_channel_implies_product(bed: DiscordBed) -> None:
    thread = await bed.thread(bed.ana.mention(bed.other, "!spawn fix the test"))
    await bed.ana.sees(thread, "w1")
    assert bed.work("w1").product == "product-b"
    assert bed.work("w1").conversation == f"discord:{bed.other.id}:{thread.id}"


async def test_reports_arrive_in_requesting_thread(bed: DiscordBed) -> None:
    thread = await bed.thread(bed.ana.mention(bed.channel, "!spawn fix the test"))
    await bed.ana.sees(thread, "w1")
    await bed.settled()
    bed.engine.push_mail("product-a", kind=MailKind.FINISHED, body="All **green**.", thread=bed.work("w1").mail)
    await bed.settled()
    bed.clock.forward(seconds=5)
    bed.jobs.wake()
    await bed.ana.sees(thread, "All **green**.")
    assert find(bed.world.shown(bed.channel.id), ["All **green**."]) is None


async def test_answer_is_in_channel_without_thread_permission(bed: DiscordBed) -> None:
    bed.world.deny(bed.channel, "create_public_threads")
    await bed.settled_on_discord()
    bed.ana.mention(bed.channel, "!status")
    await bed.ana.sees(bed.channel, "of 2 slots")


async def test_lost_thread_permission_makes_answer_a_reply(bed: DiscordBed) -> None:
    hold = bed.discord.rest.hold("POST", "/channels/*/messages/*/threads")
    said = bed.ana.mention(bed.channel, "!status")
    await bed.discord.until(lambda: bed.discord.rest.requests("POST", "*/threads"), "a thread is asked for")
    bed.world.deny(bed.channel, "create_public_threads")
    hold.set()
    answer = await bed.ana.sees(bed.channel, "of 2 slots")
    assert answer.reference is not None and answer.reference["message_id"] == str(said.id)


async def test_direct_messages_cover_all_products(bed: DiscordBed) -> None:
    bed.ana.dm("!status")
    await bed.ana.sees(bed.ana.direct, "product-a", "product-b")


async def test_bots_webhooks_and_system_messages_are_ignored(bed: DiscordBed) -> None:
    other = bed.world.make_user("other-bot", bot=True)
    bed.world.add_member(bed.guild.id, other.id)
    bed.world.create_message(bed.channel.id, other.id, f"<@{bed.discord.bot}> !status")
    hook = bed.world.create_webhook(bed.channel.id, "ci", bed.ana.id)
    bed.world.create_message(bed.channel.id, hook.webhook_user_id, f"<@{bed.discord.bot}> !status", webhook_id=hook.id)
    thread = await bed.thread(bed.ana.mention(bed.channel, "!gates"))
    await bed.ana.sees(thread, "Nothing needs your decision")
    assert [post.text for post in bed.heard if post.author != "fleet"] == ["!gates"]


async def test_strangers_are_refused_only_in_direct_messages(bed: DiscordBed) -> None:
    bed.eve.mention(bed.channel, "!status")
    await bed.eve.sees(bed.eve.direct, "I do not know you")
    bed.eve.mention(bed.channel, "!pause product-a")
    bed.eve.dm("hello?")
    thread = await bed.thread(bed.ana.mention(bed.channel, "!status"))
    await bed.ana.sees(thread, "of 2 slots")
    bed.eve.say(thread, "what is this?")
    await bed.settled_on_discord()
    assert len(bed.world.shown(bed.eve.direct.id)) == 1, "one refusal, and none for messages to others"
    assert find(bed.world.shown(bed.channel.id), ["I do not know you"]) is None


async def test_command_answer_replaces_thinking(bed: DiscordBed) -> None:
    pressed = await bed.slash(bed.ana, bed.channel, "spawn product-a fix the test --capability scout")
    answer = await pressed.answer("w1")
    assert answer.id == pressed.record.message_id
    assert (bed.work("w1").product, bed.work("w1").capability) == ("product-a", "scout")
    assert bed.work("w1").objective == "fix the test"


async def test_command_without_product_uses_channels_product(bed: DiscordBed) -> None:
    await bed.commands()
    await (await bed.ana.slash(bed.other, "fleet spawn", {"objective": "fix the test"})).answer("w1")
    assert bed.work("w1").product == "product-b"


async def test_products_gates_and_work_are_completed(bed: DiscordBed) -> None:
    await bed.commands()
    bed.plan()
    await bed.card()
    assert await bed.ana.suggestions(bed.channel, "fleet status", "products", "b") == ["product-b"]
    assert await bed.ana.suggestions(bed.channel, "fleet gates", "gate", "plan") == ["g1"]
    assert await bed.eve.suggestions(bed.channel, "fleet status", "products", "") == []
    assert await bed.ben.suggestions(bed.channel, "fleet inspect", "product", "") == ["product-a"]
    await (await bed.slash(bed.ana, bed.other, "spawn product-b fix the parser")).answer("w1")
    assert await bed.ana.suggestions(bed.channel, "fleet cancel", "work", "parser") == ["w1"]
    assert await bed.ben.suggestions(bed.channel, "fleet cancel", "work", "") == []
    assert await bed.ana.suggestions(bed.channel, "fleet prioritize", "before", "") == ["w1"]
    assert await bed.ana.suggestions(bed.channel, "fleet why", "about", "product-b") == ["product-b", "w1"]
    assert await bed.ben.suggestions(bed.channel, "fleet why", "about", "") == ["g1", "product-a"]


async def test_refused_command_is_answered_privately(bed: DiscordBed) -> None:
    pressed = await bed.slash(bed.vic, bed.channel, "spawn product-a fix the test")
    told = await pressed.answer("needs the role operator")
    assert told.is_ephemeral
    assert find(bed.world.shown(bed.channel.id), ["needs the role"]) is None


async def test_suggestion_runs_command(bed: DiscordBed) -> None:
    thread = await bed.thread(bed.ana.mention(bed.channel, "how do things stand?"))
    nearest = await bed.ana.sees(thread, "ANTHROPIC_API_KEY") if not bed.router.turns else None
    assert nearest is not None
    (label, *_) = labels(nearest)
    pressed = await bed.ana.press(nearest, label)
    await pressed.answer()


async def test_message_becomes_task_with_reports_in_thread(bed: DiscordBed) -> None:
    await bed.commands()
    wish = bed.vic.say(bed.other, "The report should be sorted by date.")
    shown = await bed.ana.menu(bed.other, TASK, wish)
    pressed = await bed.ana.submit(shown)
    await pressed.answer("w1")
    assert (bed.work("w1").product, bed.work("w1").objective) == ("product-b", "The report should be sorted by date.")
    await bed.settled()
    bed.engine.push_mail("product-b", kind=MailKind.FINISHED, body="It is sorted.", thread=bed.work("w1").mail)
    await bed.settled()
    await bed.later(seconds=5)
    thread = await bed.thread(wish)
    await bed.ana.sees(thread, "It is sorted.")
    assert "The report should be sorted" in str(thread.name)


async def test_task_form_is_refused_without_permission(bed: DiscordBed) -> None:
    await bed.commands()
    wish = bed.ana.say(bed.channel, "do it")
    await (await bed.eve.menu(bed.channel, TASK, wish)).answer("I do not know you")
    shown = await bed.vic.menu(bed.channel, TASK, wish)
    await shown.answer("needs the role operator")
    assert shown.record.modal is None


async def test_irreversible_suggestion_asks_for_confirmation(bed: DiscordBed) -> None:
    await bed.commands()
    await (await bed.slash(bed.ana, bed.channel, "spawn product-a fix the test")).answer("w1")
    warned = await (await bed.slash(bed.ana, bed.channel, "stop product-a")).answer("permanently")
    (stop,) = labels(warned)
    asked = await (await bed.ana.press(warned, stop)).answer("/fleet stop product-a --yes", "Are you sure?")
    assert asked.is_ephemeral and bed.work("w1").state.open
    await bed.ana.press(asked, "Run")
    await bed.discord.until(lambda: not bed.work("w1").state.open, "it is stopped")


async def test_edited_message_is_picked_up_once(
    bed: DiscordBed,
) -> None:
    said = bed.ana.say(bed.channel, "!status")
    bed.ana.edit(said, f"<@{bed.discord.bot}> !status")
    thread = await bed.thread(said)
    await bed.ana.sees(thread, "of 2 slots")
    bed.ana.edit(said, f"<@{bed.discord.bot}> !pause product-a")
    await bed.ana.sees(bed.ana.direct, "send a new message")
    assert not paused(bed.fleet, "product-a") and len(bed.world.shown(thread.id)) == 1


async def test_pinned_or_previewed_message_is_not_handled_again(bed: DiscordBed) -> None:
    said = bed.ana.mention(bed.channel, "!status")
    await bed.ana.sees(await bed.thread(said), "of 2 slots")
    bed.world.set_pinned(bed.channel.id, said.id, True)
    await bed.settled_on_discord()
    assert find(bed.world.shown(bed.ana.direct.id), ["new message"]) is None
    assert [post.text for post in bed.heard if post.author == "ana"] == ["!status"]
