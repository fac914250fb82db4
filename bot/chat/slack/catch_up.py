"""Messages missed while offline, read from the history.

Reading starts at the last known message of each channel. Messages are handled like live events, and the store recognizes those
that were handled before.
"""

import logging
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from bot.chat.slack.api import Api
from bot.chat.slack.channels import Channels, split_conversation
from bot.domain.errors import DeliveryError
from bot.fleet import Fleet

log = logging.getLogger(__name__)

ANYWHERE = "*"
"""Key of the position for all channels, which is the time of the last contact with Slack."""
LONGEST = timedelta(hours=24)
"""Age up to which missed messages are handled."""
MOST_THREADS = 50


class ReadPositions:
    """The newest message seen in each channel.

    Positions are saved every few seconds. Reading a message twice is harmless.
    """

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self.at = {channel: seen.position for channel, seen in fleet.store.chat_positions.of("slack").items()}
        self._changed: set[str] = set()

    def saw(self, channel: str, ts: str) -> None:
        """Record a message."""
        if float(ts) > float(self.at.get(channel, "0")):
            self.at[channel] = ts
            self._changed.add(channel)

    def begin(self, channels: Iterable[str]) -> None:
        """Start tracking channels.

        A new channel starts at the last contact with Slack, or now.
        """
        now = f"{self._fleet.now().timestamp():.6f}"
        for channel in channels:
            if channel not in self.at:
                self.saw(channel, self.at.get(ANYWHERE, now))
        self.save(hearing=True)

    def save(self, *, hearing: bool = False) -> None:
        """Save the changed positions.

        While connected, also save the time of the last contact.
        """
        if hearing:
            self.saw(ANYWHERE, f"{self._fleet.now().timestamp():.6f}")
        if self._changed:
            with self._fleet.transaction():
                for channel in self._changed:
                    self._fleet.store.chat_positions.set("slack", channel, self.at[channel])
            self._changed.clear()


async def catch_up(
    fleet: Fleet, api: Api, channels: Channels, since: dict[str, str], handle: Callable[[dict[str, Any]], None]
) -> None:
    """Handle every message after `since` in channels, direct messages and the bot's threads.

    Raises DeliveryError.
    """
    oldest = (fleet.now() - LONGEST).timestamp()
    for id in channels.joined:
        if last := since.get(id, since.get(ANYWHERE)):
            after = f"{max(float(last), oldest):.6f}"
            for message in reversed(await _read(api, "conversations.history", channel=id, oldest=after)):
                handle(_event(message, id))
    await _threads(fleet, api, channels, since, oldest, handle)


async def _threads(
    fleet: Fleet, api: Api, channels: Channels, since: dict[str, str], oldest: float, handle: Callable[[dict[str, Any]], None]
) -> None:
    """Read the newest threads one by one, because a channel's history contains no replies."""
    for known in fleet.store.conversations.newest("slack", MOST_THREADS):
        _, thread = split_conversation(known["id"])
        try:
            location = await channels.find(known["id"])
            last = since.get(location.channel, since.get(ANYWHERE))
            if not thread or not last:
                continue
            after = f"{max(float(last), oldest):.6f}"
            replies = await _read(api, "conversations.replies", channel=location.channel, ts=thread, oldest=after)
        except DeliveryError as error:
            log.info("slack: cannot read thread %s, skipping it: %s", known["id"], error.message)
            continue
        for message in replies:
            if message["ts"] != thread:
                handle(_event(message, location.channel))


def _event(message: dict[str, Any], channel: str) -> dict[str, Any]:
    """Return a message of the history as the event that was missed."""
    return {**message, "type": "message", "channel": channel, "channel_type": "im" if channel.startswith("D") else "channel"}


async def _read(api: Api, method: str, **arguments: Any) -> list[dict[str, Any]]:
    try:
        return await api.pages(method, "messages", limit=200, **arguments)
    except DeliveryError as error:
        if error.code != "gone":
            raise
        return []
