"""Discord messages, each persisted before anything else is done about it."""

import asyncio
import logging
from dataclasses import replace
from datetime import datetime, timedelta

import discord

from bot.chat.discord.api import FAILURES
from bot.chat.discord.channels import PLATFORM, Location, can_open_thread, mark_reachable
from bot.chat.discord.from_message import (
    addressed,
    inbound,
    is_readable,
    is_stranger,
    is_written,
    person_of,
    text_of,
    to_others,
)
from bot.chat.discord.interactions import Interactions
from bot.chat.discord.send import Sender
from bot.conversation.router import Router
from bot.domain.errors import StoreError
from bot.fleet import Fleet

log = logging.getLogger(__name__)

A_DAY = 86_400_000 << 22
"""A day as a difference between message ids. Older messages are not picked up after an absence."""
TRIES = 30
"""Attempts to persist a message."""
NOTICE_INTERVAL = timedelta(hours=1)
"""Time before a stranger is notified again that they have no access."""


class Receiver:
    """Hands messages to the router. A message that cannot be persisted is retried every `pause` seconds."""

    def __init__(self, fleet: Fleet, router: Router, sender: Sender, pause: float) -> None:
        self.fleet, self.router, self.sender, self._pause = fleet, router, sender, pause
        self.interactions = Interactions(fleet, router, sender)
        self.newest = 0
        """The greatest id of a received message."""
        self.pending: set[int] = set()
        """Ids of messages that are received and not persisted yet."""
        self._noticed: dict[int, datetime] = {}
        """Time at which each stranger was last notified that they have no access."""

    async def message(self, message: discord.Message, me: discord.ClientUser) -> None:
        """Take a message, live or from the history."""
        self.newest = max(self.newest, message.id)
        if not is_written(message):
            return
        self.pending.add(message.id)
        for _ in range(TRIES):
            try:
                await self._take(message, me)
            except (StoreError, *FAILURES) as error:
                log.warning("discord: cannot persist message %s, retrying: %s", message.id, error)
                await asyncio.sleep(self._pause)
            else:
                self.pending.discard(message.id)
                return
        log.error("discord: cannot persist message %s; it is read again at the next start", message.id)

    async def _take(self, message: discord.Message, me: discord.ClientUser) -> None:
        location, stranger = await self._locate(message, me), self._is_stranger(message.author)
        if location is None or (stranger and self._recently_noticed(message.author.id)):
            return
        found = inbound(message, location, me, self.fleet.registry, self.fleet.now)
        found = found if found.text else replace(found, text="/fleet help")
        mark_reachable(self.fleet, location)
        self.router.receive(found)
        if stranger:
            self._noticed[message.author.id] = self.fleet.now()

    async def edited(self, message: discord.Message, me: discord.ClientUser) -> None:
        """Take an edited message whose original was not for the bot.

        Otherwise notify the author that the original counts. Discord sends the same event for a pinned message and for a link
        preview.
        """
        if message.edited_at is None or not is_written(message) or not is_readable(message):
            return
        event = f"{PLATFORM}:{message.id}"
        known = self.fleet.store.inbound.get(event)
        if known is None:
            if message.id > self.newest - A_DAY:
                await self.message(message, me)
        elif text_of(message, me) not in (known.text, "") and not self._is_stranger(message.author):
            text = "I've already picked up your original message. If you want something else, send a new message."
            key = f"{event}:edited:{message.edited_at.isoformat()}"
            self.fleet.say(known.conversation, text, key=key, product=known.product, answers=event, private=True)

    def deleted(self, message: int) -> None:
        """Stop the unfinished turn that a deleted message started."""
        event = f"{PLATFORM}:{message}"
        known = self.fleet.store.inbound.get(event)
        if known is not None and not self.fleet.store.inbound.done(event):
            self.router.stop_turn(known.conversation)

    def _is_stranger(self, user: discord.abc.User) -> bool:
        return is_stranger(person_of(self.fleet.registry, user))

    def _recently_noticed(self, user: int) -> bool:
        last = self._noticed.get(user)
        return last is not None and self.fleet.now() - last < NOTICE_INTERVAL

    async def _locate(self, message: discord.Message, me: discord.ClientUser) -> Location | None:
        """Return the location of a message for the bot. None for any other message."""
        channel, named = message.channel, addressed(message, me)
        parent: int
        thread: int | None
        if isinstance(channel, discord.DMChannel):
            self.sender.met(message.author.id, channel.id)
            return Location(channel.id, person=message.author.id)
        if isinstance(channel, discord.PartialMessageable):  # Discord has not sent this thread or server yet
            parent, thread = await self.sender.api.parent(channel.id)
        elif isinstance(channel, discord.Thread):
            parent, thread = channel.parent_id, channel.id
        else:
            parent, thread = channel.id, None
        if thread is not None:
            self.sender.opened.add(thread)
            follow_up = self._in_our_thread(parent, thread) and self._is_follow_up(message, me)
            return Location(parent, thread) if named or follow_up else None
        if not named:
            return None
        return Location(parent, message.id if can_open_thread(channel) else None)

    def _in_our_thread(self, parent: int, thread: int) -> bool:
        """Return True for a thread that the bot posted in."""
        return bool(self.fleet.store.posts.of(Location(parent, thread).conversation, limit=1))

    def _is_follow_up(self, message: discord.Message, me: discord.ClientUser) -> bool:
        """Return True for a message in a thread of the bot that needs no mention."""
        return is_readable(message) and not to_others(message, me) and not self._is_stranger(message.author)
