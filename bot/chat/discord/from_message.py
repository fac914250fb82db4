"""Discord messages as inbound events.

A mention in a channel starts a thread on that message. Discord gives the thread the message's id, so the conversation is known
before the thread exists. In a thread where the bot takes part, every message addresses the bot unless it starts with another
member's name.
"""

import re
from collections.abc import Callable
from datetime import datetime

import discord

from bot.chat.discord.channels import PLATFORM, Location, product_of
from bot.domain import Inbound, Person
from bot.domain.access import NOTHING, stranger
from bot.registry import Registry

WRITTEN = (discord.MessageType.default, discord.MessageType.reply)
"""Types of messages that a person writes. The others report pins, threads and members."""


def person_of(registry: Registry, user: discord.abc.User) -> Person:
    """Return the person the registry lists for a Discord user, or a stranger without access."""
    return registry.person(PLATFORM, str(user.id)) or stranger(PLATFORM, str(user.id))


def is_stranger(person: Person) -> bool:
    """Return True for a person without access to any product."""
    return person.products == NOTHING


def is_written(message: discord.Message) -> bool:
    """Return True for a message that a person wrote, not a bot, a webhook or Discord itself."""
    return not message.author.bot and message.webhook_id is None and message.type in WRITTEN


def is_readable(message: discord.Message) -> bool:
    """Return True for a message with content, which Discord withholds without the Message Content intent."""
    return bool(message.content or message.attachments)


def addressed(message: discord.Message, me: discord.ClientUser) -> bool:
    """Return True for a message that mentions the bot, or the bot's own role."""
    roles = {role.id for role in message.role_mentions if role.tags is not None and role.tags.bot_id == me.id}
    return any(user.id == me.id for user in message.mentions) or bool(roles) or f"<@{me.id}>" in message.content


def to_others(message: discord.Message, me: discord.ClientUser) -> bool:
    """Return True for a message that starts with another member's name, or replies to another member."""
    found = re.match(r"\s*<@!?(\d+)>", message.content)
    if found and int(found[1]) != me.id:
        return True
    answered = message.reference.resolved if message.reference else None
    return isinstance(answered, discord.Message) and answered.author.id != me.id


def text_of(message: discord.Message, me: discord.ClientUser) -> str:
    """Return the text with names instead of ids, and the attachments' addresses.

    The mention of the bot at the beginning is removed.
    """
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
    location: Location,
    me: discord.ClientUser,
    registry: Registry,
    now: Callable[[], datetime],
) -> Inbound:
    """Return a message as an inbound event."""
    return Inbound(
        event=f"{PLATFORM}:{message.id}",
        platform=PLATFORM,
        conversation=location.conversation,
        person=person_of(registry, message.author),
        at=now(),
        text=text_of(message, me),
        product=None if location.person else product_of(registry, location.channel),
        extra={"user": str(message.author.id), "channel": str(message.channel.id), "message": str(message.id)},
    )
