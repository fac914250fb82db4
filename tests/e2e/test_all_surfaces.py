"""Decisions shown on Slack, on Discord, on the page and in the terminal."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.chat.slack.slackbed import labels, read
from tests.process import ROOT, Process
from tests.standins.discord import Discord
from tests.standins.discord_people import Human, text_of
from tests.standins.discord_people import find as find_message
from tests.standins.discord_people import labels as discord_labels
from tests.standins.slack import Slack
from tests.standins.slack_world import BOT, Json


class Everywhere:
    """A fleet in its own process, ana, and product-a with a Slack and a Discord channel."""

    def __init__(self, folder: Path, slack: Slack, discord: Discord) -> None:
        self.slack, self.discord = slack, discord
        self.on_slack = slack.person("U01ANA", "ana")
        self.slack_channel = slack.channel("product-a", self.on_slack)
        guild = discord.world.guild()
        self.discord_channel = discord.world.channel(guild, "product-a")
        self.on_discord = Human(discord, discord.world.member(guild, "ana"))
        self.fleet = Process(
            folder,
            SLACK_BOT_TOKEN=slack.bot_token,
            SLACK_APP_TOKEN=slack.app_token,
            SLACK_API_URL=slack.url,
            DISCORD_TOKEN=discord.token,
            DISCORD_API_URL=discord.api,
            DISCORD_GATEWAY_URL=discord.gateway_url,
        )
        channels = f"- slack:#product-a\n      - discord:{self.discord_channel.id}"
        text = self.fleet.products.read_text().replace("- slack:#product-a-dev", channels)
        people = f'people: [{{name: ana, role: admin, web: token, slack: U01ANA, discord: "{self.on_discord.id}"}}]'
        self.fleet.products.write_text(f"{text}\n{people}\n")

    async def start(self) -> None:
        """Start the fleet and wait until both platforms are connected."""
        await asyncio.to_thread(self.fleet.start)
        await self.slack.until(lambda: self.slack.sockets, "Slack's socket")
        await self.discord.until(lambda: self.discord.gateway.connected, "Discord's gateway")

    async def plan(self, number: int) -> str:
        """Request work on the page, and return its gate once both platforms show its card with buttons."""
        await asyncio.to_thread(self.fleet.say, "/fleet spawn product-a [complex] fix the failing test")
        gate = f"g{number}"
        await self.slack.until(lambda: self.slack_card(gate, "Approve"), f"{gate} on Slack")
        await self.discord.until(lambda: self.discord_card(gate, "Approve"), f"{gate} on Discord")
        return gate

    def slack_card(self, gate: str, *words: str) -> Json | None:
        """Return the gate's card on Slack if it contains these words, including its buttons."""
        mine = [each for each in self.slack_channel.messages if each.get("bot_id") == BOT and f"`{gate}`" in read(each)]
        return next((each for each in mine if all(word in f"{read(each)} {labels(each)}" for word in words)), None)

    def discord_card(self, gate: str, *words: str) -> Any:
        """Return the gate's card on Discord if it contains these words."""
        found = find_message(self.discord.world.shown(self.discord_channel.id), [f"`{gate}`"])
        shown = f"{text_of(found)} {discord_labels(found)}" if found is not None else ""
        return found if found is not None and all(word in shown for word in words) else None

    async def says(self, gate: str, outcome: str) -> None:
        """Wait until every surface shows these words and no buttons."""
        await self.slack.until(lambda: self.slack_card(gate, outcome), f"Slack says: {outcome}")
        await self.discord.until(lambda: self.discord_card(gate, outcome), f"Discord says: {outcome}")
        assert self.slack_card(gate, "Request changes") is None
        assert self.discord_card(gate, "Request changes") is None
        page = await asyncio.to_thread(self.fleet.ask, "GET", f"/api/gates/{gate}")
        assert outcome in page["outcome"]
        (told,) = json.loads(await self.command("gates", gate, "--json"))["gates"]
        assert outcome in told["outcome"]

    async def command(self, *words: str) -> str:
        """Run a command in a terminal."""
        argv = [sys.executable, "-m", "bot.cli", *words]
        ran = await asyncio.to_thread(
            subprocess.run, argv, cwd=ROOT, env=self.fleet.environment, capture_output=True, text=True, check=True
        )
        return str(ran.stdout)

    async def done(self, number: int) -> None:
        """Wait until that many pieces of work are done."""

        def finished() -> bool:
            return len([each for each in self.fleet.work() if each["state"] == "done"]) == number

        await asyncio.to_thread(self.fleet.until, finished, "the work is done")


@pytest.fixture
async def everywhere(tmp_path: Path) -> AsyncIterator[Everywhere]:
    async with Slack() as slack, Discord() as discord:
        everywhere = Everywhere(tmp_path, slack, discord)
        with everywhere.fleet:
            yield everywhere


async def test_decision_on_any_surface_shows_on_all_surfaces(everywhere: Everywhere) -> None:
    await everywhere.start()

    gate = await everywhere.plan(1)
    await everywhere.on_discord.press(everywhere.discord_card(gate), "Approve", wait=False)
    await everywhere.says(gate, "Approved by ana in Discord")
    await everywhere.done(1)

    gate = await everywhere.plan(2)
    card = everywhere.slack_card(gate)
    assert card is not None
    await everywhere.on_slack.presses("Approve", "#product-a", card)
    await everywhere.says(gate, "Approved by ana in Slack")
    await everywhere.done(2)

    gate = await everywhere.plan(3)
    path, decision = f"/api/gates/{gate}/decision", {"choice": "approve", "revision": 1}
    await asyncio.to_thread(everywhere.fleet.ask, "POST", path, decision)
    await everywhere.says(gate, "Approved by ana in the browser")
    await everywhere.done(3)

    gate = await everywhere.plan(4)
    await everywhere.command("approve-plan", gate)
    await everywhere.says(gate, "Approved by ana")
    await everywhere.done(4)
