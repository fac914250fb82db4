"""A stand-in for Discord on loopback, with REST and gateway, as strict as the real one.

    async with Discord() as discord:
        guild = discord.world.guild()
        channel = discord.world.channel(guild, "product-a")
        ana = Human(discord, discord.world.member(guild, "ana"))
        await ana.say(channel, f"<@{discord.bot}> how is product-a?")

`discord.api` and `discord.gateway_url` are the values for DISCORD_API_URL and DISCORD_GATEWAY_URL.
"""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from aiohttp import web

from tests.standins import serving
from tests.standins.discord_gateway import Gateway
from tests.standins.discord_rest import Asked, Rest
from tests.standins.discord_world import World

TOKEN = "MTIzNDU2Nzg5MDEyMzQ1Njc4.stand-in.not-a-real-token-0123456789"
PATIENCE = 30.0
"""Seconds that a test waits for a condition."""
T = TypeVar("T")


class Discord:
    """The server."""

    def __init__(self, port: int = 0) -> None:
        self.world = World()
        self.token = TOKEN
        self._port = port
        self._changed = asyncio.Event()
        self.rest = Rest(self.world, lambda: self.token, self._answered)
        self.gateway = Gateway(self.world, lambda: self.token, lambda: self.gateway_url)
        self.world.subscribers.append(lambda *_: self._changed.set())

    async def __aenter__(self) -> "Discord":
        app = web.Application(client_max_size=32 * 1024**2)
        app.router.add_get("/gateway{slash:/?}", self.gateway.serve)
        app.router.add_route("*", "/api/v10/{tail:.*}", self.rest.serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *error: object) -> None:
        self.gateway.cut()
        await serving.end(self._runner)

    @property
    def api(self) -> str:
        """Base address of the REST API."""
        return f"http://127.0.0.1:{self._port}/api/v10"

    @property
    def gateway_url(self) -> str:
        """Address of the gateway."""
        return f"ws://127.0.0.1:{self._port}/gateway/"

    @property
    def bot(self) -> int:
        """The bot's user."""
        return self.world.bot_user.id

    def _answered(self, _: Asked) -> None:
        self._changed.set()

    async def until(self, look: Callable[[], T | None], what: str, seconds: float = PATIENCE) -> T:
        """Wait until a function returns a true value, and return it."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while not (found := look()):
            if loop.time() > end:
                raise AssertionError(f"it never came true that {what}; asked was:\n{self.story()}")
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), 0.05)
            except TimeoutError:
                continue
        return found

    def story(self) -> str:
        """Return the requests so far, for failure messages."""
        return "\n".join(f"{each.status} {each.method} {each.path} {str(each.body)[:300]}" for each in self.rest.asked[-40:])
