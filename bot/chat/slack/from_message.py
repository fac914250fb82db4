"""Slack messages as inbound events, without the mention of the bot. Pure."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bot.chat.slack.text import read
from bot.commands import catalogue
from bot.commands.skill import Skill

SPOKEN = frozenset({"", "file_share", "thread_broadcast", "me_message"})
"""Subtypes of messages that people write themselves."""
OTHER = re.compile(r"^\s*<@([A-Z0-9]+)")


@dataclass(frozen=True, slots=True)
class PersonMessage:
    """A message that a person wrote. `addressed` is True if its text is for the bot."""

    channel: str
    user: str
    ts: str
    text: str
    thread: str
    direct: bool
    addressed: bool
    to_others: bool
    """True if it starts with another member's name."""

    @property
    def event(self) -> str:
        """Event id, the same for the `message` and the `app_mention` event of one message."""
        return f"slack:{self.channel}:{self.ts}"

    @property
    def at(self) -> datetime:
        """Time at which it was written."""
        return moment(self.ts)


def moment(ts: str) -> datetime:
    """Return a message's timestamp as a time in UTC."""
    return datetime.fromtimestamp(float(ts), UTC)


def parse(event: dict[str, Any], me: str, name: Callable[[str], str], skills: Sequence[Skill]) -> PersonMessage | None:
    """Return the message in an event. None for messages of bots, and for joins and topics."""
    user, ts, channel = event.get("user"), event.get("ts"), event.get("channel")
    if event.get("subtype", "") not in SPOKEN or event.get("bot_id") or not user or user == me or not ts or not channel:
        return None
    raw = str(event.get("text") or "")
    mentioned = f"<@{me}" in raw
    text = read(raw, me, name)
    if files := ", ".join(str(each.get("name", "a file")) for each in event.get("files", ())):
        text = f"{text}\n(attached: {files}. I can't open files.)".strip()
    other = OTHER.match(raw)
    return PersonMessage(
        channel=str(channel),
        user=str(user),
        ts=str(ts),
        text=_as_command(text, skills) if mentioned else text,
        thread=str(event.get("thread_ts") or ""),
        direct=event.get("channel_type") == "im" or str(channel).startswith("D"),
        addressed=mentioned or _is_bang(text, skills),
        to_others=bool(other) and other is not None and other[1] != me,
    )


def _is_bang(text: str, skills: Sequence[Skill]) -> bool:
    """Return True for `!status` and the like, which work where Slack has no slash commands.

    Other bots use other words after the sign.
    """
    first = re.match(r"!\s*([A-Za-z][\w-]*)", text)
    return first is not None and catalogue.named(first[1], skills) is not None


def _as_command(text: str, skills: Sequence[Skill]) -> str:
    """Return a mention's text, as a command where it names a skill.

    A skill counts alone, or before an option or a name or id. An empty mention asks for help.
    """
    words = text.split(maxsplit=2)
    if not words:
        return "/fleet help"
    skill = catalogue.named(words[0], skills)
    if skill is None or (words[0].lower() == "stop" and len(words) == 1):
        return text
    if len(words) == 1 or re.fullmatch(r"--[a-z].*|[gw]\d+|[a-z0-9]+(?:[-_][a-z0-9]+)+", words[1], re.IGNORECASE):
        return f"/fleet {text}"
    return text
