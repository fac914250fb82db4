"""Text to and from Slack.

Text of agents and models cannot mention anyone, and people's messages become plain text. Pure.
"""

import re
from collections.abc import Callable

UNJOINED = "\u200b"
"""Zero-width space that is inserted into mentions, so that they look the same and notify no one."""
_CALLS = re.compile(r"<(?=[@!#])|@(?=(?:channel|here|everyone|group)\b)", re.IGNORECASE)
_REFERENCE = re.compile(r"<([@#!])?([^>|\s]+)(?:\|([^>]*))?>")
_TIME = re.compile(r"\b\d\d:\d\d UTC\b")


def tame(markdown: str) -> str:
    """Return Markdown without working mentions such as `<!channel>`, `<@U…>` and `@here`."""
    return _CALLS.sub(lambda found: found[0] + UNJOINED, markdown)


def escape(text: str) -> str:
    """Return text for a `mrkdwn` object that shows it literally."""
    return tame(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def bold(text: str) -> str:
    """Return escaped text in bold. Asterisks in it would end the bold text and are replaced."""
    return f"*{escape(text).replace('*', '∗')}*" if text.strip() else ""


def local_times(mrkdwn: str, epoch: float) -> str:
    """Return escaped text in which `14:02 UTC` shows in each reader's time zone."""
    return _TIME.sub(lambda found: f"<!date^{int(epoch)}^{{time}}|{found[0]}>", mrkdwn, count=1)


def plain(markdown: str, most: int) -> str:
    """Return the text for notifications and for messages without blocks, escaped and cut at a word."""
    words = markdown.strip() or "…"
    if len(words) > most:
        words = words[: most - 1].rsplit(" ", 1)[0] + "…"
    return escape(words)


def cut_label(text: str, most: int = 75) -> str:
    """Return a label on one line, cut with an ellipsis."""
    line = " ".join(tame(text).split()) or "…"
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def read(text: str, me: str, name: Callable[[str], str]) -> str:
    """Return a person's message as plain text.

    The mention of the bot at the beginning is removed. People become `@name`, channels `#name`. `me` is the bot's user id,
    `name` returns the name of a user id.
    """

    def spell(found: re.Match[str]) -> str:
        sign, what, label = found.groups()
        if sign == "@":
            return "@fleet" if what == me else f"@{label or name(what)}"
        if sign == "#":
            return f"#{label or what}"
        if sign == "!":
            return label or f"@{what.partition('^')[0]}"
        return what if not label or label in what else f"[{label}]({what})"

    text = re.sub(rf"^\s*<@{re.escape(me)}(?:\|[^>]*)?>[\s:,]*", "", text)
    text = _REFERENCE.sub(spell, text)
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").strip()
