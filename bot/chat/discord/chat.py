"""The Chat port for Discord."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress

from bot.agent.live import Live
from bot.chat.discord.api import FAILURES, Api, refused
from bot.chat.discord.board import Boards
from bot.chat.discord.catch_up import CatchUp
from bot.chat.discord.channels import PLATFORM
from bot.chat.discord.connection import Client, Connection, point_at
from bot.chat.discord.pace import Pace
from bot.chat.discord.receive import Receiver
from bot.chat.discord.send import Sender
from bot.chat.discord.to_commands import commands, left_out
from bot.conversation.platform import Chat, Part
from bot.conversation.router import Router
from bot.domain import Post
from bot.domain.errors import StoreError
from bot.fleet import Change, Fleet

log = logging.getLogger(__name__)

PACE = Pace()


class DiscordChat(Chat):
    """The Discord adapter.

    `api` and `gateway` replace Discord's addresses in tests, and `pace` sets the intervals.
    """

    platform = PLATFORM

    def __init__(
        self,
        fleet: Fleet,
        router: Router,
        token: str,
        *,
        api: str | None = None,
        gateway: str | None = None,
        pace: Pace = PACE,
    ) -> None:
        point_at(api, gateway)
        self.fleet, self.router, self._pace = fleet, router, pace
        self.sender = Sender(fleet, Api(lambda: self.connection.rest, fleet.store.durable), router.running, pace.stream)
        self.receiver = Receiver(fleet, router, self.sender, pace.history)
        self.catch_up = CatchUp(fleet, self.receiver, self.sender, pace.history)
        self.boards = Boards(fleet, self.sender, pace.board)
        self.connection = Connection(token, self.receiver, self._ready, lambda: fleet.changed(Change("chat")), pace)
        self._saving: asyncio.Task[None] | None = None
        self._unsubscribe = fleet.subscribe(self.boards.changed)

    async def start(self) -> None:
        """Sign in and start listening."""
        await self.connection.start()
        if self._saving is None:
            self._saving = asyncio.create_task(self._save(), name="discord read position")

    async def stop(self) -> None:
        """Disconnect."""
        self._unsubscribe()
        if self._saving is not None:
            self._saving.cancel()
            await asyncio.gather(self._saving, return_exceptions=True)
            self.catch_up.save()
        await self.connection.stop_listening()
        await self.boards.close()
        await self.sender.streams.close()
        await self.connection.stop()

    async def post(self, post: Post, key: str, *, again: bool = False, plain: bool = False) -> str:
        """See `Chat`."""
        message = await self.sender.post(post, key, again=again, plain=plain)
        if post.kind == "gate":
            self.sender.links.arrivals.set()
            self.boards.wake()
        return message

    async def update(self, message: str, post: Post) -> None:
        """See `Chat`."""
        await self.sender.update(message, post)

    def live(self, conversation: str, event: Live) -> None:
        """See `Chat`."""
        if conversation.startswith(f"{PLATFORM}:") and self.connection.client is not None:
            with suppress(StoreError):
                self.sender.streams.live(conversation, event)

    def part(self) -> Part:
        """Return the state of the connection."""
        return self.connection.part()

    async def _ready(self, client: Client) -> None:
        """Handle missed messages, show the boards and register the commands, in a new session."""
        self.sender.opened |= {thread.id for guild in client.guilds for thread in guild.threads}
        self.sender.links.servers = {channel.id: guild.id for guild in client.guilds for channel in guild.channels}
        await self.catch_up.run(client)
        self.boards.start()
        try:
            await self._sync(client)
        except FAILURES as error:
            log.warning("discord: cannot register the commands: %s", refused(error, "Discord"))

    async def _sync(self, client: Client) -> None:
        """Register the commands if Discord's differ."""
        assert client.application_id is not None  # noqa: S101  the client is signed in
        wanted = commands(self.router.skills)
        if lacking := left_out(wanted, self.router.skills):
            log.warning("discord: %s do not fit below /fleet; use `!%s` instead", ", ".join(lacking), lacking[0])
        known = await client.http.get_global_commands(client.application_id)
        if not same_commands(known, wanted):
            await client.http.bulk_upsert_global_commands(client.application_id, wanted)

    async def _save(self) -> None:
        while True:
            await asyncio.sleep(self._pace.keep)
            self.catch_up.save()


def same_commands(known: Sequence[object], wanted: Sequence[object]) -> bool:
    """Return True if the commands are equal, ignoring what Discord adds."""
    return [_bare(each) for each in known] == [_bare(each) for each in wanted]


def _bare(command: object) -> object:
    """Return a command without what Discord adds to it."""
    if isinstance(command, list):
        return [_bare(each) for each in command]
    if not isinstance(command, dict):
        return command
    words = "name type description options choices value required autocomplete min_value max_value max_length"
    return {key: _bare(command[key]) for key in words.split() if command.get(key)}
