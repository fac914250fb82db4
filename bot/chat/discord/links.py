"""Links to messages, for buttons that lead to a gate's card."""

import asyncio
from contextlib import suppress

from bot.chat.discord.channels import PLATFORM, location_of
from bot.fleet import Fleet

CARD_TIMEOUT = 5.0
"""Seconds that a note waits for the card it links to."""


class Links:
    """Links to cards. `servers` maps known channels to their servers."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.servers: dict[int, int] = {}
        self.arrivals = asyncio.Event()
        """Set when a card arrived in its channel."""

    async def arrived(self, gate: str) -> None:
        """Wait until a gate's card is in a channel, if one is on its way there."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CARD_TIMEOUT):
                while not self.card(gate) and self._is_expected(gate):
                    await self.arrivals.wait()
                    self.arrivals.clear()

    def _is_expected(self, gate: str) -> bool:
        said = (post.conversation for post in self.fleet.store.posts.with_gate(gate))
        return any(each.startswith(f"{PLATFORM}:") and location_of(each).person is None for each in said)

    def card(self, gate: str, channel: int | None = None) -> str:
        """Return the link to a gate's card, preferably in the given channel. Empty if there is none."""
        found = ""
        for conversation, message in self.fleet.store.outbox.cards(gate, PLATFORM):
            location = location_of(conversation)
            server = "@me" if location.person else self.servers.get(location.channel)
            where, _, ids = message.partition("/")
            if server is not None and (not found or location.channel == channel):
                found = f"https://discord.com/channels/{server}/{where}/{ids.split(',')[0]}"
        return found
