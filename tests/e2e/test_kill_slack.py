"""`kill -9` of a fleet on Slack between receiving, acknowledging, handling and posting."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.chat.slack.slackbed import labels, read
from tests.process import Process
from tests.standins.messages_api import MessagesApi
from tests.standins.script import Rule, Script, say
from tests.standins.slack import Slack
from tests.standins.slack_people import Somebody
from tests.standins.slack_world import BOT, Json

PEOPLE = "\npeople:\n  - {name: ana, role: admin, slack: U01ANA}\n"


class Town:
    """A fleet in its own process, and a workspace that outlives it."""

    def __init__(self, slack: Slack, fleet: Process) -> None:
        self.slack, self.fleet = slack, fleet
        self.ana: Somebody = slack.person("U01ANA", "ana")
        self.channel = slack.channel("product-a", self.ana)

    async def start(self) -> None:
        """Start the fleet and wait until Slack is connected."""
        await asyncio.to_thread(self.fleet.start)
        await self.slack.until(lambda: self.slack.sockets, "the socket")

    async def kill(self) -> None:
        """Kill the fleet with SIGKILL."""
        await asyncio.to_thread(self.fleet.kill)
        await self.slack.until(lambda: not self.slack.sockets, "the end of the socket")

    async def says(self, text: str) -> asyncio.Task[str]:
        """Send a message without waiting for its acknowledgement."""
        return asyncio.create_task(self.ana.says("#product-a", text))

    def shown(self, *words: str) -> list[Json]:
        """Return the bot's messages that contain these words."""
        mine = [each for each in self.channel.messages if each.get("bot_id") == BOT]
        return [each for each in mine if all(word in read(each) for word in words)]

    async def until(self, true: Callable[[], Any], what: str) -> Any:
        """Wait until the condition returns something."""
        return await self.slack.until(true, what)

    async def calm(self) -> None:
        """Send another message and wait for its answer, so that everything before it has been handled."""
        await self.ana.says("#product-a", "!help pause")
        await self.until(lambda: self.shown("Pause a product"), "another answer")


@pytest.fixture
async def model() -> AsyncIterator[MessagesApi]:
    async with MessagesApi(Script([Rule(say("Here I am."), text="are you there")])) as api:
        yield api


@pytest.fixture
async def town(tmp_path: Path, model: MessagesApi) -> AsyncIterator[Town]:
    async with Slack() as slack:
        environment = {"SLACK_BOT_TOKEN": slack.bot_token, "SLACK_APP_TOKEN": slack.app_token, "SLACK_API_URL": slack.url,
                       "ANTHROPIC_API_KEY": "sk-ant-test-0123456789", "ANTHROPIC_BASE_URL": model.url}  # fmt: skip
        with Process(tmp_path, **environment) as fleet:
            text = fleet.products.read_text().replace("slack:#product-a-dev", "slack:#product-a")
            fleet.products.write_text(text.partition("\npeople:")[0] + PEOPLE)
            yield Town(slack, fleet)


async def test_killed_between_receiving_and_acknowledging(town: Town) -> None:
    await town.start()
    other = sqlite3.connect(town.fleet.state / "fleet.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")  # while another process writes, nothing can be stored or acknowledged
    saying = await town.says("<@fleet> status")
    await town.until(lambda: len([each for each in town.slack.deliveries if each.sent]) >= 2, "both events on their way")
    await town.kill()
    other.execute("ROLLBACK")
    other.close()
    await saying
    assert not [each for each in town.slack.deliveries if each.acked]
    await town.start()
    await town.until(lambda: town.shown("Fleet:"), "the answer")
    await town.calm()
    assert len(town.shown("Fleet:")) == 1


async def test_killed_between_acknowledging_and_handling(town: Town, model: MessagesApi) -> None:
    hold = asyncio.Event()
    model.queue.append(say("Never heard.", hold=hold))
    await town.start()
    await (await town.says("<@fleet> are you there"))  # acknowledged
    await town.until(lambda: model.bodies, "the question to Claude")
    await town.kill()
    hold.set()
    await town.start()
    await town.until(lambda: town.shown("Here I am."), "the answer")
    await town.calm()
    assert len(town.shown("Here I am.")) == 1 and not town.shown("Never heard")


async def test_killed_between_handling_and_posting(town: Town) -> None:
    hold = town.slack.hold("chat.postMessage")
    await town.start()
    await (await town.says("<@fleet> status"))
    await town.until(lambda: any(name == "chat.postMessage" for name, _ in town.slack.calls), "the message on its way")
    await town.kill()
    hold.set()
    await town.start()
    await town.until(lambda: town.shown("Fleet:"), "the answer")
    await town.calm()
    assert len(town.shown("Fleet:")) == 1


async def test_killed_between_posting_and_recording_it(town: Town) -> None:
    hold = town.slack.hold_answer("chat.postMessage")
    await town.start()
    await (await town.says("<@fleet> status"))
    await town.until(lambda: town.shown("Fleet:"), "the message")
    await town.kill()
    hold.set()
    await town.start()
    await town.calm()
    assert len(town.shown("Fleet:")) == 1


async def test_killed_between_a_click_and_updating_the_card(town: Town) -> None:
    await town.start()
    await (await town.says("<@fleet> spawn product-a [complex] fix the failing test"))
    card: Json = await town.until(
        lambda: next(iter(x for x in town.shown("Needs ana") if "Approve" in labels(x)), None), "the card"
    )
    hold = town.slack.hold("chat.update", 99)
    await town.ana.presses("Approve", "#product-a", card)
    await town.until(lambda: any(name == "chat.update" for name, _ in town.slack.calls), "the card's change on its way")
    await town.kill()
    town.slack.forget_faults()
    hold.set()
    await town.start()
    await town.until(lambda: "Approved by ana" in read(card) and not labels(card), "the decided card")
    await town.until(lambda: town.slack.world.ephemeral, "the confirmation of the click")
    await town.until(lambda: [each for each in town.fleet.work() if each["state"] == "done"], "the end of the work")
    assert len(town.shown("Approved by ana")) == 1
