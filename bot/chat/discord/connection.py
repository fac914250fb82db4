"""Staying connected: a client of discord.py under a supervisor, a new one for each try.

discord.py goes on by itself after most interruptions (RESUME, or a new session). What ends it, a first connection that fails or
a dispatch that it cannot read, ends this client only; the next one begins after a pause.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import discord
import yarl

from bot.chat.discord.api import FAILURES, refused
from bot.chat.discord.custom_ids import Shown
from bot.chat.discord.pace import Pace
from bot.chat.discord.page import ITEMS
from bot.chat.discord.receive import Receiver
from bot.conversation.platform import Part
from bot.domain.errors import DeliveryError, SettingsError
from bot.text.backoff import Backoff

log = logging.getLogger(__name__)

Interaction = discord.Interaction[Any]

LOGIN_TIMEOUT = 15.0
"""Seconds for signing in."""
RECONNECT = Backoff(0.2, longest=60.0, factor=3, jitter=0.25)
MAX_RATE_LIMIT_WAIT = 30.0
"""Seconds that a request waits for Discord's limits by itself; what has to wait longer goes back to the outbox."""
START_TIMEOUT = 5.0
"""Seconds for which a start waits until it listens; what takes longer goes on by itself."""

# The bot uses no voice; this silences discord.py's warnings about missing voice libraries.
discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False

REJECTED = "Discord rejects DISCORD_TOKEN; reset the token and restart"


def point_at(api: str | None, gateway: str | None) -> None:
    """Where Discord is, when not at Discord: for all clients of this process."""
    if api:
        discord.http.Route.BASE = api
    if gateway:
        discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway)


def intents(*, content: bool) -> discord.Intents:
    """What is listened to."""
    return discord.Intents(guilds=True, guild_messages=True, dm_messages=True, message_content=content)


