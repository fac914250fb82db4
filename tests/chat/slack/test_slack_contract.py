"""The contract of every chat platform, run against Slack."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.chat.slack.slackbed import SlackBed, labels, read
from tests.contracts.chat import ChatContract, Day, Seen
from tests.standins.slack_blocks import elements
from tests.standins.slack_people import Somebody, find_button
from tests.standins.slack_world import BOT, Json

WORDS = {"approve": "Approve", "changes": "Request changes", "reject": "Reject"}
NOTES = {"changes": "What should change?", "reject": "Reason (sent to the coordinator)", "answer": "Your answer"}


class SlackDay(Day):
    """A day on Slack."""

    def __init__(self, bed: SlackBed) -> None:
        self.bed: SlackBed = bed

    def _who(self, person: str) -> Somebody:
        who: Somebody = getattr(self.bed, person)
        return who

    def _where(self, channel: str) -> str:
        return "@fleet" if channel == "dm" else f"#{channel}"

    async def say(self, person: str, channel: str, text: str, *, thread: str = "", mention: bool = True) -> str:
        text = f"<@fleet> {text}" if mention and channel != "dm" and not text.startswith("!") else text
        return await self._who(person).says(self._where(channel), text, thread=thread or None)

    async def command(self, person: str, channel: str, text: str) -> None:
        await self._who(person).commands(self._where(channel), text)

    async def press(self, person: str, message: Seen, choice: str, *, note: str | None = None) -> None:
        who = self._who(person)
        channel = next(each for each in self.bed.slack.world.channels.values() if each.find(message.id))
        shown = channel.find(message.id) or {}
        forms = len(self.bed.slack.world.views)
        label = WORDS.get(choice, choice)
        await who.press_of(find_button(shown["blocks"], label), channel.id, shown)
        if len(self.bed.slack.world.views) > forms and note is not None:
            await who.submits(await who.form(), {NOTES[choice]: note})

    async def seen(self, channel: str, *, thread: str = "", person: str = "") -> list[Seen]:
        place = self.bed.place(self._where(channel), self._who(person) if person else None)
        shown = [
            each for each in place.messages if each.get("bot_id") == BOT and (not thread or each.get("thread_ts") == thread)
        ]
        alone = [each for each in self.bed.slack.world.ephemeral if person and each["user"] == self._who(person).id]
        return [*(_seen(each) for each in shown), *(_seen(each, person) for each in alone)]

    async def until(self, what: Any, why: str) -> Any:
        return await self.bed.slack.until_awaited(what, why)

    async def restart(self) -> None:
        await self.bed.crash()

    async def away(self) -> None:
        await self.bed.kill()

    async def back(self) -> None:
        await self.bed.start()


def _seen(message: Json, only_for: str = "") -> Seen:
    thread = message.get("thread_ts") or ""
    named = {each["text"]["text"]: each for each in elements(message.get("blocks", [])) if each["type"] == "button"}
    buttons = {next((choice for choice, label in WORDS.items() if label == name), name): name for name in named}
    assert len(buttons) == len(labels(message))
    return Seen(message.get("ts", ""), read(message), buttons, "" if thread == message.get("ts") else thread, only_for)


class TestSlack(ChatContract):
    @pytest.fixture
    async def day(self, tmp_path: Path) -> AsyncIterator[SlackDay]:
        async with SlackBed(tmp_path) as bed:
            yield SlackDay(bed)
            assert not bed.slack.refused
