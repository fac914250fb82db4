"""A fleet in memory, connected through the real discord.py to a stand-in for Discord on real sockets.

async with DiscordBed(tmp_path) as bed:
    bed.ana.mention(bed.channel, "how is product-a?")
    await bed.ana.sees(bed.thread(), "…")
Product-a and product-b each have a channel. Ana is admin, Ben approver of product-a, Vic viewer. Eve is not in the registry.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from simcord.backend.models import Channel, Message

from bot.agent.live import Live
from bot.agent.model import Model
from bot.chat.discord.chat import DiscordChat
from bot.chat.discord.pace import Pace
from bot.commands import catalogue
from bot.domain import MailKind
from tests.bed import Bed
from tests.fakes.chat import FakeChat
from tests.standins.discord import Discord
from tests.standins.discord_people import Human, Pressed

REGISTRY = """
products:
  - {{name: product-a, path: /projects/product-a, priority: high, channels: ["discord:{a}"]}}
  - {{name: product-b, path: /projects/product-b, channels: ["discord:{b}"]}}
  - {{name: product-c, path: /projects/product-c, type: marketing}}
people:
  - {{name: ana, role: admin, web: token, discord: "{ana}"}}
  - {{name: ben, role: approver, products: [product-a], discord: "{ben}"}}
  - {{name: vic, role: viewer, discord: "{vic}"}}
"""
FAST = Pace(stream=0.02, board=0.02, guilds=0.05, identify=0.0, retry=0.02, history=0.02, keep=10.0)
PLAN: dict[str, Any] = {"task": "t-1", "revision": 1}


class DiscordBed(Bed):
    """A bed on Discord. The server outlives the fleet."""

    def __init__(self, folder: Path, model: Callable[[], Model] | None = None, registry: str = REGISTRY) -> None:
        self.discord = Discord()
        world = self.world = self.discord.world
        self.guild = world.guild()
        self.channel, self.other = world.channel(self.guild, "product-a"), world.channel(self.guild, "product-b")
        self.ana, self.ben, self.vic, self.eve = (
            Human(self.discord, world.member(self.guild, name)) for name in ("ana", "ben", "vic", "eve")
        )
        waiting = FakeChat("discord")
        waiting.down = "not there yet"
        ids = {"a": self.channel.id, "b": self.other.id, "ana": self.ana.id, "ben": self.ben.id, "vic": self.vic.id}
        super().__init__(folder, registry.format(**ids), model, chats={"discord": waiting})
        self.connect, self.pace = True, FAST

    async def __aenter__(self) -> "DiscordBed":
        await self.discord.__aenter__()
        await self.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.kill()
        await self.discord.__aexit__()

    async def start(self) -> None:
        """Start the fleet and connect it."""
        await super().start()
        self.chat = DiscordChat(
            self.fleet,
            self.router,
            self.discord.token,
            api=self.discord.api,
            gateway=self.discord.gateway_url,
            pace=self.pace,
        )
        self.jobs.chats["discord"] = self.chat
        self.router.live = self._live
        if self.router.turns:
            self.router.turns.live = self._live
        if self.connect:
            await self.chat.start()
            await self.up()

    async def up(self) -> None:
        """Wait until the adapter is connected."""
        await self.discord.until(lambda: self.chat.part().state == "ok" and self.chat.catch_up.listening, "it is connected")

    async def kill(self) -> None:
        """Kill the fleet as far as possible within one process, without saving or finishing anything."""
        self.running.cancel()
        self.chat.catch_up.listening = False
        await self.chat.stop()
        await super().kill()

    def _live(self, conversation: str, event: Live) -> None:
        self.seen.append(event)
        self.chat.live(conversation, event)

    # -- looking -----------------------------------------------------------------------------------------------------

    def plan(self, product: str = "product-a", revision: int = 1, body: str = "1. Split the parser\n2. Test it") -> None:
        """Send a plan from the product's coordinator."""
        payload = {**PLAN, "revision": revision}
        self.engine.push_mail(product, kind=MailKind.PLAN, subject="Plan ready", body=body, **payload)

    async def card(self, *words: str) -> Message:
        """Wait for the newest card in product-a's channel."""
        return await self.ana.sees(self.channel, "Plan: Plan ready", *words)

    async def thread(self, message: Message) -> Channel:
        """Wait for the thread of a message."""
        return await self.discord.until(lambda: self.world.channels.get(message.id), "a thread is opened")

    def find(self, message: int) -> Message:
        """Return a message by its id."""
        return next(found for each in self.world.messages.values() if (found := each.get(message)))

    async def later(self, **span: float) -> None:
        """Advance the clock and run what is due."""
        self.clock.forward(**span)
        await self.settled()

    async def delivered(self, number: int) -> None:
        """Wait until this number of posts is delivered."""
        await self.discord.until(lambda: self.store.outbox.counts().get("delivered", 0) >= number, f"{number} posts are shown")

    async def commands(self) -> None:
        """Wait until the commands are registered."""
        await self.discord.until(lambda: self.world.commands.get(None), "the commands are registered")

    async def boards_are_shown(self) -> None:
        """Wait for the boards, so that the next message in a channel is the test's own."""
        channels = [str(channel.id) for channel in (self.channel, self.other)]
        await self.discord.until(
            lambda: all(self.store.boards.get("discord", channel) for channel in channels), "the boards are shown"
        )

    async def settled_on_discord(self) -> None:
        """Wait until the fleet has handled every event that Discord has sent."""
        probe = self.world.make_user("probe")
        self.world.add_member(self.guild.id, probe.id)
        said = Human(self.discord, probe).dm("!help")
        await self.discord.until(lambda: self.store.inbound.get(f"discord:{said.id}"), "the probe has been heard")

    async def slash(self, human: Human, channel: Channel, text: str) -> Pressed:
        """Send a command line as typed options, such as `status product-a` or `gates --all`."""
        await self.commands()
        skill, given = catalogue.parse(f"/fleet {text}", self.router.skills, products=tuple(self.fleet.products))
        typed = {key.replace("_", "-"): " ".join(value) if isinstance(value, list) else value for key, value in given.items()}
        return await human.slash(channel, f"fleet {skill.name}", typed)
