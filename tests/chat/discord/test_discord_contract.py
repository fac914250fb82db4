"""The contract of every chat platform, run against Discord."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from simcord.backend.models import Channel, Message
from simcord.components import walk_components

from tests.chat.discord.discordbed import DiscordBed
from tests.contracts.chat import ChatContract, Day, Seen
from tests.standins.discord_people import Human, text_of

CHOICES = {"Approve": "approve", "Request changes": "changes", "Reject": "reject", "Answer": "answer"}


class DiscordDay(Day):
    """A day on Discord."""

    def __init__(self, folder: Path) -> None:
        self.bed: DiscordBed = DiscordBed(folder)

    def person(self, name: str) -> Human:
        """Return a person by name."""
        found: Human = getattr(self.bed, name)
        return found

    def channel(self, name: str, person: str = "", thread: str = "") -> Channel:
        """Return a product's channel, a thread of it, or a person's direct messages."""
        if name == "dm":
            return self.person(person).direct
        if thread:
            return self.bed.world.channels[int(thread)]
        return {"product-a": self.bed.channel, "product-b": self.bed.other}[name]

    async def say(self, person: str, channel: str, text: str, *, thread: str = "", mention: bool = True) -> str:
        human = self.person(person)
        if channel == "dm":
            return str(human.dm(text).id)
        if thread:
            await self.until(lambda: int(thread) in self.bed.world.channels, "the thread is there")
        where = self.channel(channel, thread=thread)
        named = mention and not thread
        return str((human.mention(where, text) if named else human.say(where, text)).id)

    async def command(self, person: str, channel: str, text: str) -> None:
        await self.bed.slash(self.person(person), self.channel(channel, person), text)

    async def press(self, person: str, message: Seen, choice: str, *, note: str | None = None) -> None:
        human, stored = self.person(person), self.bed.find(int(message.id))
        label = next(label for label, does in message.buttons.items() if choice in (does, label))
        shown = await human.press(stored, label)
        if note is not None:
            await human.submit(shown, note=note)

    async def seen(self, channel: str, *, thread: str = "", person: str = "") -> list[Seen]:
        where = self.channel(channel, person, thread)
        threads = [each for each in self.bed.world.channels.values() if each.is_thread and each.parent_id == where.id]
        found = [self._seen(each, place) for place in (where, *threads) for each in self.bed.world.shown(place.id)]
        for whispered in self.bed.world.whispered(self.person(person).id) if person else []:
            found.append(self._seen(whispered, where, only_for=person))
        return [each for each in found if not each.text.startswith("### Fleet board")]

    def _seen(self, message: Message, where: Channel, only_for: str = "") -> Seen:
        buttons = {
            each["label"]: CHOICES.get(each["label"], each["label"])
            for each in walk_components(message.components)
            if each["type"] == 2 and each.get("custom_id") and not each.get("disabled")
        }
        thread = str(where.id) if where.is_thread else ""
        return Seen(str(message.id), text_of(message).strip(), buttons, thread, only_for)

    async def until(self, what: Any, why: str) -> Any:
        end = asyncio.get_running_loop().time() + 30
        while True:
            found = what()
            found = await found if asyncio.iscoroutine(found) else found
            if found:
                return found
            if asyncio.get_running_loop().time() > end:
                raise AssertionError(f"{why}: it never came true\n{self.bed.discord.story()}")
            await asyncio.sleep(0.01)

    async def restart(self) -> None:
        await self.bed.kill()
        await self.bed.start()

    async def away(self) -> None:
        await self.bed.kill()

    async def back(self) -> None:
        await self.bed.start()


class TestDiscordDay(ChatContract):
    @pytest.fixture
    async def day(self, tmp_path: Path) -> AsyncIterator[DiscordDay]:
        day = DiscordDay(tmp_path)
        async with day.bed:
            yield day
