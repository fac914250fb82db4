"""Slack channels and direct messages as the fleet's conversations.

The registry uses names, Slack's API uses ids.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from bot.chat.slack.api import Api
from bot.domain.errors import DeliveryError
from bot.fleet import Fleet

log = logging.getLogger(__name__)

PLATFORM = "slack"
PREFIX = "slack:"
STALE = 60.0
"""Age in seconds at which an unknown name refreshes the list of channels."""


@dataclass(frozen=True, slots=True)
class Location:
    """A channel and a thread in it. `user` is the person whose direct messages it is."""

    channel: str
    thread: str = ""
    user: str = ""


@dataclass(frozen=True, slots=True)
class Me:
    """The bot's identity on Slack."""

    user: str
    bot: str
    team: str
    name: str
    url: str = ""


def split_conversation(conversation: str) -> tuple[str, str]:
    """Return a conversation's channel (`#name`, an id, or `@user`) and its thread."""
    channel, _, thread = conversation.removeprefix(PREFIX).partition(":")
    return channel, thread


class Channels:
    """The channels that the bot is a member of, and its direct messages."""

    def __init__(self, api: Api, fleet: Fleet, clock: Callable[[], float] = time.monotonic) -> None:
        self._api, self._fleet, self._clock = api, fleet, clock
        self.names: dict[str, str] = {}
        """Channel names by id."""
        self.joined: tuple[str, ...] = ()
        """Ids of all channels and direct messages that the bot is a member of."""
        self._former: dict[str, str] = {}
        """Names in the registry of channels that were renamed or left, by id."""
        self._direct: dict[str, str] = {}
        """Channel ids of direct messages by user id."""
        self._asked = float("-inf")
        self._asking = asyncio.Lock()

    async def refresh(self) -> None:
        """Load the channels that the bot is a member of. Raises DeliveryError."""
        self._asked = self._clock()
        kinds = "public_channel,private_channel,im"
        found = await self._api.pages("users.conversations", "channels", types=kinds, exclude_archived="true", limit=200)
        self.names = {each["id"]: each["name"] for each in found if each.get("name")}
        self.joined = tuple(str(each["id"]) for each in found)
        self._remember()

    def forget(self) -> None:
        """Mark the list of channels as outdated, so that the next unknown name reloads it."""
        self._asked = float("-inf")

    def renamed(self, channel: str, name: str) -> None:
        """Record a channel's new name. The name in the registry still finds it."""
        self.names[channel] = name
        self._remember()

    def _remember(self) -> None:
        """Store the id of every channel that the registry names, so that a renamed channel is still found."""
        listed, known, current = self._listed(), self._fleet.store.known_channels.of("slack"), set(self.names.values())
        for id, name in self.names.items():
            if f"#{name}" in listed and known.get(f"#{name}") != id:
                self._fleet.store.known_channels.set("slack", f"#{name}", id)
        self._former = {id: name[1:] for name, id in known.items() if name[1:] not in current and name in listed}

    def _listed(self) -> set[str]:
        return {each.id for product in self._fleet.registry.products for each in product.channels if each.platform == "slack"}

    async def find(self, conversation: str) -> Location:
        """Return the location of a conversation. Raises DeliveryError, with code `gone` if there is none."""
        where, thread = split_conversation(conversation)
        if where.startswith("@"):
            return Location(await self.direct(where[1:]), thread, where[1:])
        if not where.startswith("#"):
            return Location(where, thread)
        return Location(await self._named(where[1:]), thread)

    async def direct(self, user: str) -> str:
        """Return the channel of a person's direct messages. Raises DeliveryError."""
        if user not in self._direct:
            self._direct[user] = (await self._api.call("conversations.open", users=user))["channel"]["id"]
        return self._direct[user]

    async def _named(self, name: str) -> str:
        async with self._asking:
            if (known := self._id(name)) is None and self._clock() - self._asked > STALE:
                await self.refresh()
                known = self._id(name)
        if known is None:
            said = f"#{name} does not exist, or I'm not a member."
            raise DeliveryError(said, f"Invite me with `/invite @fleet`, or fix `slack:#{name}` in products.yaml.", code="gone")
        return known

    def _id(self, name: str) -> str | None:
        found = next((id for id, each in self.names.items() if each == name), None)
        return found or next((id for id, former in self._former.items() if former == name), None)

    # -- the other way -------------------------------------------------------------------------------------------------

    def spelled(self, channel: str) -> str:
        """Return a channel's name as the registry spells it, or its id."""
        listed = self._listed()
        names = (self.names.get(channel), self._former.get(channel))
        return next((f"#{name}" for name in names if name and f"#{name}" in listed), channel)

    def conversation(self, channel: str, thread: str = "", user: str = "") -> str:
        """Return the conversation of a channel, a thread or a person's direct messages."""
        where = f"@{user}" if user else self.spelled(channel)
        return f"{PREFIX}{where}{f':{thread}' if thread else ''}"

    def met(self, channel: str, user: str) -> None:
        """Record the channel of a person's direct messages."""
        self._direct[user] = channel

    def product(self, channel: str) -> str | None:
        """Return the product whose channel it is."""
        location = self.spelled(channel)
        for product in self._fleet.registry.products:
            if any(each.platform == "slack" and each.id == location for each in product.channels):
                return product.name
        return None

    def mark_reachable(self, channel: str, user: str = "") -> None:
        """Mark a channel and its threads as reachable, because a person wrote there."""
        where = self.conversation(channel, user=user)
        for dead in self._fleet.store.unreachable.all():
            if dead == where or dead.startswith(f"{where}:"):
                self._fleet.mark_reachable(dead)
