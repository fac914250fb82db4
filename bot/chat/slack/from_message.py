"""What people write on Slack, as an Inbound: only what is meant for us, with the mention taken out. Pure."""

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
class Said:
    """A message that a person wrote. `addressed`: it is for us by its own words, wherever it stands."""

    channel: str
    user: str
    ts: str
    text: str
    thread: str
    direct: bool
    addressed: bool
    to_others: bool
    """Whether it begins with the name of somebody else."""

    @property
    def event(self) -> str:
        """One id, however often and in whatever kind of event it arrives: `message` and `app_mention` are twins."""
        return f"slack:{self.channel}:{self.ts}"

    @property
    def at(self) -> datetime:
        """When it was written."""
        return moment(self.ts)


def moment(ts: str) -> datetime:
    """Slack's time of a message, in UTC."""
    return datetime.fromtimestamp(float(ts), UTC)


def said(event: dict[str, Any], me: str, name: Callable[[str], str], skills: Sequence[Skill]) -> Said | None:
    """A message event as what was said; None for what nobody said: bots (us among them), joins, topics."""
    user, ts, channel = event.get("user"), event.get("ts"), event.get("channel")
    if event.get("subtype", "") not in SPOKEN or event.get("bot_id") or not user or user == me or not ts or not channel:
        return None
    raw = str(event.get("text") or "")
    mentioned = f"<@{me}" in raw
    text = read(raw, me, name)
    if files := ", ".join(str(each.get("name", "a file")) for each in event.get("files", ())):
        text = f"{text}\n(with {files}; I cannot open files)".strip()
    other = OTHER.match(raw)
    return Said(
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
    """`!status`: what is typed where Slack takes no slash command. Other bots have words of their own behind the sign."""
    first = re.match(r"!\s*([A-Za-z][\w-]*)", text)
    return first is not None and catalogue.named(first[1], skills) is not None


def _as_command(text: str, skills: Sequence[Skill]) -> str:
    """What was said to us by name. A skill's name alone, or before a product's, an id's or an option's, is a command; nothing
    at all asks what we can do."""
    words = text.split(maxsplit=2)
    if not words:
        return "/fleet help"
    skill = catalogue.named(words[0], skills)
    if skill is None or (words[0].lower() == "stop" and len(words) == 1):
        return text
    if len(words) == 1 or re.fullmatch(r"--[a-z].*|[gw]\d+|[a-z0-9]+(?:[-_][a-z0-9]+)+", words[1], re.IGNORECASE):
        return f"/fleet {text}"
    return text
