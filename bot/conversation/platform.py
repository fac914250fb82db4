"""The Chat port, for one chat platform. `tests/contracts/chat.py` tests every adapter.

An adapter converts an incoming event to an `Inbound` and passes it to the router's `receive`. It acknowledges the event to the
platform only after `receive` has returned, because the event is stored by then. Outgoing messages arrive as a `Post` from the
outbox, and `update` changes a message when a gate on it is decided. Events during a turn (streamed text, the running skill) go
to `live`. They are never stored and may be dropped.

A conversation is `<platform>:<channel>` or `<platform>:<channel>:<thread>`. A channel of a product is spelled as in the
registry, and `@<person>` stands for direct messages.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.agent.live import Live
from bot.domain import Post

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler


@dataclass(frozen=True, slots=True)
class Part:
    """State of a part of the fleet, `ok`, `off` (not configured) or `down`, with the reason."""

    state: str
    why: str = ""


class Chat(ABC):
    """One chat platform."""

    platform: str

    @abstractmethod
    async def start(self) -> None:
        """Connect, and stay connected afterwards.

        Raises `SettingsError` for problems that a person must fix (a wrong token), and `DeliveryError` for temporary ones.
        """

    @abstractmethod
    async def stop(self) -> None:
        """Disconnect."""

    @abstractmethod
    async def post(self, post: Post, key: str, *, again: bool = False, plain: bool = False) -> str:
        """Send a post to its conversation. Returns the platform's id of the message.

        A post with the same `key` is never shown twice. With `again`, the outcome of an earlier attempt is unknown, so the
        adapter checks for the message first. With `plain`, the platform has refused the post's form, so only text is sent.
        Raises `DeliveryError`.
        """

    @abstractmethod
    async def update(self, message: str, post: Post) -> None:
        """Update a message after a gate on it changed. Raises `DeliveryError`."""

    @abstractmethod
    def live(self, conversation: str, event: Live) -> None:
        """Show an event of a turn, if the platform can. Never raises and never blocks."""

    def hooks(self) -> "Mapping[str, Handler]":
        """Return handlers for the platform's HTTP requests by path. Each verifies the sender itself."""
        return {}

    @abstractmethod
    def part(self) -> Part:
        """Return the state of the connection."""
