"""The Chat port for Slack: connects, posts, edits, and keeps itself connected. No product logic: what arrives goes to the
router, what goes out comes from the outbox."""

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.agent.live import Live
from bot.chat.slack import listener, socket, streams
from bot.chat.slack.api import AUTH, Api, reason
from bot.chat.slack.catch_up import Marks, catch_up
from bot.chat.slack.happenings import Happenings
from bot.chat.slack.homes import Homes
from bot.chat.slack.manifest import HOOK
from bot.chat.slack.places import PREFIX, Me, Places
from bot.chat.slack.poster import PLATFORM, Poster
from bot.commands.catalogue import is_command
from bot.conversation.platform import Chat, Part
from bot.conversation.router import Router
from bot.domain import Post
from bot.domain.errors import DeliveryError, SettingsError
from bot.fleet import Change, Fleet

log = logging.getLogger(__name__)

DEADLINE = 10.0
"""Seconds within which Slack has to say who we are and open a socket."""
KEEP = 5.0
"""Seconds between two times that the newest messages heard are written down."""


class SlackChat(Chat):
    """Slack. Over Socket Mode with `app_token`; over HTTP where only `signing_secret` is given: then a hook takes what Slack
    sends to the web application. `pace` shortens every pause and `ping` (seconds) that between two pings, for tests."""

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
        ping: float = socket.PING,
    ) -> None:
        self._fleet, self._router = fleet, router
        self._app_token, self._secret, self._pace, self._ping = app_token, signing_secret, pace, ping
        self._api = Api(bot_token, api_url)
        self._places = Places(self._api, fleet)
        self._marks = Marks(fleet)
        self._homes: Homes | None = None
        self._streams: streams.Streams | None = None
        self._poster: Poster | None = None
        self._listener: listener.Listener | None = None
        self._app: AsyncApp | None = None
        self._socket: socket.Socket | None = None
        self._close_socket: Any = None
        self._since: dict[str, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._unsubscribe: Any = lambda: None
        self._why = "not connected yet"
        self._up = asyncio.Event()
        self.me = Me("", "", "", "")

    # -- connecting ----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Connect. Raises SettingsError for a token that Slack does not take, DeliveryError when it cannot be reached."""
        if not (self._app_token or self._secret):
            said = "Slack needs SLACK_APP_TOKEN for Socket Mode, or SLACK_SIGNING_SECRET and FLEET_PUBLIC_URL for HTTP."
            raise SettingsError(said, "Set it as docs/slack.md describes, and restart.")
        self._api.open()
        try:
            self.me = await self._who()
            await self._places.refresh()
            self._since = dict(self._marks.at)
            self._marks.begin(self._places.joined)
            if self._app_token:
                await self._try_socket()
        except DeliveryError as error:
            await self._api.close()
            raise _told(error) from error
        self._build()
        self._unsubscribe = self._fleet.subscribe(self._changed)
        self._background(self._keep())
        self._why = ""
        self._up.set()
        if self._app_token:
            await self._connect()
        else:
            self._hello()

    async def _who(self) -> Me:
        try:
            async with asyncio.timeout(DEADLINE):
                said = await self._api.call("auth.test")
        except TimeoutError:
            raise DeliveryError("Slack does not answer.", "It is tried again.", retry_after=5.0) from None
        return Me(said["user_id"], said["bot_id"], said["team_id"], said.get("user", "fleet"), said.get("url", ""))

    async def _try_socket(self) -> None:
        """Whether the app token opens a socket: the library would go on trying for ever without a word."""
        api = self._api
        probe = AsyncWebClient(base_url=api.client.base_url, session=api.client.session, retry_handlers=[])
        probe.proxy = api.proxy
        try:
            async with asyncio.timeout(DEADLINE):
                await api.wording("apps.connections.open", probe.apps_connections_open(app_token=self._app_token or ""))
        except TimeoutError:
            raise DeliveryError("Slack gives no socket.", "It is tried again.", retry_after=5.0) from None

    def _build(self) -> None:
        fleet, api, places = self._fleet, self._api, self._places
        skills = self._router.skills
        self._streams = streams.Streams(fleet, api, self.me, lambda text: is_command(text, skills), pace=self._pace)
        self._poster = Poster(fleet, api, places, self._streams, pace=self._pace)
        self._homes = Homes(fleet, api, self._person, self._background, pause=2.0 * self._pace)
        happenings = Happenings(fleet, places, self.me, self._revoked, lambda: self._background(self._refresh()))
        self._listener = listener.Listener(
            fleet, self._router, api, places, self.me, self._marks, self._homes, happenings, self._background
        )
        self._app = listener.make(self.me, api, self._listener.take, self._secret)

    async def _connect(self) -> None:
        assert self._app is not None  # noqa: S101  start built it
        token = self._app_token or ""
        self._socket, self._close_socket = socket.make(self._api, self._app, token, hello=self._hello, ping=self._ping)
        self._background(self._socket.connect())

    async def stop(self) -> None:
        """Disconnect; what was heard last is written down."""
        self._unsubscribe()
        if self._close_socket is not None:
            await self._close_socket()
            self._close_socket = None
        if self._streams is not None:
            await self._streams.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._api.close()
        self._marks.keep()
        self._why = "stopped"
        self._up.clear()

    def part(self) -> Part:
        """Whether Slack hears us and we hear it."""
        why = self._why or (self._socket.why if self._socket is not None else "")
        if why:
            return Part("down", why)
        way = "Socket Mode" if self._socket is not None else "HTTP"
        return Part("ok", f"{self.me.name} in {self.me.url or self.me.team} ({way})")

    def hooks(self) -> Mapping[str, Handler]:
        """Over HTTP, everything that Slack sends comes to one path."""
        return {HOOK: self._request} if self._secret and not self._app_token else {}

    async def _request(self, request: web.Request) -> web.Response:
        """What Slack sends over HTTP; Bolt checks its signature."""
        if self._app is None:
            return web.Response(status=503, text="not connected")
        return await to_aiohttp_response(await self._app.async_dispatch(await to_bolt_request(request)))

    def _hello(self) -> None:
        """We hear Slack (again): find what was said meanwhile."""
        since, self._since = {**self._marks.at, **self._since}, {}
        self._background(self._catch_up(since))
        self._fleet.changed(Change("chat"))

    async def _catch_up(self, since: dict[str, str]) -> None:
        assert self._listener is not None  # noqa: S101  start built it
        try:
            await self._places.refresh()
            self._marks.begin(self._places.joined)
            await catch_up(self._fleet, self._api, self._places, since, self._listener.event)
            self._marks.keep()
        except DeliveryError as error:
            log.warning("what was said meanwhile could not be looked for: %s", error)

    async def _refresh(self) -> None:
        with suppress(DeliveryError):
            await self._places.refresh()
            self._marks.begin(self._places.joined)

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(KEEP)
            self._marks.keep(hearing=self.part().state == "ok")

    def _revoked(self, why: str) -> None:
        self._why = f"{why} Install the app again, set SLACK_BOT_TOKEN, and restart me."
        log.error("slack: %s", self._why)
        self._fleet.changed(Change("chat"))

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("slack: something in the background failed", exc_info=error)

    def _person(self, user: str) -> Any:
        assert self._listener is not None  # noqa: S101  start built it
        return self._listener.person(user)

    def _changed(self, change: Change) -> None:
        if change.kind == "registry":
            self._places.forget()
        if self._homes is not None:
            self._homes.changed(change)

    # -- showing -------------------------------------------------------------------------------------------------------

    async def post(self, post: Post, key: str, *, again: bool = False, plain: bool = False) -> str:
        """Show a post in its conversation. Raises DeliveryError."""
        poster = await self._running()
        try:
            return await poster.post(post, key, again=again, plain=plain)
        except DeliveryError as error:
            self._note(error)
            raise

    async def update(self, message: str, post: Post) -> None:
        """Show a message as it is now. Raises DeliveryError."""
        poster = await self._running()
        try:
            await poster.update(message, post)
        except DeliveryError as error:
            self._note(error)
            raise

    def live(self, conversation: str, event: Live) -> None:
        """Show what happens during a turn."""
        if self._streams is not None and conversation.startswith(PREFIX) and not self._why:
            self._streams.hear(conversation, event)

    async def _running(self) -> Poster:
        """Wait until Slack has been reached. Raises DeliveryError when that takes long, or no trying helps."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._up.wait(), DEADLINE)
        if self._why and self._up.is_set():
            raise DeliveryError(f"Slack is down: {self._why}", code="auth")
        if self._why:
            raise DeliveryError(f"Slack is down: {self._why}.", retry_after=5.0)
        assert self._poster is not None  # noqa: S101  start built it
        return self._poster

    def _note(self, error: DeliveryError) -> None:
        """What Slack says of our token is the readiness."""
        if error.code == "auth" and reason(error) in AUTH and reason(error) != "missing_scope":
            self._why = f"{error.message} {error.hint}"


def _told(error: DeliveryError) -> DeliveryError | SettingsError:
    """What only a person can mend stops the trying."""
    if error.code != "auth":
        return error
    token = "SLACK_APP_TOKEN" if "connections" in error.message else "SLACK_BOT_TOKEN"
    return SettingsError(
        f"Slack does not take {token}: {error.message}", "Set the token that the app's page shows, and restart."
    )
