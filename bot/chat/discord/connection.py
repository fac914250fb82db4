"""The gateway connection, restarted with a new client whenever one ends.

discord.py recovers from most interruptions by itself (RESUME, or a new session). A failed first connection or an unreadable
dispatch ends the client, and a new one starts after a pause.
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
"""Timeout of the sign-in, in seconds."""
RECONNECT = Backoff(0.2, longest=60.0, factor=3, jitter=0.25)
MAX_RATE_LIMIT_WAIT = 30.0
"""Longest wait of a request for Discord's rate limits, in seconds.

A longer wait returns the post to the outbox.
"""
START_TIMEOUT = 5.0
"""Seconds for which `start` waits for the gateway. It then connects in the background."""

# The bot uses no voice; this silences discord.py's warnings about missing voice libraries.
discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False

REJECTED = "Discord rejects DISCORD_TOKEN; reset the token and restart"


def point_at(api: str | None, gateway: str | None) -> None:
    """Set the addresses of Discord for all clients of this process."""
    if api:
        discord.http.Route.BASE = api
    if gateway:
        discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway)


def intents(*, content: bool) -> discord.Intents:
    """Return the gateway intents."""
    return discord.Intents(guilds=True, guild_messages=True, dm_messages=True, message_content=content)


class Client(discord.Client):
    """One gateway connection, which hands events to the receiver."""

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
        """Take MESSAGE_CREATE."""
        if self.user is not None:
            await self._run(self._receiver.message(message, self.user))

    async def on_raw_message_edit(self, payload: discord.RawMessageUpdateEvent) -> None:
        """Take MESSAGE_UPDATE."""
        if self.user is not None and not payload.message.author.bot:
            await self._run(self._receiver.edited(payload.message, self.user))

    async def on_raw_message_delete(self, payload: discord.RawMessageDeleteEvent) -> None:
        """Take MESSAGE_DELETE."""
        self._receiver.deleted(payload.message_id)

    async def on_raw_bulk_message_delete(self, payload: discord.RawBulkMessageDeleteEvent) -> None:
        """Take MESSAGE_DELETE_BULK."""
        for message in payload.message_ids:
            self._receiver.deleted(message)

    async def on_interaction(self, interaction: Interaction) -> None:
        """Take INTERACTION_CREATE."""
        await self._run(self._receiver.interactions.take(interaction))

    async def pressed(self, interaction: Interaction, shown: Shown) -> None:
        """Take a choice on a gate's card."""
        await self._run(self._receiver.interactions.pressed(interaction, shown))

    async def suggested(self, interaction: Interaction, post: int, index: int, *, confirmed: bool) -> None:
        """Take a press of a suggestion."""
        await self._run(self._receiver.interactions.suggested(interaction, post, index, confirmed=confirmed))

    async def stopped(self, interaction: Interaction) -> None:
        """Take a press of Stop."""
        await self._run(self._receiver.interactions.stopped(interaction))

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Wait before a new session that replaces another, as Discord asks."""
        if not initial:
            await asyncio.sleep(self._pace.identify * random.uniform(0.75, 1.25))  # noqa: S311

    async def on_ready(self) -> None:
        """Report a new session after its servers have arrived."""
        await self._run(self._up(self))

    async def _run(self, taking: Coroutine[Any, Any, None]) -> None:
        """Run a handler in a task that `close` can cancel."""
        task = asyncio.create_task(taking)
        self._tasks.add(task)
        try:
            await task
        finally:
            self._tasks.discard(task)

    async def close(self) -> None:
        """Close the connection and cancel the running handlers."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await super().close()

    async def on_resumed(self) -> None:
        """Report a resumed session. Discord has delivered the events in between."""
        log.info("discord: connection resumed")
        self._changed()

    async def on_disconnect(self) -> None:
        """Report an interruption. The library reconnects."""
        self._changed()

    async def on_error(self, event: str, /, *args: Any, **kwargs: Any) -> None:
        """Log an event that could not be processed."""
        log.exception("discord: cannot process event %s", event)


class Connection:
    """The supervisor of clients. `changed` is called when the connection comes up or goes down."""

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
        """The client that sends. Raises DeliveryError before sign-in."""
        if self._rest is None:
            raise DeliveryError("Discord is not connected.", retry_after=2.0)
        return self._rest

    @property
    def client(self) -> Client | None:
        """The client that listens. None while disconnected."""
        return self._client if self._ready else None

    @property
    def content(self) -> bool:
        """True if messages arrive with their content."""
        flags = self._rest.application_flags if self._rest else None
        granted = flags and (flags.gateway_message_content or flags.gateway_message_content_limited)
        return bool(granted) and not self._content_refused

    def part(self) -> Part:
        """Return the state of the connection."""
        if not self._ready or self._client is None or self._client.ws is None or not self._client.ws.open:
            return Part("down", self._why)
        where = ", ".join(sorted(guild.name for guild in self._client.guilds)) or "no server (run: fleet discord-invite)"
        lacks = "" if self.content else "; without the Message Content intent, every message needs a mention"
        return Part("ok", f"as {self._client.user} in {where}{lacks}")

    async def start(self) -> None:
        """Sign in and start listening.

        Raises SettingsError for a rejected token, DeliveryError for a temporary failure.
        """
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
        """Close the gateway. Messages can still be sent."""
        client, self._client, self._ready = self._client, None, False
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if client is not None:
            await _closed(client)

    async def stop(self) -> None:
        """Close everything."""
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
    """Close a client in any state, including one that never opened or failed to close."""
    for close in (client.close, client.http.close):
        closing = asyncio.create_task(close())
        await asyncio.wait([closing])
        if closing.cancelled() or closing.exception():
            log.debug("discord: cannot close a client")
