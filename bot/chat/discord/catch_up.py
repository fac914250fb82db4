"""After an absence: what was said meanwhile is found in the history and heard as if it came now; cards say that presses may
have been missed.

A press while nobody listens fails in the person's own client after three seconds, and Discord tells us nothing of it. So the
card says it. Where we have been is in the store: the newest message that came in, and when we were last connected.
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
"""Stands for all channels: message ids grow across the whole of Discord."""
OVERLAP = 60_000 << 22
"""A minute as a difference between numbers: so much is read again, because messages of several channels come out of order."""
MOST = 500
"""Messages of one channel that are read after an absence."""
NEGLIGIBLE = timedelta(seconds=3)
"""An absence that nobody has noticed."""


class CatchUp:
    """Where we have been, and what happened while we were not. `pause`: seconds before what failed is tried again."""

    def __init__(self, fleet: Fleet, receiver: Receiver, sender: Sender, pause: float) -> None:
        self.fleet, self.receiver, self.sender, self._pause = fleet, receiver, sender, pause
        self.listening = False
        """Whether everything up to now has been heard."""

    def save(self) -> None:
        """Remember where we are, if we listen; called every few seconds, so that little has to be read again."""
        if self.listening:
            received = min(self.receiver.pending, default=self.receiver.newest + 1) - 1
            self.fleet.store.chat_positions.set(PLATFORM, ANYWHERE, str(received), self.fleet.now())

    async def run(self, client: Client) -> None:
        """A session has begun anew: hear what was said since the last one."""
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
        """Where somebody may have spoken to us: products' channels, open threads, and where we have spoken before."""
        found = {int(each.id) for p in self.fleet.registry.products for each in p.channels if each.platform == PLATFORM}
        found |= {thread.id for guild in client.guilds for thread in guild.threads}
        locations = (location_of(known["id"]) for known in self.fleet.store.conversations.newest(PLATFORM, limit=100))
        return found | {location.channel for location in locations if location.person is None}

    async def _read_all(self, client: Client, after: int) -> None:
        """Read every channel; those that cannot be read now are tried again until they can be, or are gone."""
        direct = set(map(int, self.fleet.store.known_channels.of(PLATFORM).values()))
        left = [*self._channels(client), *direct]
        while left and not client.is_closed():
            failed = [channel for channel in left if not await self._read(client, channel, after, channel in direct)]
            if failed:
                await asyncio.sleep(self._pause)
            left = failed

    async def _read(self, client: Client, channel: int, after: int, direct: bool) -> bool:
        """Hear what was said in a channel since a message; whether there is nothing more to be tried."""
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
        """Every card that waits for an answer says from when to when nobody heard a press."""
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
    """A message from the history, as the gateway would have brought it."""
    where: Any = client.get_channel(channel) or client.get_partial_messageable(channel)
    if direct and not isinstance(where, discord.DMChannel):
        where = discord.DMChannel._from_message(client._connection, channel)
    return discord.Message(state=client._connection, channel=where, data=data)  # type: ignore[arg-type]


def _newest_of(client: Client) -> int:
    """The newest message that Discord has told us of."""
    known = [channel.last_message_id or 0 for guild in client.guilds for channel in guild.text_channels]
    return max(known, default=0)
