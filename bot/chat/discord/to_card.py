"""A gate's card as a layout with text, changes, cost, deciders and buttons.

A decided gate's card has the same head and its outcome, without buttons. Long plans and diffs are files. Discord keeps a
message's files on an edit, so only a new message carries them.
"""

import re
from dataclasses import replace
from datetime import datetime
from typing import Any

import discord
from discord import ui

from bot.chat.discord.page import LABELS, GateButton, GateMenu, Page
from bot.chat.discord.to_text import beginning, code, lines, tidy
from bot.domain import Gate, GateState
from bot.gates.lifecycle import APPROVE, REJECT, outcome
from bot.text.wording import listed, money

PLAN, DIFF, HEAD = 1900, 700, 1000
"""Characters shown of a plan (less the text above the card), of a diff, and of the text above.

Longer plans and diffs are files. All texts of a layout together may have 4,000 characters.
"""
BEGINNING = 700
"""Characters shown of a plan that is a file."""
BUTTONS = 5
"""Most options that are shown as buttons."""
OPEN, GOOD, BAD, OTHER = 0x5865F2, 0x23A55A, 0xDA373C, 0x80848E
"""Colours of the bar at the card's left. The text says the same."""
TIME = re.compile(r"\b\d\d:\d\d UTC\b")
NOUNS = {"plan": "Plan", "decision": "Decision", "question": "Question", "escalation": "Escalation", "action": "Action"}


def to_card(gate: Gate, seen: dict[str, Any], *, head: str = "", away: str = "") -> Page:
    """Return the card of a gate.

    `seen` is its JSON (`views.gate_json`), `head` a text above the card, and `away` a notice about missed presses.
    """
    view = ui.LayoutView(timeout=None)
    if head:
        view.add_item(ui.TextDisplay(beginning(head, HEAD)))
    files: list[tuple[str, str]] = []
    box = ui.Container[Any](accent_colour=discord.Colour(_colour(gate)))
    box.add_item(ui.TextDisplay(_head(gate, seen)))
    if gate.state is GateState.OPEN:
        _add_question(box, gate, seen, files, PLAN - len(head[:HEAD]))
        _add_answers(box, gate, seen, away)
    else:
        box.add_item(ui.TextDisplay(_outcome(gate, seen)))
        box.add_item(ui.Separator())
        _add_question(box, gate, {**seen, "diff": ""}, files, PLAN - len(head[:HEAD]))
    view.add_item(box)
    return Page(view=view, files=tuple(files))


def to_small_card(gate: Gate, seen: dict[str, Any]) -> ui.Container[Any]:
    """Return a gate in a list, with its head, state and buttons."""
    box = ui.Container[Any](accent_colour=discord.Colour(_colour(gate)))
    box.add_item(ui.TextDisplay(_head(gate, seen)))
    if gate.state is GateState.OPEN:
        box.add_item(_buttons(gate))
    else:
        box.add_item(ui.TextDisplay(_outcome(gate, seen)))
    return box


def to_note(gate: Gate, seen: dict[str, Any], words: str, link: str) -> Page:
    """Return a short note about a gate.

    It has a link to the card or, without one, the buttons. A decided gate shows its outcome.
    """
    view = ui.LayoutView(timeout=None)
    if gate.state is not GateState.OPEN:
        view.add_item(ui.TextDisplay(lines(words[:HEAD], _outcome(gate, seen))))
        return Page(view=view)
    view.add_item(ui.TextDisplay(words[:HEAD]))
    if link:
        view.add_item(ui.ActionRow(ui.Button[Any](label="Open the card", url=link)))
        return Page(view=view)
    return to_card(gate, seen, head=words)


def to_plain(gate: Gate, seen: dict[str, Any]) -> str:
    """Return the card as plain text that says how to answer, for when Discord refuses the layout."""
    if gate.state is not GateState.OPEN:
        return lines(_head(gate, seen), _outcome(gate, seen))
    how = f"Answer with `/fleet approve-plan {gate.id}` and {listed([f'`{each}`' for each in gate.options], 'or')}."
    return lines(_head(gate, seen), "", tidy(gate.body), "", how)


def _head(gate: Gate, seen: dict[str, Any]) -> str:
    small = [f"**{_inline(gate.product)}**"] if gate.product else []
    small += [f"`{gate.id}`"]
    small += [f"revision {gate.revision}"] if gate.revision > 1 else []
    small += [f"requested by {_inline(seen['asked_by'])}"] if seen.get("asked_by") else []
    small += [_stamp(seen["created_at"])]
    return f"### {NOUNS.get(gate.kind, gate.kind)}: {_inline(gate.title)}\n-# {' · '.join(small)}"


