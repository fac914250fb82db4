"""Channels, threads and direct messages as the fleet's conversations, and back."""

from dataclasses import dataclass
from typing import Any

import discord

from bot.domain import ChannelRef
from bot.fleet import Fleet
from bot.registry import Registry

PLATFORM = "discord"
THREAD_PERMISSIONS = ("view_channel", "send_messages_in_threads", "create_public_threads")


@dataclass(frozen=True, slots=True)
class Location:
    """A channel (or a thread's parent), the thread in it, and the person whose direct messages it is."""

    channel: int
    thread: int | None = None
    person: int | None = None

    @property
    def conversation(self) -> str:
        """The conversation's name in the fleet."""
        if self.person is not None:
            return f"{PLATFORM}:@{self.person}"
        return f"{PLATFORM}:{self.channel}" + (f":{self.thread}" if self.thread else "")


def location_of(conversation: str) -> Location:
    """Return the location that a conversation names."""
    _, channel, *thread = conversation.split(":")
    if channel.startswith("@"):
        return Location(0, person=int(channel[1:]))
    return Location(int(channel), int(thread[0]) if thread else None)


def product_of(registry: Registry, channel: int) -> str | None:
    """Return the product whose channel it is."""
    found = registry.channel(ChannelRef(PLATFORM, str(channel)))
    return found.name if found else None


def can_open_thread(channel: Any) -> bool:
    """Return True if the bot's known permissions allow a thread in a channel."""
    if not isinstance(channel, discord.TextChannel):
        return False
    mine = channel.permissions_for(channel.guild.me)
    return all(getattr(mine, name) for name in THREAD_PERMISSIONS)


def mark_reachable(fleet: Fleet, location: Location) -> None:
    """Mark a conversation and its channel as reachable, because a person wrote or pressed there."""
    for conversation in {location.conversation, Location(location.channel, person=location.person).conversation}:
        fleet.mark_reachable(conversation)
