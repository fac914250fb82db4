"""Turns on Discord, with streamed answers and Stop."""

import asyncio
from pathlib import Path

import pytest

from bot.agent.live import Delta
from tests.chat.discord.discordbed import DiscordBed
from tests.fakes.model import ScriptedModel, say
from tests.standins.discord_people import labels, text_of


@pytest.mark.parametrize("together", [False, True])
async def test_deleted_message_stops_its_turn(tmp_path: Path, together: bool) -> None:
    model = ScriptedModel([say("This will take long.", hold=asyncio.Event())])
    async with DiscordBed(tmp_path, model=lambda: model) as bed:
        said = bed.ana.mention(bed.channel, "explain everything")
        await bed.ana.sees(await bed.thread(said), "This")
        if together:
            bed.world.bulk_delete_messages(bed.channel.id, [said.id])
        else:
            bed.world.delete_message(bed.channel.id, said.id)
        await bed.discord.until(lambda: not bed.router.running(), "the turn has ended")


async def test_streamed_message_becomes_the_answer(tmp_path: Path) -> None:
    hold = asyncio.Event()
    model = ScriptedModel([say("Two products are idle.", hold=hold)])
    async with DiscordBed(tmp_path, model=lambda: model) as bed:
        thread = await bed.thread(bed.ana.mention(bed.channel, "how do things stand?"))
        growing = await bed.ana.sees(thread, "Two")
        assert labels(growing) == ["Stop"]
        assert bed.discord.rest.requests("POST", f"/channels/{thread.id}/typing")
        hold.set()
        answer = await bed.ana.sees(thread, "Two products are idle.")
        await bed.discord.until(lambda: labels(answer) == [], "the button goes")
        assert answer.id == growing.id
        assert len(bed.world.shown(thread.id)) == 1


async def test_stop_button_ends_turn(tmp_path: Path) -> None:
    hold = asyncio.Event()
    model = ScriptedModel([say("Once upon a time there was a fleet.", hold=hold)])
    async with DiscordBed(tmp_path, model=lambda: model) as bed:
        thread = await bed.thread(bed.ana.mention(bed.channel, "tell me everything"))
        growing = await bed.ana.sees(thread, "Once")
        pressed = await bed.ana.press(growing, "Stop")
        await pressed.answer("Stopped")
        hold.set()
        await bed.discord.until(lambda: not labels(growing), "the button goes")


async def test_turn_of_command_is_answered_only_in_its_response(tmp_path: Path) -> None:
    hold = asyncio.Event()
    model = ScriptedModel([say("Both are idle.", hold=hold)])
    async with DiscordBed(tmp_path, model=lambda: model) as bed:
        await bed.commands()
        pressed = await bed.ana.slash(bed.channel, "fleet ask", {"question": "how do they stand?"})
        await bed.discord.until(lambda: Delta("Both") in bed.seen, "it is being written")
        hold.set()
        answer = await pressed.answer("Both are idle.")
        assert [each for each in bed.world.shown(bed.channel.id) if "Both" in each.content] == [answer]


async def test_long_answer_is_split_with_code_intact(tmp_path: Path) -> None:
    lines = "\n".join(f"line {number} of the log" for number in range(150))
    model = ScriptedModel([say(f"Here:\n\n```text\n{lines}\n```\n\nThat is all.")])
    async with DiscordBed(tmp_path, model=lambda: model) as bed:
        thread = await bed.thread(bed.ana.mention(bed.channel, "show me the log"))
        await bed.discord.until(lambda: len(bed.world.shown(thread.id)) == 2, "it comes in two messages")
        shown = bed.world.shown(thread.id)
        assert all(len(each.content) <= 2000 and each.content.count("```") % 2 == 0 for each in shown)
        assert [line for line in lines.split("\n") if line not in "\n".join(map(text_of, shown))] == []


async def test_command_during_turn_does_not_replace_its_answer(tmp_path: Path) -> None:
    hold = asyncio.Event()
    model = ScriptedModel([say("Both are idle.", hold=hold)])
    async with DiscordBed(tmp_path, model=lambda: model) as bed:
        thread = await bed.thread(bed.ana.mention(bed.channel, "how do they stand?"))
        growing = await bed.ana.sees(thread, "Both")
        bed.ana.say(thread, "!gates")
        listed = await bed.ana.sees(thread, "Nothing needs your decision")
        hold.set()
        answer = await bed.ana.sees(thread, "Both are idle.")
        assert growing.id == answer.id != listed.id


async def test_message_during_turn_is_picked_up(tmp_path: Path) -> None:
    hold = asyncio.Event()
    model = ScriptedModel([say("One moment please.", hold=hold), say("Both are idle.")])
    async with DiscordBed(tmp_path, model=lambda: model) as bed:
        thread = await bed.thread(bed.ana.mention(bed.channel, "product-a?"))
        await bed.ana.sees(thread, "One")
        bed.ana.say(thread, "and product-b?")
        await bed.discord.until(lambda: [p for p in bed.heard if p.text == "and product-b?"], "it is heard")
        hold.set()
        await bed.ana.sees(thread, "Both are idle.")


async def test_turn_resumes_in_same_message_after_crash(tmp_path: Path) -> None:
    hold = asyncio.Event()
    models = iter([ScriptedModel([say("Two products", hold=hold)]), ScriptedModel([say("Two products are idle.")])])
    async with DiscordBed(tmp_path, model=lambda: next(models)) as bed:
        thread = await bed.thread(bed.ana.mention(bed.channel, "how do things stand?"))
        growing = await bed.ana.sees(thread, "Two")
        await bed.kill()
        await bed.start()
        answer = await bed.ana.sees(thread, "Two products are idle.")
        assert (answer.id, len(bed.world.shown(thread.id))) == (growing.id, 1)
