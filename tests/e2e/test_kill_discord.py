"""`kill -9` of a fleet on Discord between any two steps loses nothing, repeats nothing and answers every click."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from simcord.backend.models import Channel, Message

from bot.chat.discord.catch_up import NEGLIGIBLE
from tests.process import Process
from tests.standins.discord import Discord
from tests.standins.discord_people import Human, Pressed, find, labels, text_of
from tests.standins.messages_api import MessagesApi
from tests.standins.script import Rule, Script, say


class Town:
    """A Discord server, one person, and a fleet in its own process."""

    def __init__(self, folder: Path, discord: Discord, **environment: str) -> None:
        self.discord, world = discord, discord.world
        guild = world.guild()
        self.channel = world.channel(guild, "product-a")
        self.ana = Human(discord, world.member(guild, "ana"))
        where = {"DISCORD_API_URL": discord.api, "DISCORD_GATEWAY_URL": discord.gateway_url}
        self.fleet = Process(folder, DISCORD_TOKEN=discord.token, **where, **environment)
        text = self.fleet.products.read_text().replace("slack:#product-a-dev", f"discord:{self.channel.id}")
        people = f'people: [{{name: ana, role: admin, web: token, discord: "{self.ana.id}"}}]'
        self.fleet.products.write_text(f"{text}\n{people}\n")

    async def start(self) -> None:
        """Start the fleet and wait until it listens."""
        before = self.discord.gateway.identified
        await asyncio.to_thread(self.fleet.start)
        await self.discord.until(lambda: self.discord.gateway.identified > before, "it has connected")
        await self.discord.until(lambda: self.discord.gateway.connected, "it listens")

    async def kill(self) -> None:
        """Kill the fleet with SIGKILL."""
        await asyncio.to_thread(self.fleet.kill)
        await self.discord.until(lambda: not self.discord.gateway.connected, "the connection is gone")

    async def thread(self, message: Message) -> Channel:
        """Return the thread of a message once it exists."""
        return await self.discord.until(lambda: self.discord.world.channels.get(message.id), "a thread is opened")

    async def plan(self) -> Message:
        """Request work that returns a plan, and return its card."""
        self.ana.mention(self.channel, "!spawn product-a [complex] fix the failing test")
        return await self.discord.until(lambda: self.card(), "a plan waits")

    def card(self, *words: str) -> Message | None:
        """Return the card with buttons in the thread where the work was requested."""
        threads = [channel.id for channel in self.discord.world.channels.values() if channel.is_thread]
        shown = [each for channel in threads for each in self.discord.world.shown(channel)]
        return find([each for each in shown if "Approve" in labels(each)], ["Plan:", *words])

    async def changes(self, card: Message, note: str, *, wait: bool) -> Pressed:
        """Request changes as ana and submit the modal. With `wait`, wait for the response."""
        form = await self.ana.press(card, "Request changes")
        self.discord.rest.hold("POST", "/interactions/*")
        return await self.ana.submit(form, wait=wait, note=note)

    def times(self, channel: int, *words: str) -> int:
        """Return the number of messages that contain these words."""
        return len([each for each in self.discord.world.shown(channel) if all(word in text_of(each) for word in words)])


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    async with Discord() as discord:
        town = Town(tmp_path, discord)
        with town.fleet:
            yield town


async def test_every_click_is_answered_despite_kills(town: Town) -> None:
    """Kill between storing and acknowledging, between acknowledging and answering, and click while the fleet is down."""
    await town.start()
    card = await town.plan()
    kept = await town.changes(card, "smaller", wait=False)
    await town.discord.until(lambda: town.discord.rest.requests("POST", "/interactions/*")[1:], "it is being acknowledged")
    await town.kill()
    town.discord.world.advance_clock(5)
    assert kept.failed
    await town.start()
    await town.ana.sees(town.ana.direct, "Changes requested by ana")
    await town.discord.until(lambda: "Changes requested by ana in Discord" in text_of(card), "the card says so")

    newer = await town.discord.until(lambda: town.card("revision 2"), "another revision waits")
    await asyncio.to_thread(town.fleet.until, lambda: not _waiting(town), "everything is shown")
    await town.kill()
    lost = await town.ana.press(newer, "Approve", wait=False)
    town.discord.world.advance_clock(5)
    assert lost.failed
    await asyncio.to_thread(_let_pass, town)
    await town.start()
    await town.discord.until(lambda: "I was offline" in text_of(newer), "the card says so")

    town.discord.rest.hold("PATCH", "/webhooks/*")
    pressed = await town.ana.press(newer, "Approve")
    await town.discord.until(lambda: town.discord.rest.requests("PATCH", "/webhooks/*"), "it is being answered")
    await town.kill()
    assert pressed.messages == []
    await town.start()
    await pressed.answer("Approved by ana")
    await town.discord.until(lambda: "Approved by ana in Discord" in text_of(newer), "the card says so")
    assert len(pressed.messages) == town.times(town.ana.direct.id, "`g1`: Changes requested") == 1


async def test_messages_are_answered_once_despite_kills(town: Town) -> None:
    """Kill while an answer is being sent, and ask while the fleet is down."""
    await town.start()
    hold = town.discord.rest.hold("POST", f"/channels/{town.ana.direct.id}/messages")
    town.ana.dm("!status")
    await town.discord.until(
        lambda: town.discord.rest.requests("POST", f"/channels/{town.ana.direct.id}/messages"), "it is being sent"
    )
    await town.kill()
    hold.set()
    missed = town.ana.mention(town.channel, "!gates")
    await town.start()
    await town.ana.sees(town.ana.direct, "idle —")
    thread = await town.thread(missed)
    await town.ana.sees(thread, "Nothing needs your decision")
    town.ana.dm("!help")
    await town.ana.sees(town.ana.direct, "/fleet")
    assert (town.times(town.ana.direct.id, "idle —"), town.times(thread.id, "Nothing needs your decision")) == (1, 1)


async def test_killed_turn_is_finished_in_its_first_message(tmp_path: Path) -> None:
    hold = asyncio.Event()
    script = Script([Rule(say("Both products are idle.", hold=hold), text="how do they stand")])
    async with Discord() as discord, MessagesApi(script) as api:
        town = Town(tmp_path, discord, ANTHROPIC_API_KEY="sk-ant-test-0123456789", ANTHROPIC_BASE_URL=api.url)
        with town.fleet:
            await town.start()
            thread = await town.thread(town.ana.mention(town.channel, "how do they stand?"))
            growing = await town.ana.sees(thread, "Stop")
            await town.kill()
            hold.set()
            await town.start()
            answer = await town.ana.sees(thread, "Both products are idle.")
            await discord.until(lambda: "Stop" not in text_of(answer), "it is finished")
            assert (answer.id, len(discord.world.shown(thread.id))) == (growing.id, 1)


def _waiting(town: Town) -> int:
    """Return the number of posts that are not shown yet."""
    return int(_value(town, "SELECT count(*) FROM outbox WHERE state IN ('pending', 'attempting')"))


def _let_pass(town: Town) -> None:
    """Make the absence long enough to be noticed, by the fleet's own clock and its record of when it listened."""
    noted = datetime.fromisoformat(_value(town, "SELECT at FROM chat_positions WHERE platform = 'discord'"))
    time.sleep(max(0.0, (noted + NEGLIGIBLE - datetime.now(UTC)).total_seconds() + 0.1))


def _value(town: Town, query: str) -> Any:
    with closing(sqlite3.connect(town.fleet.state / "fleet.db")) as database:
        return database.execute(query).fetchone()[0]
