"""Conversations: posts, cards, button presses and inbound events."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bot.domain.people import Person

TERMINAL = "web:terminal"
"""Conversation of commands on this machine. The page shows it, the terminal itself shows only direct answers."""


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
    """Something said in a conversation, by a person or by the coordinator, in Markdown."""

    conversation: str
    author: str
    """A person's name, or `fleet` for the coordinator."""
    text: str
    at: datetime
    id: int = 0
    cards: tuple[Card, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()
    kind: str = "message"
    """message, reply, report, gate, note, outcome, reminder or error."""
    product: str | None = None
    answers: str = ""
    """The event that it answers, where it answers one."""
    private: bool = False
    """Whether only the person who caused that event should see it, where the platform can do that."""


@dataclass(frozen=True, slots=True)
class Press:
    """A button pressed on a gate's card: bound to the gate, the revision and the digest that were shown."""

    gate: str
    choice: str
    note: str = ""
    revision: int | None = None
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class Inbound:
    """One thing that a person said or pressed. `event` is the platform's id of it, or ours; the same id is handled once."""

    event: str
    platform: str
    conversation: str
    """`<platform>:<channel or thread>`; unique over platforms."""
    person: Person
    at: datetime
    text: str = ""
    press: Press | None = None
    product: str | None = None
    """The product whose channel it was said in."""
    extra: dict[str, Any] = field(default_factory=dict)
    """What the platform's adapter needs to answer: `user`, the platform's id of who spoke, and what is its own."""
