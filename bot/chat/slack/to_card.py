"""A gate's card, open with buttons or decided with its outcome.

Pure functions of `views.gate_json`.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.chat.slack.text import bold, cut_label, escape, local_times, plain
from bot.chat.slack.to_markdown import Block, shortened, to_blocks
from bot.domain import GateKind, Press
from bot.gates.lifecycle import ANSWER, APPROVE, CHANGES, REJECT
from bot.text.wording import count, listed, money

LONGEST_BODY, MOST_LINES = 2_800, 30
"""Characters and lines of a plan on its card. A longer plan is a file in the card's thread."""
BEGINNING, LINES_OF_BEGINNING = 1_500, 14
"""Characters and lines that the card shows of a longer plan."""
AFTERWARDS, LINES_AFTERWARDS = 500, 6
"""Characters and lines of a plan on a decided card."""
ACTION = "gate"
"""Prefix of the action id of every button on a card."""
LABELS = {APPROVE: "Approve", CHANGES: "Request changes", REJECT: "Reject", ANSWER: "Answer"}
TAKES_NOTE = frozenset({CHANGES, REJECT, ANSWER})
"""Choices that open a form."""
MARKS = {APPROVE: "✔", CHANGES: "✎", REJECT: "✘", ANSWER: "✔"}
MARKS_OF_STATE = {"superseded": "↻", "withdrawn": "○"}


@dataclass(frozen=True, slots=True)
class Shown:
    """A message's blocks, and its text for notifications and for clients without blocks."""

    text: str
    blocks: list[Block]


def card(gate: dict[str, Any]) -> Shown:
    """Return the card of a gate in its current state."""
    is_open = gate["state"] == "open"
    said = _open(gate) if is_open else _closed(gate)
    state = "needs your decision" if is_open else gate["outcome"]
    return Shown(plain(f"{gate['product']}: {title(gate)} · {state}", 300), [_header(gate), *said])


def title(gate: dict[str, Any]) -> str:
    """Return a gate's title with its kind, such as `Plan: rewrite the parser`."""
    named = str(gate["title"])
    return named if named.lower().startswith(gate["kind"]) else f"{gate['kind'].capitalize()}: {named}"


def too_long(gate: dict[str, Any]) -> bool:
    """Return True if the card shows only the beginning of the text."""
    return len(gate["body"]) > LONGEST_BODY or gate["body"].count("\n") >= MOST_LINES


def buttons(gate: dict[str, Any]) -> list[Block]:
    """Return the buttons of an open gate. None for any other."""
    if gate["state"] != "open":
        return []
    return [{"type": "actions", "elements": [_button(gate, choice, at) for at, choice in enumerate(gate["options"])]}]


def to_press(value: str, note: str = "") -> Press | None:
    """Return the decision in a button's value. None for an unknown value."""
    try:
        said = json.loads(value)
        return Press(str(said["g"]), str(said["c"]), note, int(said["r"]), str(said["d"]))
    except (ValueError, KeyError, TypeError):
        return None


def value(gate: dict[str, Any], choice: str) -> str:
    """Return a button's value with the gate, the choice, and the revision and digest shown."""
    said = {"g": gate["id"], "c": choice, "r": gate["revision"], "d": gate["digest"]}
    return json.dumps(said, separators=(",", ":"))


def context(*parts: str) -> Block:
    """Return a line of small print from parts in mrkdwn."""
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": " · ".join(part for part in parts if part)[:2900]}]}


def section(mrkdwn: str, **more: Any) -> Block:
    """Return a paragraph in mrkdwn."""
    return {"type": "section", "text": {"type": "mrkdwn", "text": mrkdwn[:2900]}, **more}


def button(label: str, action: str, carries: str = "", **more: Any) -> Block:
    """Return a button."""
    carried = {"value": carries} if carries else {}
    text = {"type": "plain_text", "text": cut_label(label), "emoji": False}
    return {"type": "button", "text": text, "action_id": action, **carried, **more}


