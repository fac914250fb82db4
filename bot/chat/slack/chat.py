"""The Chat port for Slack.

Everything that arrives goes to the router, and everything that goes out comes from the outbox.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.agent.live import Live
from bot.chat.slack.api import AUTH, Api, reason
from bot.chat.slack.catch_up import ReadPositions, catch_up
from bot.chat.slack.channels import PLATFORM, PREFIX, Channels, Me
from bot.chat.slack.connection import PING, Connection, connect
from bot.chat.slack.home import Homes
from bot.chat.slack.intake import Intake
from bot.chat.slack.interactions import Interactions
from bot.chat.slack.manifest import HOOK
from bot.chat.slack.receive import Receiver, bolt_app
from bot.chat.slack.send import Sender
from bot.chat.slack.stream import Streams
from bot.chat.slack.workspace import WorkspaceEvents
from bot.commands.catalogue import is_command
from bot.conversation.platform import Chat, Part
from bot.conversation.router import Router
from bot.domain import Post
from bot.domain.errors import DeliveryError, SettingsError
from bot.fleet import Change, Fleet

log = logging.getLogger(__name__)

DEADLINE = 10.0
"""Seconds within which Slack has to identify the bot and to open a socket."""
SAVE_INTERVAL = 5.0
"""Seconds between two saves of the read positions."""


class SlackChat(Chat):
    """The Slack adapter.

    It uses Socket Mode with `app_token`. With only `signing_secret` it uses HTTP, and a hook takes the requests that Slack
    sends to the web application. In tests, `pace` scales every pause and `ping` is the number of seconds between two pings.
    """

    platform = PLATFORM

    def __init__(
        self,
        fleet: Fleet,
        router: Router,
        *,
        bot_token: str,
        app_token: str | None = None,
        signing_secret: str | None = None,
        api_url: str | None = None,
        pace: float = 1.0,
        ping: float = PING,
    ) -> None:
        self._fleet, self._router = fleet, router
        self._app_token, self._secret, self._pace, self._ping = app_token, signing_secret, pace, ping
        self._api = Api(bot_token, api_url, fleet.store.durable)
        self._channels = Channels(self._api, fleet)
        self._intake = Intake(fleet, router, self._channels)
        self._positions = ReadPositions(fleet)
        self._homes = Homes(fleet, self._api, self._intake.person, self._background, pause=2.0 * pace)
        self._streams: Streams | None = None
        self._sender: Sender | None = None
        self._receiver: Receiver | None = None
        self._app: AsyncApp | None = None
        self._connection: Connection | None = None
        self._close_connection: Callable[[], Awaitable[None]] | None = None
        self._since: dict[str, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._unsubscribe: Callable[[], None] = lambda: None
        self._why = "not connected yet"
        self._up = asyncio.Event()
        self.me = Me("", "", "", "")

    # -- connecting ----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Connect.

        Raises SettingsError for a token that Slack rejects, DeliveryError while Slack cannot be reached.
        """
        if not (self._app_token or self._secret):
            said = "Slack needs SLACK_APP_TOKEN for Socket Mode, or SLACK_SIGNING_SECRET and FLEET_PUBLIC_URL for HTTP."
            raise SettingsError(said, "Set it as described in docs/slack.md, then restart.")
        self._api.open()
        try:
            self.me = await self._identify()
            await self._channels.refresh()
            self._since = dict(self._positions.at)
            self._positions.begin(self._channels.joined)
            if self._app_token:
                await self._check_app_token()
        except DeliveryError as error:
            await self._api.close()
            raise _as_settings_error(error) from error
        self._build()
        self._unsubscribe = self._fleet.subscribe(self._changed)
        self._background(self._save_positions())
        self._why = ""
        self._up.set()
        if self._app_token:
            await self._connect()
        else:
            self._hello()

    async def _identify(self) -> Me:
        try:
            async with asyncio.timeout(DEADLINE):
                said = await self._api.call("auth.test")
        except TimeoutError:
            raise DeliveryError("Slack does not respond.", "Retrying automatically.", retry_after=5.0) from None
        return Me(said["user_id"], said["bot_id"], said["team_id"], said.get("user", "fleet"), said.get("url", ""))

    async def _check_app_token(self) -> None:
        """Check that the app token opens a socket.

        The library would retry indefinitely and report nothing.
        """
        api = self._api
        probe = AsyncWebClient(base_url=api.client.base_url, session=api.client.session, retry_handlers=[])
        probe.proxy = api.proxy
        try:
            async with asyncio.timeout(DEADLINE):
                await api.guard("apps.connections.open", probe.apps_connections_open(app_token=self._app_token or ""))
        except TimeoutError:
            raise DeliveryError("Slack does not open a socket.", "Retrying automatically.", retry_after=5.0) from None

    def _build(self) -> None:
        fleet, api, channels = self._fleet, self._api, self._channels
        skills = self._router.skills
        self._streams = Streams(fleet, api, self.me, lambda text: is_command(text, skills), pace=self._pace)
        self._sender = Sender(fleet, api, channels, self._streams, pace=self._pace)
        workspace = WorkspaceEvents(fleet, channels, self.me, self._revoked, lambda: self._background(self._refresh()))
        interactions = Interactions(self._intake, api, self.me, self._background)
        self._receiver = Receiver(self._intake, self.me, self._positions, self._homes, workspace, interactions)
        self._app = bolt_app(self.me, api, self._receiver.take, self._secret)

    async def _connect(self) -> None:
        assert self._app is not None  # noqa: S101  start built it
        token = self._app_token or ""
        self._connection, self._close_connection = connect(self._api, self._app, token, hello=self._hello, ping=self._ping)
        self._background(self._connection.connect())

    async def stop(self) -> None:
        """Disconnect, and save the read positions."""
        self._unsubscribe()
        if self._close_connection is not None:
            await self._close_connection()
            self._close_connection = None
        if self._streams is not None:
            await self._streams.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._api.close()
        self._positions.save()
        self._why = "stopped"
        self._up.clear()

    def part(self) -> Part:
        """Return the state of the connection."""
        why = self._why or (self._connection.why if self._connection is not None else "")
        if why:
            return Part("down", why)
        way = "Socket Mode" if self._connection is not None else "HTTP"
        return Part("ok", f"{self.me.name} in {self.me.url or self.me.team} ({way})")

    def hooks(self) -> Mapping[str, Handler]:
        """Return the path that takes every request of Slack over HTTP, or nothing in Socket Mode."""
        return {HOOK: self._request} if self._secret and not self._app_token else {}

    async def _request(self, request: web.Request) -> web.Response:
        """Take a request of Slack over HTTP. Bolt checks its signature."""
        if self._app is None:
            return web.Response(status=503, text="not connected")
        return await to_aiohttp_response(await self._app.async_dispatch(await to_bolt_request(request)))

    def _hello(self) -> None:
        """Catch up on missed messages, because the connection is up (again)."""
        since, self._since = {**self._positions.at, **self._since}, {}
        self._background(self._catch_up(since))
        self._fleet.changed(Change("chat"))

    async def _catch_up(self, since: dict[str, str]) -> None:
        assert self._receiver is not None  # noqa: S101  start built it
        try:
            await self._channels.refresh()
            self._positions.begin(self._channels.joined)
            await catch_up(self._fleet, self._api, self._channels, since, self._receiver.event)
            self._positions.save()
        except DeliveryError as error:
            log.warning("slack: cannot read the messages missed while offline: %s", error)

    async def _refresh(self) -> None:
        with suppress(DeliveryError):
            await self._channels.refresh()
            self._positions.begin(self._channels.joined)

    async def _save_positions(self) -> None:
        while True:
            await asyncio.sleep(SAVE_INTERVAL)
            self._positions.save(hearing=self.part().state == "ok")

    def _revoked(self, why: str) -> None:
        self._why = f"{why} Reinstall the app, set SLACK_BOT_TOKEN, and restart the fleet."
        log.error("slack: %s", self._why)
        self._fleet.changed(Change("chat"))

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("slack: a background task failed", exc_info=error)

    def _changed(self, change: Change) -> None:
        if change.kind == "registry":
            self._channels.forget()
        self._homes.changed(change)

    # -- posting -------------------------------------------------------------------------------------------------------

    async def post(self, post: Post, key: str, *, again: bool = False, plain: bool = False) -> str:
        """Show a post in its conversation. Raises DeliveryError."""
        sender = await self._connected()
        try:
            return await sender.post(post, key, again=again, plain=plain)
        except DeliveryError as error:
            self._record_rejected_token(error)
            raise

    async def update(self, message: str, post: Post) -> None:
        """Show the current state of a post in its message. Raises DeliveryError."""
        sender = await self._connected()
        try:
            await sender.update(message, post)
        except DeliveryError as error:
            self._record_rejected_token(error)
            raise

    def live(self, conversation: str, event: Live) -> None:
        """Show the progress of a turn."""
        if self._streams is not None and conversation.startswith(PREFIX) and not self._why:
            self._streams.live(conversation, event)

    async def _connected(self) -> Sender:
        """Return the sender once connected.

        Raises DeliveryError after DEADLINE, or when the token was revoked.
        """
        with suppress(TimeoutError):
            await asyncio.wait_for(self._up.wait(), DEADLINE)
        if self._why and self._up.is_set():
            raise DeliveryError(f"Slack is down: {self._why}", code="auth")
        if self._why:
            raise DeliveryError(f"Slack is down: {self._why}.", retry_after=5.0)
        assert self._sender is not None  # noqa: S101  start built it
        return self._sender

    def _record_rejected_token(self, error: DeliveryError) -> None:
        """Report a rejected token as the state of the connection."""
        if error.code == "auth" and reason(error) in AUTH and reason(error) != "missing_scope":
            self._why = f"{error.message} {error.hint}"


def _as_settings_error(error: DeliveryError) -> DeliveryError | SettingsError:
    """Return a SettingsError for a rejected token, which no retry can fix."""
    if error.code != "auth":
        return error
    token = "SLACK_APP_TOKEN" if "connections" in error.message else "SLACK_BOT_TOKEN"
    return SettingsError(f"Slack rejects {token}: {error.message}", "Set the token shown on the app's page, then restart.")
