"""Conversations on Slack, in channels, threads and direct messages."""

from bot.domain import MailKind
from bot.work.pause import paused
from tests.chat.slack.slackbed import SlackBed, read
from tests.fakes.model import say


async def test_mention_is_answered_in_thread(bed: SlackBed) -> None:
    ts = await bed.ana.says("#product-a", "<@fleet> status")
    await bed.answer("#product-a", "Fleet", thread=ts)


async def test_channel_implies_product(bed: SlackBed) -> None:
    ts = await bed.ana.says("#product-a", "<@fleet> pause")
    await bed.answer("#product-a", "product-a", "paused", thread=ts)
    assert paused(bed.fleet, "product-a")


async def test_bots_thread_needs_no_mention_and_takes_bang_commands(bed: SlackBed) -> None:
    ts = await bed.ana.says("#product-a", "<@fleet> status")
    await bed.answer("#product-a", "Fleet", thread=ts)
    await bed.ana.says("#product-a", "!products", thread=ts)
    await bed.answer("#product-a", "product-c", "marketing", thread=ts)
    await bed.ana.says("#product-a", "thanks", thread=ts)
    await bed.answer("#product-a", "ANTHROPIC_API_KEY", thread=ts)


async def test_messages_between_people_are_ignored(bed: SlackBed) -> None:
    ts = await bed.ana.says("#product-a", "lunch?")
    await bed.ben.says("#product-a", "yes", thread=ts)
    mine = await bed.ana.says("#product-a", "<@fleet> status")
    await bed.answer("#product-a", "Fleet", thread=mine)
    await bed.ben.says("#product-a", "<@U01ANA> what do you think of this?", thread=mine)
    await bed.ben.says("#product-a", "!reminder tomorrow", thread=ts)
    later = await bed.ben.says("#product-a", "!help")
    await bed.answer("#product-a", "spawn", thread=later)
    assert len(bed.shown("#product-a")) == 2


async def test_direct_messages_cover_all_products(bed: SlackBed) -> None:
    await bed.ana.says("@fleet", "!status")
    answer = await bed.answer("@fleet", "Fleet", "product-b")
    assert "thread_ts" not in answer
    thread = await bed.ana.says("@fleet", "and in a thread")
    await bed.ana.says("@fleet", "!status", thread=thread)
    await bed.answer("@fleet", "Fleet", thread=thread)


async def test_slash_command_and_answer_are_visible_in_channel(bed: SlackBed) -> None:
    delivery = await bed.ana.commands("#product-b", "pause")
    assert delivery.answer == {"response_type": "in_channel"}
    answer = await bed.answer("#product-b", "product-b", "paused")
    assert "thread_ts" not in answer
    await bed.ana.commands("#product-b", "")
    await bed.answer("#product-b", "spawn", "pause")


async def test_slash_command_without_bot_is_answered_privately(bed: SlackBed) -> None:
    bed.slack.channel("secrets", bed.ana, bot=False, private=True)
    await bed.ana.commands("#secrets", "status")
    await bed.whispered(bed.ana, "Fleet")
    assert bed.slack.refused.pop().startswith("chat.postMessage: channel_not_found")


async def test_command_button_runs_in_thread(bed: SlackBed) -> None:
    ts = await bed.ana.says("#product-a", "<@fleet> spawn product-a fix the failing test")
    answer = await bed.answer("#product-a", "w1", thread=ts)
    await bed.ana.presses("Status of product-a", "#product-a", answer)
    await bed.answer("#product-a", "Fleet:", thread=ts)


async def test_message_becomes_task_with_link_and_reports_in_thread(bed: SlackBed) -> None:
    ts = await bed.ben.says("#product-b", "The invoice rounds &lt;cents&gt; wrong")
    await bed.ana.shortcuts("make_task", "#product-b", ts)
    form = await bed.ana.form()
    objective = next(each for each in form["blocks"] if each.get("block_id") == "objective")["element"]["initial_value"]
    assert objective.startswith("The invoice rounds <cents> wrong\n\n(from #product-b, https://fleet.slack.com/archives/")
    await bed.ana.submits(form, {"Objective": "Fix the rounding --of cents in invoices"})
    await bed.answer("#product-b", "w1", "product-b", thread=ts)
    assert bed.work("w1").objective == "Fix the rounding --of cents in invoices"
    assert bed.work("w1").conversation == f"slack:#product-b:{ts}"


async def test_task_form_is_refused_without_permission(bed: SlackBed) -> None:
    ts = await bed.ana.says("#product-a", "Something is wrong")
    await bed.vic.shortcuts("make_task", "#product-a", ts)
    await bed.whispered(bed.vic, "needs the role operator")
    assert not bed.slack.world.views


