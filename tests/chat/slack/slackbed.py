"""A fleet connected to a stand-in for Slack through the real adapter and client library.

async with SlackBed(tmp_path) as bed:
    await bed.ana.says("#product-a", "<@fleet> status")
    await bed.answer("#product-a", "Fleet")
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bot.agent.live import Live
from bot.agent.model import Model
from bot.chat.slack.chat import SlackChat
from bot.conversation.platform import Chat, Part
from bot.domain import MailKind, Post
from tests.bed import Bed
from tests.standins.slack import Slack
from tests.standins.slack_blocks import elements, texts
from tests.standins.slack_people import Somebody
from tests.standins.slack_world import BOT, Channel, Json

REGISTRY = """
products:
  - {name: product-a, path: /projects/product-a, priority: high, resource_weight: 3, channels: ["slack:#product-a"]}
  - {name: product-b, path: /projects/product-b, resource_weight: 3, channels: ["slack:#product-b"]}
  - {name: product-c, path: /projects/product-c, type: marketing}
scheduling: {max_concurrent_sessions: 2}
people:
  - {name: ana, role: admin, slack: U01ANA}
  - {name: ben, role: approver, slack: U02BEN, products: [product-a]}
  - {name: vic, role: viewer, slack: U03VIC}
"""
PACE = 0.02
"""Factor that shortens every pause."""
PLAN: dict[str, Any] = {"task": "t-1", "revision": 1}


class Slot(Chat):
    """The adapter's entry among the chats.

    The adapter is created after the fleet, and posts wait for it.
    """

    platform = "slack"

    def __init__(self) -> None:
        self._there = asyncio.Event()
        self.chat: SlackChat | None = None

    def fill(self, chat: SlackChat | None) -> None:
        """Set or remove the adapter."""
        self.chat = chat
        self._there.set() if chat else self._there.clear()

    async def _given(self) -> SlackChat:
        await self._there.wait()
        assert self.chat is not None
        return self.chat

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def post(self, post: Post, key: str, *, again: bool = False, plain: bool = False) -> str:
        return await (await self._given()).post(post, key, again=again, plain=plain)

    async def update(self, message: str, post: Post) -> None:
        await (await self._given()).update(message, post)

    def live(self, conversation: str, event: Live) -> None:
        if self.chat is not None:
            self.chat.live(conversation, event)

    def part(self) -> Part:
        return self.chat.part() if self.chat else Part("down", "not there")


class SlackBed(Bed):
    """The fleet, the workspace and its people.

    They are ana (admin), ben (approver of product-a), vic (viewer), and eve, who is not in the registry.
    """

    def __init__(
        self,
        folder: Path,
        registry: str = REGISTRY,
        model: Callable[[], Model] | None = None,
        *,
        connected: bool = True,
        http: bool = False,
        ping: float = 1.0,
    ) -> None:
        super().__init__(folder, registry, model, chats={"slack": Slot()})
        self.slack = Slack(now=lambda: self.clock().timestamp())
        self.ana, self.ben, self.vic, self.eve = (
            self.slack.person(id, name)
            for id, name in (("U01ANA", "ana"), ("U02BEN", "ben"), ("U03VIC", "vic"), ("U04EVE", "eve"))
        )
        people = (self.ana, self.ben, self.vic, self.eve)
        self.a = self.slack.channel("product-a", *people)
        self.b = self.slack.channel("product-b", *people)
        self.lobby = self.slack.channel("lobby", *people)
        self.connected, self.http, self.ping = connected, http, ping
        self._open = False
        self.model: Any = None
        """The model, if the test uses one."""

    @property
    def slot(self) -> Slot:
        """The adapter's entry."""
        slot = self.chats["slack"]
        assert isinstance(slot, Slot)
        return slot

    @property
    def chat(self) -> SlackChat:
        """The adapter."""
        assert self.slot.chat is not None
        return self.slot.chat

    def make(self, **more: Any) -> SlackChat:
        """Return a new adapter for this workspace."""
        given: dict[str, Any] = {
            "bot_token": self.slack.bot_token,
            "app_token": None if self.http else self.slack.app_token,
            "signing_secret": self.slack.signing_secret if self.http else None,
            "api_url": self.slack.url,
            "pace": PACE,
            "ping": self.ping,
            **more,
        }
        return SlackChat(self.fleet, self.router, **given)

    async def start(self) -> None:
        if not self._open:
            await self.slack.__aenter__()
            self._open = True
        await super().start()
        if self.connected:
            await self.connect()

    async def connect(self) -> None:
        """Connect the adapter."""
        chat = self.make()
        self.router.live = chat.live
        if self.router.turns:
            self.router.turns.live = chat.live
        await chat.start()
        self.slot.fill(chat)
        if not self.http:
            await self.slack.until(lambda: self.slack.sockets, "the socket")

    async def kill(self) -> None:
        chat = self.slot.chat
        self.slot.fill(None)
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)
        if chat is not None:
            await chat.stop()
            await self.slack.until(lambda: not self.slack.sockets, "the end of the socket")
        await super().kill()

    async def __aexit__(self, *error: Any) -> None:
        await super().__aexit__(*error)
        await self.slack.__aexit__()

    async def crash(self) -> None:
        """Kill the fleet and start it again."""
        await self.kill()
        await self.start()

    # -- visible content -----------------------------------------------------------------------------------------------

    def place(self, where: str, who: Somebody | None = None) -> Channel:
        """Return a channel, or a person's direct messages with the bot (by default ana's)."""
        return (who or self.ana).place(where)

    def shown(self, where: str, *words: str, who: Somebody | None = None, thread: str | None = None) -> list[Json]:
        """Return the bot's messages there that contain all these words."""
        messages = self.place(where, who).messages
        mine = [each for each in messages if each.get("bot_id") == BOT and (thread is None or each.get("thread_ts") == thread)]
        return [each for each in mine if all(word in read(each) for word in words)]

    async def answer(self, where: str, *words: str, who: Somebody | None = None, thread: str | None = None) -> Json:
        """Wait for the bot's newest message with these words."""
        found: Json = await self.slack.until(
            lambda: next(iter(self.shown(where, *words, who=who, thread=thread)[::-1]), None), f"{words} in {where}"
        )
        return found

    async def whispered(self, who: Somebody, *words: str) -> Json:
        """Wait for a message with these words that only one person sees."""
        mine = self.slack.world.ephemeral
        found: Json = await self.slack.until(
            lambda: next((each for each in mine if each["user"] == who.id and all(word in read(each) for word in words)), None),
            f"{words} for {who.name} alone",
        )
        return found

    async def card(self, where: str = "#product-a", *words: str) -> Json:
        """Wait for the newest message with buttons."""
        found: Json = await self.slack.until(
            lambda: next((each for each in self.shown(where, *words)[::-1] if labels(each)), None), f"a card with {words}"
        )
        return found

    def plan(
        self, product: str = "product-a", revision: int = 1, body: str = "1. Split the parser\n2. Test it", **more: Any
    ) -> None:
        """Send a plan from the product's coordinator."""
        payload = {**PLAN, "revision": revision}
        self.engine.push_mail(product, kind=MailKind.PLAN, subject="Plan ready", body=body, **payload, **more)

    def told(self, product: str = "product-a") -> list[str]:
        """Return the first lines of the mail from people to the product's coordinator."""
        return [mail.body.split("\n")[0] for mail in self.engine.box(product).mail if mail.ours]

    def passing(self, **span: float) -> None:
        """Advance the clock and run what is due."""
        self.clock.forward(**span)
        self.jobs.wake()


def read(message: Json) -> str:
    """Return all text of a message."""
    return "\n".join([str(message["text"]), *texts(message.get("blocks", []))])


def labels(message: Json) -> list[str]:
    """Return the labels of a message's buttons."""
    return [each["text"]["text"] for each in elements(message.get("blocks", [])) if each["type"] == "button"]


def refusals(bed: SlackBed) -> list[str]:
    """Return and forget the refusals so far, which the test expected."""
    found = list(bed.slack.refused)
    bed.slack.refused.clear()
    return found


async def calm(bed: SlackBed, word: str = "marketing") -> None:
    """Ask something else and wait for the answer, so that earlier events are handled."""
    ts = await bed.ana.says("#lobby", "<@fleet> products")
    await bed.answer("#lobby", word, thread=ts)
