"""What every handler of the web application shares."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from aiohttp import web

from bot.chat.web.auth import Login
from bot.chat.web.clients import Clients
from bot.chat.web.streams import Streams
from bot.conversation.platform import Part
from bot.conversation.router import Router
from bot.domain import Inbound, Person
from bot.domain.access import OWNER
from bot.domain.errors import UsageError
from bot.fleet import Fleet
from bot.work.status import as_json

PREFIX = "web:"
NAME_SIGNS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-")


@dataclass(frozen=True, slots=True)
class Site:
    """The fleet and the router behind the page, who may open it, and who has it open."""

    fleet: Fleet
    router: Router
    login: Login
    host: str
    """On which it listens; allowed as `Host` beside the names of this machine."""
    ready: Callable[[], Mapping[str, Part]]
    clients: Clients
    streams: Streams

    def person(self) -> Person:
        """Who holds the web token."""
        return self.fleet.registry.person("web", "token") or OWNER

    def inbound(self, conversation: str, text: str, event: str) -> Inbound:
        """Something said on the page, in the channel of a product if the conversation is one."""
        products = self.fleet.registry.products
        named = next((each.name for each in products if conversation in map(str, each.channels)), None)
        return Inbound(
            event=f"{PREFIX}{event}",
            platform="web",
            conversation=conversation,
            person=self.person(),
            at=self.fleet.now(),
            text=text,
            product=named,
        )

    def status(self) -> dict[str, Any]:
        """The fleet as the page shows it: the status of every surface, and what answers at the other end."""
        runtimes, status = self.fleet.engine.runtimes(), self.fleet.status()
        return {
            **as_json(status),
            "inbox": list(status.inbox),
            "runtimes": [
                {"name": each.name, "kind": each.kind, "engine": each.engine, "rehearsal": each.rehearsal} for each in runtimes
            ],
            "unreachable": [
                {"runtime": name, "reason": reason, "since": since.isoformat()}
                for name, (reason, since) in self.fleet.down.items()
            ],
        }


SITE = web.AppKey("site", Site)


def stored(name: str) -> str:
    """The conversation that goes by this name on the web: `main` is `web:main`. Raises UsageError."""
    name = name.removeprefix(PREFIX)
    if not 1 <= len(name) <= 80 or not NAME_SIGNS.issuperset(name):
        raise UsageError(
            "That is no name of a conversation.",
            "Use 1 to 80 letters, digits and the signs . _ : - , for instance main.",
            code="bad_conversation",
        )
    return PREFIX + name


def shown(conversation: str) -> str:
    """The name by which the web knows a conversation."""
    return conversation.removeprefix(PREFIX)


def product_version() -> str:
    """Version of meta-coordinator."""
    try:
        return version("meta-coordinator")
    except PackageNotFoundError:
        return "unpackaged"
