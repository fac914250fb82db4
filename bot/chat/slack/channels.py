"""Where a conversation is on Slack, and which conversation a location is: names in the registry, ids on the wire."""

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
"""Seconds after which the list of channels is asked for again, when a name is not in it."""


@dataclass(frozen=True, slots=True)
class Location:
    """A channel, and the thread in it; `user` is whose direct messages it is."""

    channel: str
    thread: str = ""
    user: str = ""


@dataclass(frozen=True, slots=True)
class Me:
    """Who we are on Slack."""

    user: str
    bot: str
    team: str
    name: str
    url: str = ""


def split_conversation(conversation: str) -> tuple[str, str]:
    """A conversation's channel (`#name`, an id, or `@user`) and its thread."""
    channel, _, thread = conversation.removeprefix(PREFIX).partition(":")
    return channel, thread


class Channels:
    """The channels that the bot is in, and its direct messages."""

    def __init__(self, api: Api, fleet: Fleet, clock: Callable[[], float] = time.monotonic) -> None:
        self._api, self._fleet, self._clock = api, fleet, clock
        self.names: dict[str, str] = {}
        """Names of channels by id."""
        self.joined: tuple[str, ...] = ()
        """Ids of all channels and direct messages that the bot is in."""
        self._former: dict[str, str] = {}
        """Names that the registry has for channels which were renamed, or which we are in no more, by id."""
        self._direct: dict[str, str] = {}
        """Channel ids of direct messages by user id."""
        self._asked = float("-inf")
        self._asking = asyncio.Lock()

    async def refresh(self) -> None:
        """Ask for the channels that the bot is in. Raises DeliveryError."""
        self._asked = self._clock()
        kinds = "public_channel,private_channel,im"
        found = await self._api.pages("users.conversations", "channels", types=kinds, exclude_archived="true", limit=200)
        self.names = {each["id"]: each["name"] for each in found if each.get("name")}
        self.joined = tuple(str(each["id"]) for each in found)
        self._remember()

    def forget(self) -> None:
        """The list of channels has changed; it is asked for when it is needed."""
        self._asked = float("-inf")

    def renamed(self, channel: str, name: str) -> None:
        """A channel has another name; under the one in the registry it is still found."""
        self.names[channel] = name
        self._remember()

    def _remember(self) -> None:
        """Which channel bears a name of the registry is kept, so that one which is renamed is not lost."""
        listed, known, current = self._listed(), self._fleet.store.known_channels.of("slack"), set(self.names.values())
        for id, name in self.names.items():
            if f"#{name}" in listed and known.get(f"#{name}") != id:
                self._fleet.store.known_channels.set("slack", f"#{name}", id)
        self._former = {id: name[1:] for name, id in known.items() if name[1:] not in current and name in listed}

    def _listed(self) -> set[str]:
        return {each.id for product in self._fleet.registry.products for each in product.channels if each.platform == "slack"}

    async def find(self, conversation: str) -> Location:
        """Where a conversation is. Raises DeliveryError, `gone` where there is no such location for us."""
        where, thread = split_conversation(conversation)
        if where.startswith("@"):
            return Location(await self.direct(where[1:]), thread, where[1:])
        if not where.startswith("#"):
            return Location(where, thread)
        return Location(await self._named(where[1:]), thread)

    async def direct(self, user: str) -> str:
        """The channel of the direct messages with a person. Raises DeliveryError."""
        if user not in self._direct:
            self._direct[user] = (await self._api.call("conversations.open", users=user))["channel"]["id"]
        return self._direct[user]

    async def _named(self, name: str) -> str:
        async with self._asking:
            if (known := self._id(name)) is None and self._clock() - self._asked > STALE:
                await self.refresh()
                known = self._id(name)
        if known is None:
            said = f"I am not in #{name}, or it does not exist any more."
            raise DeliveryError(said, f"Invite me there with `/invite @fleet`, or mend `slack:#{name}`.", code="gone")
        return known

    def _id(self, name: str) -> str | None:
        found = next((id for id, each in self.names.items() if each == name), None)
        return found or next((id for id, former in self._former.items() if former == name), None)

    # -- the other way -------------------------------------------------------------------------------------------------

    def spelled(self, channel: str) -> str:
        """A channel as the registry spells it, where a product lists it; else its id."""
        listed = self._listed()
        names = (self.names.get(channel), self._former.get(channel))
        return next((f"#{name}" for name in names if name and f"#{name}" in listed), channel)

    def conversation(self, channel: str, thread: str = "", user: str = "") -> str:
        """The conversation of a location."""
        where = f"@{user}" if user else self.spelled(channel)
        return f"{PREFIX}{where}{f':{thread}' if thread else ''}"

    def met(self, channel: str, user: str) -> None:
        """These are the direct messages with a person."""
        self._direct[user] = channel

    def product(self, channel: str) -> str | None:
        """The product whose channel it is."""
        location = self.spelled(channel)
        for product in self._fleet.registry.products:
            if any(each.platform == "slack" and each.id == location for each in product.channels):
                return product.name
        return None

    def mark_reachable(self, channel: str, user: str = "") -> None:
        """Something was heard there: it lives, and its threads with it."""
        where = self.conversation(channel, user=user)
        for dead in self._fleet.store.unreachable.all():
            if dead == where or dead.startswith(f"{where}:"):
                self._fleet.mark_reachable(dead)
