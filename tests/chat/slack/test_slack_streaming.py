"""Turns on Slack, with streamed answers, status lines and Stop."""

import asyncio

from tests.chat.slack.slackbed import SlackBed, labels, read
from tests.fakes.model import call, say


async def test_streamed_message_becomes_the_answer(thinking: SlackBed) -> None:
    go = asyncio.Event()
    thinking.model.replies = [call("products"), say("All\nfour products are well.", hold=go)]
    thinking.model.speak.clear()
    ts = await thinking.ana.says("#product-a", "<@fleet> how is everybody?")
    status = await thinking.slack.until(lambda: thinking.slack.world.statuses, "a status")
    assert (status[0]["status"], status[0]["thread_ts"]) == ("thinking", ts)
    thinking.model.speak.set()
    streamed = await thinking.answer("#product-a", "All", thread=ts)
    assert streamed["streaming"] and thinking.slack.world.sessions[thinking.a.id, ts] == "processing"
    go.set()
    await thinking.answer("#product-a", "four products are well.", thread=ts)
    await thinking.slack.until(lambda: not streamed.get("streaming") and streamed.get("metadata"), "the end of the stream")
    assert len(thinking.shown("#product-a")) == 1 and thinking.slack.world.sessions[thinking.a.id, ts] == "active"


async def test_turn_without_stream_leaves_no_stop_button(thinking: SlackBed) -> None:
    thinking.model.replies = [say("Short.")]
    thinking.model.speak.clear()
    ts = await thinking.ana.says("#product-a", "<@fleet> is all well?")
    sessions = thinking.slack.world.sessions
    await thinking.slack.until(lambda: sessions.get((thinking.a.id, ts)) == "processing", "that it is worked on")
    thinking.model.speak.set()
    await thinking.answer("#product-a", "Short.", thread=ts)
    await thinking.slack.until(lambda: sessions[thinking.a.id, ts] == "active", "that it is not worked on any more")


async def test_slack_stop_ends_turn(thinking: SlackBed) -> None:
    thinking.model.replies = [say("This\nwill take long and longer.", hold=asyncio.Event())]
    ts = await thinking.ana.says("#product-a", "<@fleet> explain everything")
    await thinking.answer("#product-a", "This", thread=ts)
    thinking.slack.tolerated.add("chat.appendStream: message_not_in_streaming_state")  # a piece may be on its way
    await thinking.eve.stops("#product-a", ts)
    await thinking.eve.says("#product-a", "<@fleet> stop", thread=ts)
    await thinking.whispered(thinking.eve, "I do not know you")
    assert thinking.router.running()
    await thinking.ana.stops("#product-a", ts)
    await thinking.answer("#product-a", "Stopped", thread=ts)
    await thinking.slack.until(lambda: not thinking.router.running(), "the end of the turn")


async def test_message_grows_with_stop_button_without_native_streaming(thinking: SlackBed) -> None:
    thinking.slack.agent = False
    thinking.model.replies = [say("This will take long and longer.", hold=asyncio.Event())]
    await thinking.ana.says("@fleet", "explain everything")
    growing = await thinking.card("@fleet", "This")
    assert labels(growing) == ["Stop"]
    await thinking.ana.presses("Stop", "@fleet", growing)
    await thinking.slack.until(lambda: not labels(growing) and growing.get("metadata"), "the answer")
    await thinking.answer("@fleet", "Stopped")


async def test_workspace_without_agents_gets_answers(thinking: SlackBed) -> None:
    thinking.slack.agent = False
    thinking.model.replies = [say("First answer."), say("Second answer.")]
    for words in ("First answer.", "Second answer."):
        ts = await thinking.ana.says("#product-a", f"<@fleet> {words}")
        await thinking.answer("#product-a", words, thread=ts)
    expected = ("agents.sessions.setStatus: not_an_agent", "chat.startStream: team_not_supported")
    assert all(each in expected for each in thinking.slack.refused)
    thinking.slack.refused.clear()


async def test_message_during_turn_is_picked_up(thinking: SlackBed) -> None:
    go = asyncio.Event()
    thinking.model.replies = [say("I look.", hold=go, calls=call("products").calls), say("And product-b, too.")]
    ts = await thinking.ana.says("#product-a", "<@fleet> how is product-a?")
    await thinking.slack.until(lambda: thinking.model.requests, "the turn")
    await thinking.ana.says("#product-a", "and product-b?", thread=ts)
    go.set()
    await thinking.answer("#product-a", "And product-b, too.", thread=ts)
    assert "and product-b?" in str(thinking.model.requests[-1].messages[-1]) and len(thinking.shown("#product-a")) == 1


async def test_command_during_turn_has_its_own_answer(thinking: SlackBed) -> None:
    go = asyncio.Event()
    thinking.model.replies = [say("Half\nand whole.", hold=go)]
    ts = await thinking.ana.says("#product-a", "<@fleet> tell me")
    growing = await thinking.answer("#product-a", "Half", thread=ts)
    await thinking.ana.says("#product-a", "!products", thread=ts)
    await thinking.answer("#product-a", "marketing", thread=ts)
    assert growing["streaming"]
    go.set()
    await thinking.slack.until(lambda: "whole." in read(growing) and not growing["streaming"], "the answer")
    assert len(thinking.shown("#product-a")) == 2


async def test_deleted_message_stops_its_turn(thinking: SlackBed) -> None:
    thinking.model.replies = [say("This will take long.", hold=asyncio.Event())]
    ts = await thinking.ana.says("@fleet", "explain everything")
    await thinking.slack.until(lambda: thinking.model.requests, "the turn")
    await thinking.ana.deletes("@fleet", ts)
    await thinking.slack.until(lambda: not thinking.router.running(), "the end of the turn")


async def test_long_answer_has_file_with_full_text(thinking: SlackBed) -> None:
    whole = "\n".join(f"Line {number} of a long, long answer that nobody reads." for number in range(1, 400))
    thinking.model.replies = [say(whole)]
    ts = await thinking.ana.says("#product-a", "<@fleet> tell me everything")
    await thinking.answer("#product-a", "The full text is in the thread", thread=ts)
    await thinking.slack.until(lambda: any("files" in each for each in thinking.a.messages), "the file")
    (file,) = thinking.slack.world.files.values()
    assert file["content"].decode() == whole
