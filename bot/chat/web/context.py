"""Objects that every handler of the web application shares."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from aiohttp import web

from bot.chat.web.auth import Login
from bot.chat.web.clients import Clients
from bot.chat.web.stream import Streams
from bot.conversation.platform import Part
from bot.conversation.router import Router
from bot.domain import Person
from bot.domain.access import OWNER
from bot.fleet import Fleet


@dataclass(frozen=True, slots=True)
class Context:
    """The fleet and router behind the page, its login, and its connected clients."""

    fleet: Fleet
    router: Router
    login: Login
    host: str
    """Address that the server listens on. Accepted as `Host` besides the names of this machine."""
    ready: Callable[[], Mapping[str, Part]]
    clients: Clients
    streams: Streams

    def person(self) -> Person:
        """Return the person who signs in with the web token."""
        return self.fleet.registry.person("web", "token") or OWNER


CONTEXT = web.AppKey("context", Context)


def product_version() -> str:
    """Return the version of meta-coordinator."""
    try:
        return version("meta-coordinator")
    except PackageNotFoundError:
        return "unpackaged"
