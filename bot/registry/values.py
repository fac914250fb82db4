"""Types of single values in `products.yaml`, each with its check and its message."""

import re
from datetime import time
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator

from bot.domain import ChannelRef
from bot.registry.yamlmodel import suggestion

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_CHANNELS = {
    "slack": (re.compile(r"#[^\s#,A-Z]{1,80}|[CG][A-Z0-9]{2,}"), "slack:#name (lower case) or slack:C0123ABCD"),
    "discord": (re.compile(r"\d{1,20}"), "discord:123456789012345678, the channel's id"),
    "web": (_NAME, "web:name"),
}
_MINUTES = re.compile(r"(\d+(?:\.\d+)?)\s*(m|min|h|d)?")


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError(f"{text[:40]} is not a valid name. Use at most 64 letters, digits, dots, dashes and underscores.")
    return text


def _printable(text: str) -> str:
    if not text or not text.isprintable():
        raise ValueError("must be text on one line.")
    return text


def _minutes(given: object) -> object:
    match = _MINUTES.fullmatch(given.strip()) if isinstance(given, str) else None
    return float(match[1]) * {"h": 60, "d": 1440}.get(match[2], 1) if match else given


def _clock(given: object) -> time:
    match = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", str(given))
    if not match:
        raise ValueError("must be a time of day such as 22:00.")
    return time(int(match[1]), int(match[2]))


def _zone(text: str) -> str:
    from zoneinfo import available_timezones

    try:
        ZoneInfo(text)
    except (KeyError, ValueError, OSError):
        known = tuple(sorted(available_timezones()))
        if not known:
            raise ValueError("this machine has no time zone data. Install the package tzdata.") from None
        raise ValueError(f"{text[:40]} is not a time zone.{suggestion(text, known, ' Example: Europe/Vienna.')}") from None
    return text


def _channel(given: object) -> ChannelRef:
    if isinstance(given, dict):
        raise ValueError("a channel is one word such as slack:#name, without a space after the colon.")
    platform, _, channel = str(given or "").partition(":")
    if platform not in _CHANNELS:
        near = suggestion(platform, tuple(_CHANNELS))
        raise ValueError(f"{str(given)[:40]} is not a channel. Use slack:#name, slack:C0123, discord:123 or web:name.{near}")
    pattern, form = _CHANNELS[platform]
    if not pattern.fullmatch(channel):
        raise ValueError(f"{str(given)[:40]} is not a channel of {platform}. Use {form}.")
    return ChannelRef(platform, channel)


Name = Annotated[str, AfterValidator(_name)]
Text = Annotated[str, AfterValidator(_printable)]
Minutes = Annotated[float, BeforeValidator(_minutes), Field(gt=0)]
Days = Annotated[int, Field(ge=1, le=36500)]
"""Days to store history of one kind, 1 to 36500."""
Dollars = Annotated[float, Field(gt=0)]
Zone = Annotated[str, AfterValidator(_zone)]
Clock = Annotated[time, PlainValidator(_clock)]
Channel = Annotated[ChannelRef, PlainValidator(_channel)]