class Client(discord.Client):
    """One connection; hands everything on."""

    def __init__(
        self,
        receiver: Receiver,
        up: Callable[["Client"], Coroutine[Any, Any, None]],
        changed: Callable[[], None],
        *,
        content: bool,
        pace: Pace,
    ) -> None:
        super().__init__(
            intents=intents(content=content),
            allowed_mentions=discord.AllowedMentions.none(),
            max_messages=None,
            chunk_guilds_at_startup=False,
            member_cache_flags=discord.MemberCacheFlags.none(),
            guild_ready_timeout=pace.guilds,
            heartbeat_timeout=pace.silence,
        )
        self._receiver, self._up, self._changed, self._pace = receiver, up, changed, pace
        self._tasks: set[asyncio.Task[Any]] = set()
        self.add_dynamic_items(*ITEMS)

    async def on_message(self, message: discord.Message) -> None:
        """Discord's MESSAGE_CREATE."""
        if self.user is not None:
            await self._run(self._receiver.message(message, self.user))

    async def on_raw_message_edit(self, payload: discord.RawMessageUpdateEvent) -> None:
        """Discord's MESSAGE_UPDATE."""
        if self.user is not None and not payload.message.author.bot:
            await self._run(self._receiver.edited(payload.message, self.user))

    async def on_raw_message_delete(self, payload: discord.RawMessageDeleteEvent) -> None:
        """Discord's MESSAGE_DELETE."""
        self._receiver.deleted(payload.message_id)

    async def on_raw_bulk_message_delete(self, payload: discord.RawBulkMessageDeleteEvent) -> None:
        """Discord's MESSAGE_DELETE_BULK."""
        for message in payload.message_ids:
            self._receiver.deleted(message)

    async def on_interaction(self, interaction: Interaction) -> None:
        """Discord's INTERACTION_CREATE."""
        await self._run(self._receiver.interactions.take(interaction))

    async def pressed(self, interaction: Interaction, shown: Shown) -> None:
        """A choice on a gate's card."""
        await self._run(self._receiver.interactions.pressed(interaction, shown))

    async def suggested(self, interaction: Interaction, post: int, index: int, *, confirmed: bool) -> None:
        """A suggestion of a post."""
        await self._run(self._receiver.interactions.suggested(interaction, post, index, confirmed=confirmed))

    async def stopped(self, interaction: Interaction) -> None:
        """The button that stops a turn."""
        await self._run(self._receiver.interactions.stopped(interaction))

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """A session begins; one that follows another waits, as Discord asks."""
        if not initial:
            await asyncio.sleep(self._pace.identify * random.uniform(0.75, 1.25))  # noqa: S311

    async def on_ready(self) -> None:
        """A new session has begun and the servers have come."""
        await self._run(self._up(self))

    async def _run(self, taking: Coroutine[Any, Any, None]) -> None:
        """Take an event in; `close` waits for nobody who is still at it."""
        task = asyncio.create_task(taking)
        self._tasks.add(task)
        try:
            await task
        finally:
            self._tasks.discard(task)

    async def close(self) -> None:
        """End it, and what it is taking in."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await super().close()

    async def on_resumed(self) -> None:
        """The session goes on; what happened meanwhile has come."""
        log.info("discord: connection resumed")
        self._changed()

    async def on_disconnect(self) -> None:
        """The connection is interrupted; the library sees to a new one."""
        self._changed()

    async def on_error(self, event: str, /, *args: Any, **kwargs: Any) -> None:
        """One event could not be taken in."""
        log.exception("discord: cannot process event %s", event)


class Connection:
    """The supervisor. `changed` is told when it comes up or goes down."""

    def __init__(
        self,
        token: str,
        receiver: Receiver,
        ready: Callable[[Client], Coroutine[Any, Any, None]],
        changed: Callable[[], None],
        pace: Pace,
    ) -> None:
        self._token, self._receiver, self._when_ready, self._changed, self._pace = token, receiver, ready, changed, pace
        self._rest: discord.Client | None = None
        self._client: Client | None = None
        self._task: asyncio.Task[None] | None = None
        self._why = "not connected yet"
        self._ready = False
        self._listens = asyncio.Event()
        self._tries = 0
        self._content_refused = False

    @property
    def rest(self) -> discord.Client:
        """The client through which things are said. Raises DeliveryError before we are signed in."""
        if self._rest is None:
            raise DeliveryError("Discord is not connected.", retry_after=2.0)
        return self._rest

    @property
    def client(self) -> Client | None:
        """The client that listens, if one does now."""
        return self._client if self._ready else None

    @property
    def content(self) -> bool:
        """Whether messages come with their content."""
        flags = self._rest.application_flags if self._rest else None
        granted = flags and (flags.gateway_message_content or flags.gateway_message_content_limited)
        return bool(granted) and not self._content_refused

    def part(self) -> Part:
        """How it stands."""
        if not self._ready or self._client is None or self._client.ws is None or not self._client.ws.open:
            return Part("down", self._why)
        where = ", ".join(sorted(guild.name for guild in self._client.guilds)) or "no server (run: fleet discord-invite)"
        lacks = "" if self.content else "; without the Message Content intent, every message needs a mention"
        return Part("ok", f"as {self._client.user} in {where}{lacks}")

    async def start(self) -> None:
        """Sign in, and begin to listen. Raises SettingsError for a token that is not taken, DeliveryError for what may pass."""
        rest = discord.Client(intents=discord.Intents(guilds=True), max_ratelimit_timeout=MAX_RATE_LIMIT_WAIT)
        try:
            await asyncio.wait_for(rest.login(self._token), LOGIN_TIMEOUT)
            self._rest = rest
        except discord.LoginFailure as error:
            hint = "Copy it again from Bot → Reset Token in the developer portal."
            raise SettingsError("Discord rejects DISCORD_TOKEN.", hint) from error
        except FAILURES as error:
            raise refused(error, "Discord") from error
        finally:
            if self._rest is not rest:
                await _closed(rest)
        self._task = asyncio.create_task(self._supervise(), name="discord")
        with suppress(TimeoutError):
            await asyncio.wait_for(self._listens.wait(), START_TIMEOUT)

    async def stop_listening(self) -> None:
        """Listen no more; what is on its way out may still go."""
        client, self._client, self._ready = self._client, None, False
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if client is not None:
            await _closed(client)

    async def stop(self) -> None:
        """End it."""
        await self.stop_listening()
        rest, self._rest = self._rest, None
        if rest is not None:
            await _closed(rest)

    async def _supervise(self) -> None:
        while True:
            client = Client(self._receiver, self._up, self._changed, content=self.content, pace=self._pace)
            self._client = client
            try:
                await client.start(self._token)
                self._down("Discord closed the connection")
            except discord.PrivilegedIntentsRequired:
                self._down("Discord refuses the Message Content intent; connecting without it")
                self._content_refused = True
            except discord.LoginFailure:
                self._down(REJECTED)
            except discord.ConnectionClosed as error:
                self._down(REJECTED if error.code == 4004 else f"Discord closed the connection ({error.code})")
            except Exception as error:
                self._down(f"the connection was lost ({type(error).__name__}); reconnecting")
                log.warning("discord: connection lost, reconnecting: %s: %s", type(error).__name__, error)
                log.debug("discord: traceback of the lost connection", exc_info=True)
            finally:
                await _closed(client)
            self._tries += 1
            await asyncio.sleep(RECONNECT.pause(self._tries) * self._pace.retry)

    async def _up(self, client: Client) -> None:
        if client is not self._client:  # a closed client whose library still dispatches
            return
        self._tries, self._ready, self._why = 0, True, "the connection is interrupted"
        self._listens.set()
        self._changed()
        await self._when_ready(client)

    def _down(self, why: str) -> None:
        self._ready, self._why = False, why
        self._changed()


async def _closed(client: discord.Client) -> None:
    """Close a client in any state: one whose connection broke, that never opened, or whose own closing was cut off."""
    for close in (client.close, client.http.close):
        closing = asyncio.create_task(close())
        await asyncio.wait([closing])
        if closing.cancelled() or closing.exception():
            log.debug("discord: cannot close a client")
