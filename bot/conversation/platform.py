"""The Chat port: a platform on which people speak. Held by `tests/contracts/chat.py`.

An adapter makes an `Inbound` of what arrives and hands it to the router's `receive`, which returns once it is persisted: only
then may the adapter acknowledge it to the platform. What goes out arrives as a `Post` from the outbox, and lives on as a
message that `update` can change when a gate on it is decided. What happens *during* a turn (text as it streams, the skill
that runs) goes to `live`, is never persisted, and may be dropped.

A conversation is `<platform>:<channel>`, or `<platform>:<channel>:<thread>`; a channel is spelled as the registry spells it
where a product lists it, and is `@<person>` for direct messages.
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
    """Whether a part of the coordinator works: state `ok`, `off` (not wanted) or `down`, and why in words for anybody."""

    state: str
    why: str = ""


class Chat(ABC):
    """One platform."""

    platform: str

    @abstractmethod
    async def start(self) -> None:
        """Connect. Raises `SettingsError` in words for what only a person can mend (a wrong token), `DeliveryError` for what
        may pass; once it has returned, the adapter itself sees to staying connected."""

    @abstractmethod
    async def stop(self) -> None:
        """Disconnect."""

    @abstractmethod
    async def post(self, post: Post, key: str, *, again: bool = False, plain: bool = False) -> str:
        """Show a post in its conversation; returns the platform's id of the message. `key` names it for ever: the same key is
        never shown twice. `again`: what became of an earlier attempt is not known, so look before sending. `plain`: the
        platform refused its form before, so send text alone. Raises `DeliveryError`."""

    @abstractmethod
    async def update(self, message: str, post: Post) -> None:
        """Show a message again as it is now, because a gate on it changed. Raises `DeliveryError`."""

    @abstractmethod
    def live(self, conversation: str, event: Live) -> None:
        """Show what happens during a turn, if the platform can; never fails, never blocks."""

    def hooks(self) -> "Mapping[str, Handler]":
        """What takes requests of the platform on the web application, by path. Each sees to it by itself that they are the
        platform's own."""
        return {}

    @abstractmethod
    def part(self) -> Part:
        """Whether it is connected, in words."""
