"""The Chat port: a platform on which people speak. Held by `tests/contracts/chat.py`.

An adapter makes an `Inbound` of what arrives and hands it to `receive`, which returns once it is persisted: only then may
the adapter acknowledge it to the platform. What goes out arrives as a `Post` from the outbox, and lives on as a message
that `update` can change when a gate on it is decided. What happens *during* a turn (text as it streams, the skill that
runs) goes to `live`, is never persisted, and may be dropped.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bot.domain import Inbound, Post


@dataclass(frozen=True, slots=True)
class Delta:
    """More text of an answer that is being written."""

    text: str


@dataclass(frozen=True, slots=True)
class Doing:
    """What the coordinator does now (`reading product-a`); empty when it has stopped."""

    text: str
    skill: str = ""


TERMINAL = "web:terminal"
"""The conversation of commands on this machine: the page shows it, the terminal itself shows only direct answers."""
Live = Delta | Doing
Receive = Callable[[Inbound], Awaitable[None]]


class Chat(ABC):
    """One platform."""

    platform: str

    @abstractmethod
    async def start(self) -> None:
        """Connect. Raises `SettingsError` or `DeliveryError` in words when it cannot."""

    @abstractmethod
    async def stop(self) -> None:
        """Disconnect."""

    @abstractmethod
    async def post(self, post: Post, key: str) -> str:
        """Show a post in its conversation; returns the platform's id of the message. `key` is the outbox row's: the same
        key never shows twice. Raises `DeliveryError`."""

    @abstractmethod
    async def update(self, message: str, post: Post) -> None:
        """Change a message already shown, because a gate on it was decided or superseded."""

    @abstractmethod
    def live(self, conversation: str, event: Live) -> None:
        """Show what happens during a turn, if the platform can; never fails."""