async def test_strangers_are_refused_privately_once(bed: SlackBed) -> None:
    await bed.eve.says("#product-a", "<@fleet> status")
    await bed.whispered(bed.eve, "I do not know you")
    await bed.eve.says("#product-a", "<@fleet> pause product-a")
    await bed.eve.says("@fleet", "hello?")
    ts = await bed.ana.says("#product-a", "<@fleet> status")
    await bed.answer("#product-a", "Fleet", thread=ts)
    assert len(bed.slack.world.ephemeral) == 1 and len(bed.shown("#product-a")) == 1
    assert not paused(bed.fleet, "product-a")


async def test_guests_of_shared_channel_are_strangers(bed: SlackBed) -> None:
    mallory = bed.slack.person("U09MALLORY", "mallory", team="T0OTHER")
    bed.slack.channel("shared", bed.ana, mallory, shared=True)
    ts = await bed.ana.says("#shared", "<@fleet> status")
    await bed.answer("#shared", "Fleet", thread=ts)
    await mallory.says("#shared", "!pause product-a", thread=ts)
    await bed.whispered(mallory, "I do not know you")
    await mallory.says("#shared", "and go on with it", thread=ts)
    assert len(bed.shown("#shared")) == 1


async def test_bots_are_ignored_even_with_mention(bed: SlackBed) -> None:
    robot = bed.slack.person("U07ROBOT", "robot", is_bot=True)
    await robot.says("#product-a", "<@fleet> status", bot_id="B07ROBOT")
    await robot.says("#product-a", "<@fleet> status", subtype="bot_message", bot_id="B07ROBOT")
    ts = await bed.ana.says("#product-a", "<@fleet> products")
    await bed.answer("#product-a", "marketing", thread=ts)
    assert len(bed.shown("#product-a")) == 1


async def test_edited_message_is_picked_up_once(bed: SlackBed) -> None:
    ts = await bed.ana.says("#product-a", "status")
    await bed.ana.edits("#product-a", ts, "<@fleet> status")
    await bed.answer("#product-a", "Fleet", thread=ts)
    await bed.ana.edits("#product-a", ts, "<@fleet> pause product-a")
    await bed.whispered(bed.ana, "send a new message")
    assert not paused(bed.fleet, "product-a") and len(bed.shown("#product-a")) == 1


async def test_files_and_links_are_converted_to_text(thinking: SlackBed) -> None:
    thinking.model.replies = [say("I see.")]
    text = "<@fleet> see <https://example.org/a|the notes> and <#C9|design>, <@U02BEN> &amp; co"
    ts = await thinking.ana.says("#product-a", text, subtype="file_share", files=[{"name": "plan.png"}])
    await thinking.answer("#product-a", "I see.", thread=ts)
    heard = str(thinking.model.requests[0].messages[-1]["content"])
    assert "see [the notes](https://example.org/a) and #design, @ben & co" in heard and "plan.png" in heard


async def test_model_text_mentions_no_one(thinking: SlackBed) -> None:
    thinking.model.replies = [say("Done, <!channel> and @here and <@U02BEN>: see <https://example.org>.")]
    ts = await thinking.ana.says("#product-a", "<@fleet> tell everyone")
    answer = await thinking.answer("#product-a", "Done", "example.org", thread=ts)
    assert not [each for each in ("<!channel>", "@here", "<@U02BEN>") if each in read(answer)]
    assert "<https://example.org>" in read(answer) and not answer.get("unfurl")


async def test_agent_pane_offers_suggestions(bed: SlackBed) -> None:
    await bed.ana.opens_assistant(bed.slack.world.ts())
    offered = await bed.slack.until(lambda: bed.slack.world.prompts, "prompts")
    assert offered[0]["prompts"][0] == {"title": "What needs my decision?", "message": "/fleet gates"}
    await bed.eve.opens_assistant(bed.slack.world.ts())
    await bed.ana.opens_home("messages")
    await bed.slack.until(lambda: len(bed.slack.world.prompts) == 2, "prompts without a thread")


async def test_simultaneous_reports_are_one_message(bed: SlackBed) -> None:
    ts = await bed.ana.says("#product-a", "<@fleet> spawn product-a tidy up")
    await bed.answer("#product-a", "w1", thread=ts)
    await bed.slack.until(lambda: bed.work("w1").mail, "its mail")
    for number in range(5):
        bed.engine.push_mail(
            "product-a", kind=MailKind.PROGRESS, sender=f"builder-{number}", body=f"part {number}", thread=bed.work("w1").mail
        )
    bed.passing(seconds=4)
    await bed.answer("#product-a", "part 0", "part 4", thread=ts)
    assert len(bed.shown("#product-a", "part")) == 1