def needs(gate: dict[str, Any]) -> str:
    """Return whose decision the gate needs."""
    given = sorted({each["by"] for each in gate["answers"] if each["choice"] == APPROVE})
    said = f"; {escape(listed(given))} approved" if given else ""
    return f"Needs {escape(gate['needs'])}{said}"


def revision(gate: dict[str, Any]) -> str:
    """Return the revision for gates that can have several. Empty for others."""
    return f"revision {gate['revision']}" if gate["kind"] == GateKind.PLAN or gate["revision"] > 1 else ""


def _header(gate: dict[str, Any]) -> Block:
    return {"type": "header", "text": {"type": "plain_text", "text": cut_label(title(gate), 150), "emoji": False}}


def _line(gate: dict[str, Any]) -> Block:
    asked = f"requested by {escape(gate['asked_by'])}" if gate["asked_by"] else ""
    return context(bold(gate["product"] or "the fleet"), revision(gate), asked, f"`{gate['id']}`")


def _open(gate: dict[str, Any]) -> list[Block]:
    long = too_long(gate)
    body = shortened(gate["body"], BEGINNING, LINES_OF_BEGINNING) if long else gate["body"]
    blocks = [_line(gate), *to_blocks(body)]
    if long:
        blocks.append(context(f"… {count(gate['body'].count(chr(10)) + 1, 'line')} in total. The full text is in the thread."))
    if gate["diff"]:
        blocks.append(context(f"↻ {_changed(gate['diff'])} since revision {gate['revision'] - 1}. The diff is in the thread."))
    spent = f"{money(gate['cost_usd_today'])} today" if gate["cost_usd_today"] else ""
    blocks += [context(f"● {needs(gate)}", spent, _next_reminder(gate)), *buttons(gate)]
    return blocks


def _closed(gate: dict[str, Any]) -> list[Block]:
    decision = gate["decision"]
    mark = MARKS_OF_STATE.get(gate["state"]) or MARKS.get(decision["choice"] if decision else "", "✔")
    at = datetime.fromisoformat(decision["at"] if decision else gate["updated_at"]).timestamp()
    said = local_times(escape(gate["outcome"]), at)
    short = shortened(gate["body"], AFTERWARDS, LINES_AFTERWARDS)
    cut = [context(f"… Send `!gates {gate['id']}` in this thread for the full text.")] if short != gate["body"] else []
    return [section(f"{mark} {said}"), _line(gate), *to_blocks(short), *cut]


def _next_reminder(gate: dict[str, Any]) -> str:
    """Return the time of the next reminder in each reader's time zone."""
    if not gate["reminds_at"]:
        return ""
    at = datetime.fromisoformat(gate["reminds_at"])
    return f"next reminder at <!date^{int(at.timestamp())}^{{time}}|{at:%H:%M} UTC>"


def _changed(diff: str) -> str:
    lines = diff.split("\n")
    added, gone = sum(line.startswith("+") for line in lines), sum(line.startswith("-") for line in lines)
    return f"{count(added, 'line')} added, {gone} removed"


def _button(gate: dict[str, Any], choice: str, at: int) -> Block:
    style = {APPROVE: "primary", REJECT: "danger"}.get(choice)
    more: dict[str, Any] = {"style": style} if style else {}
    if gate["kind"] == GateKind.ACTION and choice == APPROVE:
        more = {"style": "danger", "confirm": _confirm(gate)}
    return button(LABELS.get(choice, choice), f"{ACTION}:{gate['id']}:{at}", value(gate, choice), **more)


def _confirm(gate: dict[str, Any]) -> Block:
    said = f"{cut_label(title(gate), 180)} on {gate['product']}. It runs immediately."
    return confirm("Run this now?", said, "Run")


def confirm(heading: str, text: str, yes: str) -> Block:
    """Return the dialog that Slack shows before it sends a press."""
    words = {"title": heading, "text": cut_label(text, 300), "confirm": yes, "deny": "Cancel"}
    return {**{name: {"type": "plain_text", "text": said} for name, said in words.items()}, "style": "danger"}
