"""The Chat port over Discord: its parts put together."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from bot.agent.live import Live
from bot.chat.discord.board import Boards
from bot.chat.discord.connection import Client, Connection, point_at
from bot.chat.discord.from_message import PLATFORM
from bot.chat.discord.hearing import Hearing
from bot.chat.discord.history import History
from bot.chat.discord.pace import Pace
from bot.chat.discord.saying import Saying
from bot.chat.discord.to_commands import commands, left_out
from bot.chat.discord.wire import FAILURES, Wire, refused
from bot.conversation.platform import Chat, Part
from bot.domain import Post
from bot.domain.errors import StoreError
from bot.fleet import Change

if TYPE_CHECKING:
    from bot.conversation.router import Router
    from bot.fleet import Fleet

log = logging.getLogger(__name__)

PACE = Pace()


class DiscordChat(Chat):
    """Discord. `api` and `gateway` say where it is, when not at Discord; `pace` says how fast it goes."""

    platform = PLATFORM

    def __init__(
        self,
        fleet: "Fleet",
        router: "Router",
        token: str,
        *,
        api: str | None = None,
        gateway: str | None = None,
        pace: Pace = PACE,
    ) -> None:
        point_at(api, gateway)
        self.fleet, self.router, self._pace = fleet, router, pace
        self.saying = Saying(fleet, Wire(lambda: self.connection.rest), router.running, pace.stream)
        self.hearing = Hearing(fleet, router, self.saying, pace.history)
        self.history = History(fleet, self.hearing, self.saying, pace.history)
        self.boards = Boards(fleet, self.saying, pace.board)
        self.connection = Connection(token, self.hearing, self._ready, lambda: fleet.changed(Change("chat")), pace)
        self._keeping: asyncio.Task[None] | None = None
        self._unsubscribe = fleet.subscribe(self.boards.noticed)

    async def start(self) -> None:
        """Sign in and begin to listen."""
        await self.connection.start()
        if self._keeping is None:
            self._keeping = asyncio.create_task(self._keep(), name="discord history")

    async def stop(self) -> None:
        """Disconnect."""
        self._unsubscribe()
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
            self.history.keep()
        await self.connection.hush()
        await self.boards.close()
        await self.saying.streams.close()
        await self.connection.stop()

    async def post(self, post: Post, key: str, *, again: bool = False, plain: bool = False) -> str:
        """Show a post; see the port."""
        message = await self.saying.post(post, key, again=again, plain=plain)
        if post.kind == "gate":
            self.saying.links.news.set()
            self.boards.wake()
        return message

    async def update(self, message: str, post: Post) -> None:
        """Show a message again; see the port."""
        await self.saying.update(message, post)

    def live(self, conversation: str, event: Live) -> None:
        """Show what happens during a turn."""
        if conversation.startswith(f"{PLATFORM}:") and self.connection.client is not None:
            with suppress(StoreError):
                self.saying.streams.live(conversation, event)

    def part(self) -> Part:
        """How it stands."""
        return self.connection.part()

    async def _ready(self, client: Client) -> None:
        """A session has begun: see that the commands are there, hear what was missed, show the boards."""
        self.saying.opened |= {thread.id for guild in client.guilds for thread in guild.threads}
        self.saying.links.servers = {channel.id: guild.id for guild in client.guilds for channel in guild.channels}
        await self.history.catch_up(client)
        self.boards.begin()
        try:
            await self._sync(client)
        except FAILURES as error:
            log.warning("the commands could not be registered with Discord: %s", refused(error, "Discord"))

    async def _sync(self, client: Client) -> None:
        """Register the commands, if those that Discord has are others."""
        assert client.application_id is not None  # noqa: S101  it is signed in
        wanted = commands(self.router.skills)
        if lacking := left_out(wanted, self.router.skills):
            log.warning("Discord has no room for %s below /fleet; said as `!%s` they work", ", ".join(lacking), lacking[0])
        known = await client.http.get_global_commands(client.application_id)
        if not same_commands(known, wanted):
            await client.http.bulk_upsert_global_commands(client.application_id, wanted)

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(self._pace.keep)
            self.history.keep()


def same_commands(known: Sequence[object], wanted: Sequence[object]) -> bool:
    """Whether Discord has these commands, whatever it adds to them."""
    return [_bare(each) for each in known] == [_bare(each) for each in wanted]


def _bare(command: object) -> object:
    """A command without what Discord adds to it."""
    if isinstance(command, list):
        return [_bare(each) for each in command]
    if not isinstance(command, dict):
        return command
    words = "name type description options choices value required autocomplete min_value max_value max_length"
    return {key: _bare(command[key]) for key in words.split() if command.get(key)}
