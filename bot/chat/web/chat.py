"""The Chat port for the web.

One application listens on two ports and sends every change to its clients.
"""

import errno
import time
from collections.abc import Callable, Mapping, Sequence

from aiohttp import web
from aiohttp.typedefs import Handler

from bot.agent.live import Live
from bot.chat.web.application import application
from bot.chat.web.auth import Login
from bot.chat.web.channels import PREFIX
from bot.chat.web.clients import Clients
from bot.chat.web.context import Context
from bot.chat.web.send import Sender
from bot.chat.web.stream import Streams
from bot.conversation.platform import Chat, Part
from bot.conversation.router import Router
from bot.domain import Post
from bot.domain.errors import SettingsError
from bot.fleet import Fleet

GRACE = 0.5
"""Seconds a request may take to finish when the fleet stops.

A turn that a request waits for resumes at the next start.
"""
VARIABLES = ("FLEET_WEB_PORT", "FLEET_GATEWAY_PORT")


class WebChat(Chat):
    """The page and the gateway. `ports` are theirs in that order, and 0 takes any free one."""

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
        self.context = Context(fleet, router, Login(token, clock), host, ready, clients, Streams(clients, router.running))
        self.mounted: dict[str, Handler] = {}
        """Handlers of chat platforms' requests by path. Complete before the start."""
        self.urls: tuple[str, ...] = ()
        """Addresses of the page and the gateway, without the token."""
        self._fleet, self._host, self._ports, self._token = fleet, host, tuple(ports), token
        self._sender = Sender(self.context)
        self._runner: web.AppRunner | None = None
        self._unsubscribe: Callable[[], None] = lambda: None

    @property
    def url(self) -> str:
        """The page's address, without the token."""
        return self.urls[0]

    @property
    def login_url(self) -> str:
        """The page's address with its token, shown once to the person who started the fleet."""
        return f"{self.url}/?token={self._token}"

    async def start(self) -> None:
        """Listen on both ports. Raises SettingsError when a port is unavailable."""
        self._runner = web.AppRunner(application(self.context, self.mounted), access_log=None, shutdown_timeout=GRACE)
        await self._runner.setup()
        try:
            self.urls = tuple([await self._listen(at, port) for at, port in enumerate(self._ports)])
        except SettingsError:
            await self.stop()
            raise
        self._unsubscribe = self._fleet.subscribe(self._sender.change)

    async def stop(self) -> None:
        """Stop listening and close every connection."""
        self._unsubscribe()
        self._unsubscribe = lambda: None
        self._sender.close()
        self.context.streams.close()
        if self._runner:
            await self._runner.cleanup()
            self._runner = None

    async def post(self, post: Post, key: str, *, again: bool = False, plain: bool = False) -> str:
        """Send a post to the clients that follow its conversation. The store has it for later ones."""
        self._sender.post(post)
        return str(post.id)

    async def update(self, message: str, post: Post) -> None:
        """Send the current version of a post."""
        self._sender.post(post)

    def live(self, conversation: str, event: Live) -> None:
        """Show an event of a turn."""
        if conversation.startswith(PREFIX):
            self.context.streams.live(conversation, event)

    def part(self) -> Part:
        """Return `ok` while the server listens."""
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


def _name(host: str) -> str:
    """Return a host as it appears in an address that people open."""
    if host in {"", "0.0.0.0", "::", "127.0.0.1", "::1"}:  # noqa: S104  compared with, not bound to
        return "localhost"
    return f"[{host}]" if ":" in host else host


def _cannot_listen(error: OSError, host: str, port: int, variable: str) -> SettingsError:
    if error.errno == errno.EADDRINUSE:
        return SettingsError(
            f"Port {port} on {host} is already in use, perhaps by another fleet on this machine.",
            f"Stop the program that uses it (find it with: ss -ltnp), or set {variable} to another port (0: any free port).",
        )
    if error.errno == errno.EACCES:
        return SettingsError(f"This user may not use port {port}.", f"Set {variable} to a port above 1023.")
    return SettingsError(
        f"Cannot listen on {host}:{port}: {error.strerror or error}.",
        "Set FLEET_WEB_HOST to an address of this machine, for example 127.0.0.1.",
    )
