"""Text to and from Slack: what agents and models write stays text there, what people write becomes text here. Pure."""

import re
from collections.abc import Callable

UNJOINED = "\u200b"
"""A space of no width: put into what Slack would take for a mention, so that it is one no more and looks the same."""
_CALLS = re.compile(r"<(?=[@!#])|@(?=(?:channel|here|everyone|group)\b)", re.IGNORECASE)
_REFERENCE = re.compile(r"<([@#!])?([^>|\s]+)(?:\|([^>]*))?>")
_TIME = re.compile(r"\b\d\d:\d\d UTC\b")


def tame(markdown: str) -> str:
    """Markdown in which nothing calls anybody: no `<!channel>`, no `<@U…>`, no `@here`."""
    return _CALLS.sub(lambda found: found[0] + UNJOINED, markdown)


def escape(text: str) -> str:
    """Text for a `mrkdwn` object, shown as it is."""
    return tame(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def bold(text: str) -> str:
    """Escaped text in bold; the sign for bold in it would end it."""
    return f"*{escape(text).replace('*', '∗')}*" if text.strip() else ""


def local_times(mrkdwn: str, epoch: float) -> str:
    """`14:02 UTC` in escaped text, as each reader's own clock shows it."""
    return _TIME.sub(lambda found: f"<!date^{int(epoch)}^{{time}}|{found[0]}>", mrkdwn, count=1)


def plain(markdown: str, most: int) -> str:
    """The text for notifications, and for a message whose blocks were refused: escaped, cut at a word."""
    words = markdown.strip() or "…"
    if len(words) > most:
        words = words[: most - 1].rsplit(" ", 1)[0] + "…"
    return escape(words)


def cut_label(text: str, most: int = 75) -> str:
    """A label of a button or a title: one line, cut with an ellipsis."""
    line = " ".join(tame(text).split()) or "…"
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def read(text: str, me: str, name: Callable[[str], str]) -> str:
    """What a person wrote, as plain text: the mention of us at the beginning is gone, people are `@name`, channels `#name`,
    links as they were written. `me` is the bot's user id, `name` says what a user id is called."""

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
