"""A post as a Slack message, with attachments for text that does not fit. Pure."""

from dataclasses import dataclass
from typing import Any

from bot.chat.slack import to_card
from bot.chat.slack.text import escape, plain
from bot.chat.slack.to_card import Shown, button, confirm, context, section
from bot.chat.slack.to_markdown import MOST, Block, shortened, to_blocks
from bot.commands.catalogue import irreversible
from bot.domain import Post, Suggestion

SAY = "say"
"""Prefix of the action id of a button that runs a command."""
LONGEST_PLAIN = 12_000
MOST_BUTTONS, LONGEST_COMMAND = 5, 2000


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file in the thread below a message, or a message of its own if it has no name."""

    key: str
    """Key that is unique below one message."""
    text: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """A post's current text, blocks and attachments."""

    text: str
    blocks: list[Block]
    below: tuple[Attachment, ...] = ()


def to_message(post: Post, gates: dict[str, dict[str, Any]], link: str = "") -> Message:
    """Return a post as a message.

    `gates` are the post's gates by id, as `views.gate_json` returns them. `link` leads to the card that a note is about.
    """
    shown = [gates[each.gate] for each in post.cards if each.gate in gates]
    if post.kind == "gate" and shown:
        made = to_card.card(shown[0])
        return Message(made.text, made.blocks, _below_card(shown[0]))
    if post.kind == "note" and shown:
        return _note(post, shown[0], link)
    text, below = _within(post)
    blocks = to_blocks(text)
    for gate in shown:
        blocks += _decidable(gate, named=len(shown) > 1 or gate["title"] not in post.text)
    blocks += suggestions(post.suggestions)
    return Message(plain(post.text, 300) if blocks else "…", blocks or [section("…")], below)


def to_plain(post: Post) -> str:
    """Return a post as plain text, for when Slack refuses its blocks."""
    return plain(post.text, LONGEST_PLAIN)


def suggestions(offered: tuple[Suggestion, ...]) -> list[Block]:
    """Return buttons that run the suggested commands."""
    found = [each for each in offered if len(each.command) <= LONGEST_COMMAND][:MOST_BUTTONS]
    if not found:
        return []
    return [{"type": "actions", "elements": [say(each.label, each.command, at) for at, each in enumerate(found)]}]


def say(label: str, command: str, at: int | str) -> Block:
    """Return a button that runs a command, after a confirmation if it is irreversible."""
    more: dict[str, Any] = {}
    if irreversible(command):
        more = {"style": "danger", "confirm": confirm("Run this command?", f"“{command}” can't be undone.", "Run")}
    return button(label, f"{SAY}:{at}", command, **more)


def _note(post: Post, gate: dict[str, Any], link: str) -> Message:
    """Return a note to one approver, with a link to the card, or the card itself if no channel shows it."""
    if not link:
        made: Shown = to_card.card(gate)
        return Message(made.text, made.blocks, _below_card(gate))
    if gate["state"] != "open":
        said = f"{to_card.MARKS_OF_STATE.get(gate['state'], '✔')} {escape(to_card.title(gate))}: {escape(gate['outcome'])}"
        return Message(plain(post.text, 300), [section(said)])
    go = button("Open the card", f"{to_card.ACTION}:{gate['id']}:open", url=link, style="primary")
    return Message(plain(post.text, 300), [*to_blocks(shortened(post.text, MOST)), {"type": "actions", "elements": [go]}])


def _decidable(gate: dict[str, Any], *, named: bool) -> list[Block]:
    """Return the blocks of a gate below a text about it."""
    head = [section(f"*{escape(to_card.title(gate))}* · {escape(gate['product'])} · `{gate['id']}`")] if named else []
    if gate["state"] == "open":
        return [*head, context(f"● {to_card.needs(gate)}"), *to_card.buttons(gate)]
    return [*head, context(escape(gate["outcome"]))]


def _within(post: Post) -> tuple[str, tuple[Attachment, ...]]:
    """Return as much text as a message allows, with the full text of a longer one as a file."""
    if len(post.text) <= MOST:
        return post.text, ()
    cut = shortened(post.text, MOST - 200)
    return f"{cut}\n\n… The full text is in the thread.", (Attachment("whole", post.text, f"post-{post.id}.md"),)


def _below_card(gate: dict[str, Any]) -> tuple[Attachment, ...]:
    found = []
    if to_card.too_long(gate):
        found.append(Attachment("plan", gate["body"], f"{gate['id']}-revision-{gate['revision']}.md"))
    if gate["diff"]:
        said = f"Changes since revision {gate['revision'] - 1}:\n\n"
        diff = gate["diff"].replace("```", "ˋˋˋ")
        whole = len(diff) <= MOST - 200
        found.append(Attachment("diff", said + f"```diff\n{diff}\n```") if whole else
                     Attachment("diff", gate["diff"], f"{gate['id']}-revision-{gate['revision']}.diff"))  # fmt: skip
    return tuple(found)