def _add_question(box: ui.Container[Any], gate: Gate, seen: dict[str, Any], files: list[tuple[str, str]], limit: int) -> None:
    """Add the plan and its changes, as text or as files.

    `limit` is the number of characters of the plan shown on the card.
    """
    body = tidy(gate.body)
    long, names = len(body) > limit, []
    shown = lines(beginning(body, BEGINNING), f"-# {seen['lines']} lines in total, in the file below") if long else body
    box.add_item(ui.TextDisplay(shown or "*(No further text.)*"))
    if long:
        files.append((f"{gate.kind}-{gate.id}.md", gate.body))
        names.append(f"{gate.kind}-{gate.id}.md")
    if seen.get("diff"):
        box.add_item(ui.Separator())
        box.add_item(ui.TextDisplay(f"**Changes since revision {gate.revision - 1}**\n{code(seen['diff'], 'diff', DIFF)}"))
        if len(seen["diff"]) > DIFF - 40:
            files.append((f"changes-{gate.id}.diff", seen["diff"]))
            names.append(f"changes-{gate.id}.diff")
    for name in names:
        box.add_item(ui.File(f"attachment://{name}"))


def _add_answers(box: ui.Container[Any], gate: Gate, seen: dict[str, Any], away: str) -> None:
    """Add the cost, the deciders and the buttons."""
    box.add_item(ui.Separator())
    said = [_given(gate, seen), _waits(gate, seen), f"-# {away}" if away else ""]
    box.add_item(ui.TextDisplay(lines(*said)))
    box.add_item(_buttons(gate))


def _outcome(gate: Gate, seen: dict[str, Any]) -> str:
    good, bad = gate.decision and gate.decision.choice == APPROVE, gate.decision and gate.decision.choice == REJECT
    mark = "✔" if good else "✖" if bad else "↻" if gate.decision else "○"
    if gate.state is GateState.SUPERSEDED and gate.decision is not None:
        answered = outcome(replace(gate, state=GateState.DECIDED))
        return f"**{mark}** {_local(tidy(answered)[:700], gate)}\n-# {seen['outcome']}"
    return f"**{mark}** {_local(tidy(seen['outcome'])[:700], gate)}"


def _local(said: str, gate: Gate) -> str:
    """Return the text with the time of the decision in each reader's time zone."""
    if gate.decision is None:
        return said
    return TIME.sub(f"<t:{int(gate.decision.at.timestamp())}:t>", said, count=1)


def _buttons(gate: Gate) -> ui.ActionRow[Any]:
    row = ui.ActionRow[Any]()
    if len(gate.options) > BUTTONS:
        row.add_item(GateMenu.of(gate))
        return row
    for option in range(len(gate.options)):
        row.add_item(GateButton.of(gate, option))
    return row


def _given(gate: Gate, seen: dict[str, Any]) -> str:
    """Return the answers so far, if the gate needs more than one."""
    if not seen.get("answers"):
        return ""
    given = [f"{LABELS.get(each['choice'], each['choice'])} by {_inline(each['by'])}" for each in seen["answers"]]
    return f"So far: {', '.join(given)}"[:200]


def _waits(gate: Gate, seen: dict[str, Any]) -> str:
    """Return the deciders, the next reminder and the cost."""
    waits = "approval" if APPROVE in gate.options else "an answer"
    parts = [f"● Waiting for {waits} · Needs {_inline(seen['needs'])[:200]}"]
    parts += [f"{money(seen['cost_usd_today'])} today"] if seen.get("cost_usd_today") else []
    parts += [f"next reminder {_stamp(seen['reminds_at'])}"] if seen.get("reminds_at") else []
    parts += [f"escalated {_stamp(seen['escalated_at'])}"] if seen.get("escalated_at") else []
    return f"-# {' · '.join(parts)}"


def _stamp(at: str) -> str:
    """Return a time that Discord shows as `in 18 minutes`."""
    return f"<t:{int(datetime.fromisoformat(at).timestamp())}:R>"


def _inline(text: str) -> str:
    """Return another author's text on one line, with Markdown escaped."""
    return discord.utils.escape_markdown(" ".join(text.split()))[:300]


def _colour(gate: Gate) -> int:
    if gate.state is GateState.OPEN:
        return OPEN
    if gate.decision is None:
        return OTHER
    return {APPROVE: GOOD, REJECT: BAD}.get(gate.decision.choice, OTHER)
