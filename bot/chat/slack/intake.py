"""Slack users and conversations turned into the router's inbound events."""

from dataclasses import dataclass
from typing import Any

from bot.chat.slack.channels import Channels
from bot.conversation.router import Router
from bot.domain import Inbound, Person, access
from bot.fleet import Fleet


@dataclass(frozen=True, slots=True)
class Intake:
    """The way from a Slack payload into the router, shared by messages and interactions."""

    fleet: Fleet
    router: Router
    channels: Channels

    def person(self, user: str) -> Person:
        """Return the person the registry lists for a Slack user, or a stranger without access."""
        return self.fleet.registry.person("slack", user) or access.stranger("slack", user)

    def name(self, user: str) -> str:
        """Return a Slack user's name in the registry, or their id."""
        known = self.fleet.registry.person("slack", user)
        return known.name if known else user

    def conversation(self, channel: str, thread: str, user: str) -> str:
        """Return the conversation that answers an interaction.

        A press in App Home or in a direct message is answered in the person's direct messages.
        """
        if not channel or channel.startswith("D"):
            return self.channels.conversation("", thread if channel else "", user)
        return self.channels.conversation(channel, thread)

    def submit(self, event: str, conversation: str, person: Person, channel: str, **more: Any) -> None:
        """Persist an event and hand it to the router."""
        at = more.pop("at", None) or self.fleet.now()
        product = self.channels.product(channel) if channel else None
        self.router.receive(Inbound(event, "slack", conversation, person, at, product=product, **more))


def is_stranger(person: Person) -> bool:
    """Return True for a person without access to any product."""
    return person.products == access.NOTHING
