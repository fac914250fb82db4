"""The Chat port for the web: one application on two ports, and everyone who has it open hears what changes."""

import asyncio
import errno
import time
from collections.abc import Callable, Mapping, Sequence

from aiohttp import web
from aiohttp.typedefs import Handler

from bot.agent.live import Live
from bot.chat.web import api, sockets
from bot.chat.web.application import application
from bot.chat.web.auth import Login
from bot.chat.web.clients import Clients
from bot.chat.web.site import PREFIX, Site
from bot.chat.web.streams import Streams
from bot.conversation.platform import Chat, Part
from bot.conversation.router import Router
from bot.domain import Post
from bot.domain.errors import SettingsError
from bot.fleet import Change, Fleet

GRACE = 0.5
"""Seconds that a request may take to end when the fleet stops. One that waits for a turn is cut off: the turn goes on later."""
PAUSE = 0.25
"""Seconds between two statuses; the first of a burst is told at once."""
VARIABLES = ("FLEET_WEB_PORT", "FLEET_GATEWAY_PORT")


class WebChat(Chat):
    """The page and the gateway. `ports` are those of the page and of the gateway; 0 takes any free one."""

    platform = "web"

    def __init__(
        self,
        fleet: Fleet,
        router: Router,
        *,
        token: str,
        ready: Callable[[], Mapping[str, Part]],
        host: str = "127.0.0.1",
        ports: Sequence[int] = (41790, 41789),
        clock: Callable[[], float] = time.time,
    ) -> None:
        clients = Clients()
        self.site = Site(fleet, router, Login(token, clock), host, ready, clients, Streams(clients, router.running))
        self.mounted: dict[str, Handler] = {}
        """Requests of chat platforms, by path; complete before the start."""
        self.urls: tuple[str, ...] = ()
        """Where it is served: the page, then the gateway; without the token."""
        self._fleet, self._host, self._ports, self._token = fleet, host, tuple(ports), token
        self._runner: web.AppRunner | None = None
        self._unsubscribe: Callable[[], None] = lambda: None
        self._status_timer: asyncio.TimerHandle | None = None
        self._status_due = False

    @property
    def url(self) -> str:
        """The page's address, without the token."""
        return self.urls[0]

    @property
    def login_url(self) -> str:
        """The page's address with its token: shown once, to the person who started it."""
        return f"{self.url}/?token={self._token}"

    async def start(self) -> None:
        """Listen on both ports. Raises SettingsError when one cannot be had."""
        self._runner = web.AppRunner(application(self.site, self.mounted), access_log=None, shutdown_timeout=GRACE)
        await self._runner.setup()
        try:
            self.urls = tuple([await self._listen(at, port) for at, port in enumerate(self._ports)])
        except SettingsError:
            await self.stop()
            raise
        self._unsubscribe = self._fleet.subscribe(self._changed)

    async def stop(self) -> None:
        """Stop listening and end every connection."""
        self._unsubscribe()
        self._unsubscribe = lambda: None
        if self._status_timer:
            self._status_timer.cancel()
            self._status_timer = None
        self.site.streams.close()
        if self._runner:
            await self._runner.cleanup()
            self._runner = None

    async def post(self, post: Post, key: str, *, again: bool = False, plain: bool = False) -> str:
        """Show a post to everyone who has its conversation open; it stays in the store for those who come later."""
        self._reply(post)
        return str(post.id)

    async def update(self, message: str, post: Post) -> None:
        """Show a post again, as it is now."""
        self._reply(post)

    def live(self, conversation: str, event: Live) -> None:
        """Show what happens during a turn."""
        if conversation.startswith(PREFIX):
            self.site.streams.hear(conversation, event)

    def part(self) -> Part:
        """Whether it listens."""
        return Part("ok") if self._runner else Part("down", "not listening")

    async def _listen(self, at: int, port: int) -> str:
        assert self._runner is not None  # noqa: S101  start made it
        variable = VARIABLES[min(at, len(VARIABLES) - 1)]
        server = web.TCPSite(self._runner, self._host, port)
        try:
            await server.start()
        except OSError as error:
            raise _cannot_listen(error, self._host, port, variable) from error
        return f"http://{_name(self._host)}:{server.port}"

    def _changed(self, change: Change) -> None:
        if change.post is not None and change.post.conversation.startswith(PREFIX):
            self._reply(change.post)
        if change.gate is not None and len(self.site.clients):
            self.site.clients.tell(sockets.gate_card(change.gate, self.site))
        if change.work is not None:
            self.site.clients.tell(sockets.work_card(change.work))
        if change.kind != "post":
            self._tell_status()

    def _reply(self, post: Post) -> None:
        if post.author == "fleet":
            self.site.streams.settle(post.conversation)
        if len(self.site.clients):
            (said,) = api.to_json([post], self.site)
            self.site.clients.tell({"type": "reply", **said}, post.conversation)

    def _tell_status(self) -> None:
        """Tell the status now, or when the pause after the last one is over."""
        if self._status_timer is not None:
            self._status_due = True
            return
        self._status_due = False
        if len(self.site.clients):
            self.site.clients.tell({"type": "status", "status": self.site.status()})
            self._status_timer = asyncio.get_running_loop().call_later(PAUSE, self._status_again)

    def _status_again(self) -> None:
        self._status_timer = None
        if self._status_due:
            self._tell_status()


def _name(host: str) -> str:
    """A host as people open it."""
    if host in {"", "0.0.0.0", "::", "127.0.0.1", "::1"}:  # noqa: S104  compared with, not bound to
        return "localhost"
    return f"[{host}]" if ":" in host else host


def _cannot_listen(error: OSError, host: str, port: int, variable: str) -> SettingsError:
    if error.errno == errno.EADDRINUSE:
        return SettingsError(
            f"Port {port} on {host} is taken, perhaps by another fleet that runs on this machine.",
            f"Stop what listens there (`ss -ltnp` names it), or set {variable} to another port; 0 takes any free one.",
        )
    if error.errno == errno.EACCES:
        return SettingsError(f"Port {port} may not be used by this user.", f"Set {variable} to a port above 1023.")
    return SettingsError(
        f"Nothing can listen on {host}:{port}: {error.strerror or error}.",
        "Set FLEET_WEB_HOST to an address of this machine; 127.0.0.1 always is one.",
    )
