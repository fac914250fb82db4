"""Posts, cards, button presses and inbound events of conversations."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bot.domain.people import Person

TERMINAL = "web:terminal"
"""Conversation of commands on this machine.

The page shows it, the terminal itself shows only direct answers.
"""


@dataclass(frozen=True, slots=True)
class Card:
    """A gate or a report shown inside a message."""

    kind: str
    """`gate` or `work`."""
    gate: str | None = None
    work: str | None = None


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A button that says and runs one command."""

    label: str
    command: str


@dataclass(frozen=True, slots=True)
class Post:
    """A message in a conversation, from a person or from the fleet, in Markdown."""

    conversation: str
    author: str
    """A person's name, or `fleet`."""
    text: str
    at: datetime
    id: int = 0
    cards: tuple[Card, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()
    kind: str = "message"
    """message, reply, report, gate, note, outcome, reminder or error."""
    product: str | None = None
    answers: str = ""
    """Id of the event that it answers, empty if none."""
    private: bool = False
    """True if only the person who caused that event should see it, on platforms that support it."""


@dataclass(frozen=True, slots=True)
class Press:
    """A button pressed on a gate's card, bound to the gate, revision and digest that were shown."""

    gate: str
    choice: str
    note: str = ""
    revision: int | None = None
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class Inbound:
    """A message or button press of a person. `event` is its id, and each id is handled once."""

    event: str
    platform: str
    conversation: str
    """`<platform>:<channel or thread>`, unique across platforms."""
    person: Person
    at: datetime
    text: str = ""
    press: Press | None = None
    product: str | None = None
    """Product that the channel belongs to."""
    extra: dict[str, Any] = field(default_factory=dict)
    """Data that the platform's adapter needs for its answer, such as the sender's id as `user`."""
