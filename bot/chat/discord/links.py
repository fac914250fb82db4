"""Addresses of messages, for buttons that lead to a gate's card."""

from typing import TYPE_CHECKING

from bot.chat.discord.from_message import PLATFORM, place_of

if TYPE_CHECKING:
    from bot.fleet import Fleet


class Links:
    """Where the cards are. `servers`: the server of each channel, as far as they have been shown to us."""

    def __init__(self, fleet: "Fleet") -> None:
        self.fleet = fleet
        self.servers: dict[int, int] = {}

    def card(self, gate: str, channel: int | None = None) -> str:
        """The address of a gate's card, of the one in a channel if there is one; empty while there is none."""
        found = ""
        for conversation, message in self.fleet.store.outbox.cards(gate, PLATFORM):
            place = place_of(conversation)
            server = "@me" if place.person else self.servers.get(place.channel)
            where, _, ids = message.partition("/")
            if server is not None and (not found or place.channel == channel):
                found = f"https://discord.com/channels/{server}/{where}/{ids.split(',')[0]}"
        return found
