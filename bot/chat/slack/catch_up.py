"""What was said while we were away or could not hear: found in the history, from the last message known in each location.

What is found is handed in like an event; the store knows those that were handled before.
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
"""Stands for all channels: when we heard Slack last."""
LONGEST = timedelta(hours=24)
"""What is older is not taken up any more: nobody expects it to be acted on."""
MOST_THREADS = 50


class ReadPositions:
    """The newest message heard in each channel. Kept in the store now and then: what is looked at twice does no harm."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self.at = {channel: seen.position for channel, seen in fleet.store.chat_positions.of("slack").items()}
        self._unkept: set[str] = set()

    def saw(self, channel: str, ts: str) -> None:
        """A message was heard."""
        if float(ts) > float(self.at.get(channel, "0")):
            self.at[channel] = ts
            self._unkept.add(channel)

    def begin(self, channels: Iterable[str]) -> None:
        """From now on these channels are heard. One that we never heard begins where we heard anything last, or now."""
        now = f"{self._fleet.now().timestamp():.6f}"
        for channel in channels:
            if channel not in self.at:
                self.saw(channel, self.at.get(ANYWHERE, now))
        self.keep(hearing=True)

    def keep(self, *, hearing: bool = False) -> None:
        """Write down what is new; while we hear Slack, also that we did until now."""
        if hearing:
            self.saw(ANYWHERE, f"{self._fleet.now().timestamp():.6f}")
        if self._unkept:
            with self._fleet.transaction():
                for channel in self._unkept:
                    self._fleet.store.chat_positions.set("slack", channel, self.at[channel])
            self._unkept.clear()


async def catch_up(
    fleet: Fleet, api: Api, channels: Channels, since: dict[str, str], hear: Callable[[dict[str, Any]], None]
) -> None:
    """Hand in what was said after `since` in every channel, in direct messages and in the threads that we speak in.
    Raises DeliveryError."""
    oldest = (fleet.now() - LONGEST).timestamp()
    for id in channels.joined:
        if last := since.get(id, since.get(ANYWHERE)):
            after = f"{max(float(last), oldest):.6f}"
            for message in reversed(await _read(api, "conversations.history", channel=id, oldest=after)):
                hear(_event(message, id))
    await _threads(fleet, api, channels, since, oldest, hear)


async def _threads(
    fleet: Fleet, api: Api, channels: Channels, since: dict[str, str], oldest: float, hear: Callable[[dict[str, Any]], None]
) -> None:
    """History shows no replies; so the threads that we spoke in last are looked at one by one."""
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
            log.info("the thread %s is left out: %s", known["id"], error.message)
            continue
        for message in replies:
            if message["ts"] != thread:
                hear(_event(message, location.channel))


def _event(message: dict[str, Any], channel: str) -> dict[str, Any]:
    """A message of the history as the event that we missed."""
    return {**message, "type": "message", "channel": channel, "channel_type": "im" if channel.startswith("D") else "channel"}


async def _read(api: Api, method: str, **arguments: Any) -> list[dict[str, Any]]:
    try:
        return await api.pages(method, "messages", limit=200, **arguments)
    except DeliveryError as error:
        if error.code != "gone":
            raise
        return []
