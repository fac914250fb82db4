"""What a message of Discord's means to us: whether it is meant for the coordinator, in which conversation, and its words.

A mention in a channel begins a thread on that message, whose number Discord makes the message's own: so its conversation is
known before the thread exists. In a thread that is a conversation already, every message is meant, unless it names
somebody else.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import discord

from bot.domain import ChannelRef, Inbound, Person
from bot.domain.access import stranger
from bot.registry import Registry

PLATFORM = "discord"
A_DAY = 86_400_000 << 22
"""A day as a difference between the numbers of messages; what was said longer ago is not taken up any more."""
SAID = (discord.MessageType.default, discord.MessageType.reply)
"""Types of messages that a person wrote; the others tell of pins, threads, members."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is said: a channel (or the parent of a thread), the thread if any, and the person in direct messages."""

    channel: int
    thread: int | None = None
    person: int | None = None

    @property
    def conversation(self) -> str:
        """Its name, for the whole bot."""
        if self.person is not None:
            return f"{PLATFORM}:@{self.person}"
        return f"{PLATFORM}:{self.channel}" + (f":{self.thread}" if self.thread else "")


def place_of(conversation: str) -> Place:
    """The place that a conversation names."""
    _, channel, *thread = conversation.split(":")
    if channel.startswith("@"):
        return Place(0, person=int(channel[1:]))
    return Place(int(channel), int(thread[0]) if thread else None)


def person_of(registry: Registry, user: discord.abc.User) -> Person:
    """Who speaks: as the registry knows them, or a stranger."""
    return registry.person(PLATFORM, str(user.id)) or stranger(PLATFORM, str(user.id))


def product_of(registry: Registry, channel: int) -> str | None:
    """The product that is talked about in a channel."""
    found = registry.channel(ChannelRef(PLATFORM, str(channel)))
    return found.name if found else None


def spoken(message: discord.Message) -> bool:
    """Whether a person wrote it: no bot, no webhook, no notice of Discord's own."""
    return not message.author.bot and message.webhook_id is None and message.type in SAID


def addressed(message: discord.Message, me: discord.ClientUser) -> bool:
    """Whether it mentions us, or a role that is ours alone."""
    roles = {role.id for role in message.role_mentions if role.tags is not None and role.tags.bot_id == me.id}
    return any(user.id == me.id for user in message.mentions) or bool(roles) or f"<@{me.id}>" in message.content


def to_others(message: discord.Message, me: discord.ClientUser) -> bool:
    """Whether it begins with the name of somebody else, or answers somebody else."""
    found = re.match(r"\s*<@!?(\d+)>", message.content)
    if found and int(found[1]) != me.id:
        return True
    answered = message.reference.resolved if message.reference else None
    return isinstance(answered, discord.Message) and answered.author.id != me.id


def words_of(message: discord.Message, me: discord.ClientUser) -> str:
    """The words, without our own name; others by their names, attachments by theirs."""
    own = {f"<@{me.id}>", f"<@!{me.id}>"}
    own |= {f"<@&{role.id}>" for role in message.role_mentions if role.tags is not None and role.tags.bot_id == me.id}
    text = message.content
    for name in own:
        text = text.replace(name, " ", 1) if text.lstrip().startswith(name) else text.replace(name, "fleet")
    for user in message.mentions:
        text = re.sub(rf"<@!?{user.id}>", f"@{user.display_name}", text)
    attached = [f"(attached: {each.filename}, {each.url})" for each in message.attachments]
    return "\n".join([text.strip(), *attached]).strip()


def inbound(
    message: discord.Message,
    place: Place,
    me: discord.ClientUser,
    registry: Registry,
    now: Callable[[], datetime],
) -> Inbound:
    """The event that a message is."""
    return Inbound(
        event=f"{PLATFORM}:{message.id}",
        platform=PLATFORM,
        conversation=place.conversation,
        person=person_of(registry, message.author),
        at=now(),
        text=words_of(message, me),
        product=None if place.person else product_of(registry, place.channel),
        extra={"user": str(message.author.id), "channel": str(message.channel.id), "message": str(message.id)},
    )
