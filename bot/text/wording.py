"""Times, money, counts and lists as people read them, the same on every surface."""

import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

_STEP = re.compile(r"\s*(?:[-*+]|\d+[.)])\s+")
_BLANK = re.compile(r"\n\s*\n")
_CODE = re.compile(r"^(```|~~~).*?(?:^\1[^\n]*$|\Z)", re.MULTILINE | re.DOTALL)
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters except tab and line feed, bidirectional controls, and lone surrogates."""
SURROGATES = re.compile("[\ud800-\udfff]")


def without_surrogates(text: str) -> str:
    """Replace lone surrogates, which cannot be stored or shown, by U+FFFD."""
    return SURROGATES.sub("\ufffd", text)


def clean(text: str) -> str:
    """Remove characters that control a terminal or hide what a text says."""
    return UNSAFE.sub("", text)


def map_strings(value: Any, change: Callable[[str], str]) -> Any:
    """Apply a function to every string of a JSON value, except the keys of its objects."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {name: map_strings(inner, change) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [map_strings(inner, change) for inner in value]
    return value


def span(length: timedelta) -> str:
    """Format a duration in its one or two largest units, as in `20 s`, `4 min`, `2 h 5 min`, `3 d`."""
    seconds = max(0, int(length.total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    minutes = seconds // 60
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min" if minutes and hours < 6 else f"{hours} h"
    return f"{hours // 24} d"


def since(then: datetime | None, now: datetime) -> str:
    """Format the time since then, as in `4 min`, empty if `then` is None."""
    return "" if then is None else span(now - then)


def money(usd: float) -> str:
    """Format US dollars, as in `$3.12`."""
    return f"${usd:,.2f}"


def platform_name(platform: str) -> str:
    """Return the name of a platform for people, as in `the browser` or `Slack`."""
    return {"web": "the browser", "terminal": "the terminal", "whatsapp": "WhatsApp"}.get(platform, platform.capitalize())


def count(number: int, noun: str, plural: str = "") -> str:
    """Format a number with its noun, as in `1 gate` or `3 gates`."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def listed(names: Sequence[str], joint: str = "and") -> str:
    """Join names, as in `a`, `a and b` or `a, b and c`."""
    return f"{', '.join(names[:-1])} {joint} {names[-1]}" if len(names) > 1 else "".join(names)


def headline(markdown: str, most: int) -> str:
    """Return the beginning of a Markdown text on one line, without comments, heading marks and emphasis."""
    text = re.sub(r"<!--.*?-->", " ", markdown, flags=re.DOTALL)
    text = re.sub(r"(?m)^\s*(#{1,6}|[-*>]|\d+\.)\s+|\*\*|`", "", text)
    return shortened(text, most)


@lru_cache(maxsize=2048)
def summary(markdown: str, most: int) -> str:
    """Return the first paragraph of a Markdown text, or else its headings, in at most `most` characters.

    The result is cached, because lists show the same plans repeatedly.
    """
    headings = []
    for block in _BLANK.split(_CODE.sub("", markdown[:4000])):
        lines = [line for line in block.split("\n") if line.strip()]
        titles = [line for line in lines if line.startswith("#")]
        headings += titles
        if len(lines) > len(titles) and not lines[0].startswith("|"):
            said = [line for line in lines if not line.startswith("#")]
            if _STEP.match(said[0]):
                said = [" · ".join(_STEP.sub("", line) for line in said)]
            return headline("\n".join(said), most)
    return headline(" · ".join(title.lstrip("# ") for title in headings) or markdown, most)


def shortened(text: str, most: int) -> str:
    """Return the text on one line, cut at a word with an ellipsis if longer than `most` characters."""
    line = " ".join(text.split())
    if len(line) <= most:
        return line
    cut = line[: most - 1]
    return (cut[: cut.rfind(" ")] if " " in cut[most // 2 :] else cut).rstrip() + "…"


STATE_LABELS = {
    "queued": "Queued",
    "starting": "Starting",
    "running": "Running",
    "waiting": "Waiting for a decision",
    "paused": "Paused",
    "done": "Done",
    "rejected": "Rejected",
    "failed": "Failed",
    "cancelled": "Cancelled",
    "idle": "Idle",
    "unreachable": "Unreachable",
}
"""Labels of the states of work and products on every surface, by their JSON values."""
