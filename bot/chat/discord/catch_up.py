"""Messages missed while offline, read from the history and handled like live ones.

A button press while offline fails in the person's client after three seconds, and Discord does not report it. So the open cards
say that presses may have failed. The position stored is the newest received message and the time of the last contact.
"""

import asyncio
import logging
from datetime import datetime, timedelta
from typing import Any

import discord

from bot.chat.discord.api import FAILURES, refused
from bot.chat.discord.channels import PLATFORM, location_of
from bot.chat.discord.connection import Client
from bot.chat.discord.receive import A_DAY, Receiver
from bot.chat.discord.send import Sender
from bot.domain import GateState, Post
from bot.domain.errors import DeliveryError
from bot.fleet import Fleet

log = logging.getLogger(__name__)

ANYWHERE = "*"
"""Key of the position for all channels, because message ids increase across all of Discord."""
OVERLAP = 60_000 << 22
"""A minute as a difference between message ids.

It is read again, because messages of different channels arrive out of order.
"""
MOST = 500
"""Messages read of one channel after an absence."""
NEGLIGIBLE = timedelta(seconds=3)
"""An absence so short that cards do not mention it."""


class CatchUp:
    """The read position, and the reading of missed messages.

    `pause` is the number of seconds before a failed channel is read again.
    """

    def __init__(self, fleet: Fleet, receiver: Receiver, sender: Sender, pause: float) -> None:
        self.fleet, self.receiver, self.sender, self._pause = fleet, receiver, sender, pause
        self.listening = False
        """True once every missed message is handled."""

    def save(self) -> None:
        """Save the read position while listening.

        It is called every few seconds, so that little has to be read again.
        """
        if self.listening:
            received = min(self.receiver.pending, default=self.receiver.newest + 1) - 1
            self.fleet.store.chat_positions.set(PLATFORM, ANYWHERE, str(received), self.fleet.now())

    async def run(self, client: Client) -> None:
        """Handle the messages missed since the last session."""
        last = self.fleet.store.chat_positions.of(PLATFORM).get(ANYWHERE)
        if last is not None and last.at is not None:
            newest, left = int(last.position), last.at
            self.receiver.newest = max(self.receiver.newest, newest)
            away = self.fleet.now() - left
            missed = int(away.total_seconds() * 1000) << 22
            await self._read_all(client, newest - OVERLAP + max(0, missed - A_DAY))
            if away > NEGLIGIBLE:
                await self._mark_cards(left)
        self.receiver.newest = max(self.receiver.newest, _newest_of(client))
        self.listening = True
        self.save()

    def _channels(self, client: Client) -> set[int]:
        """Return products' channels, open threads, and channels with earlier conversations."""
        found = {int(each.id) for p in self.fleet.registry.products for each in p.channels if each.platform == PLATFORM}
        found |= {thread.id for guild in client.guilds for thread in guild.threads}
        locations = (location_of(known["id"]) for known in self.fleet.store.conversations.newest(PLATFORM, limit=100))
        return found | {location.channel for location in locations if location.person is None}

    async def _read_all(self, client: Client, after: int) -> None:
        """Read every channel. A channel that fails is retried until it is read or gone."""
        direct = set(map(int, self.fleet.store.known_channels.of(PLATFORM).values()))
        left = [*self._channels(client), *direct]
        while left and not client.is_closed():
            failed = [channel for channel in left if not await self._read(client, channel, after, channel in direct)]
            if failed:
                await asyncio.sleep(self._pause)
            left = failed

    async def _read(self, client: Client, channel: int, after: int, direct: bool) -> bool:
        """Handle a channel's messages after a given one. Return False if it has to be retried."""
        assert client.user is not None  # noqa: S101  the session is ready
        read = 0
        try:
            while read < MOST:
                found = await self.sender.api.newest(channel, after=after, limit=100)
                for each in sorted(found, key=lambda each: int(each["id"])):
                    await self.receiver.message(_message(client, channel, each, direct), client.user)
                    after = int(each["id"])
                read += len(found)
                if len(found) < 100:
                    return True
        except FAILURES as error:
            failure = refused(error, f"channel {channel}")
            log.warning("discord: cannot read the messages missed in channel %s: %s", channel, failure.message)
            return failure.code in {"gone", "delivery"}
        log.warning("discord: more than %s missed messages in channel %s; the rest is skipped", MOST, channel)
        return True

    async def _mark_cards(self, left: datetime) -> None:
        """Add a notice to every open card that presses may have failed in this time."""
        away = f"I was offline from <t:{int(left.timestamp())}:t> to <t:{int(self.fleet.now().timestamp())}:t>. "
        away += "If a button failed during that time, press it again."
        for gate in self.fleet.store.gates.in_states(GateState.OPEN):
            for post in self.fleet.store.posts.with_gate(gate.id):
                for platform, message in self.fleet.store.outbox.messages(post.id):
                    if platform == PLATFORM:
                        await self._show(message, post, away)

    async def _show(self, message: str, post: Post, away: str) -> None:
        try:
            await self.sender.update(message, post, away=away)
        except DeliveryError as error:
            log.info("discord: cannot add the offline notice to card %s: %s", message, error.message)


def _message(client: Client, channel: int, data: dict[str, Any], direct: bool) -> discord.Message:
    """Return a message of the history as the gateway would have delivered it."""
    where: Any = client.get_channel(channel) or client.get_partial_messageable(channel)
    if direct and not isinstance(where, discord.DMChannel):
        where = discord.DMChannel._from_message(client._connection, channel)
    return discord.Message(state=client._connection, channel=where, data=data)  # type: ignore[arg-type]


def _newest_of(client: Client) -> int:
    """Return the newest message id that the session reported."""
    known = [channel.last_message_id or 0 for guild in client.guilds for channel in guild.text_channels]
    return max(known, default=0)
