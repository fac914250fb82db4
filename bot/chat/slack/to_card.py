"""A gate as Slack shows it: open with its buttons, decided as its outcome. Pure functions over `views.gate_json`."""

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
"""Characters and lines of a plan on its card; a longer one comes whole as a file in the card's thread."""
BEGINNING, LINES_OF_BEGINNING = 1_500, 14
"""What the card shows of such a one."""
AFTERWARDS, LINES_AFTERWARDS = 500, 6
"""What is left of a plan on a card that has been decided."""
ACTION = "gate"
"""Begins the action id of every button of a card."""
LABELS = {APPROVE: "Approve", CHANGES: "Request changes", REJECT: "Reject", ANSWER: "Answer"}
TAKES_NOTE = frozenset({CHANGES, REJECT, ANSWER})
"""Choices that open a form first."""
MARKS = {APPROVE: "✔", CHANGES: "✎", REJECT: "✘", ANSWER: "✔"}
MARKS_OF_STATE = {"superseded": "↻", "withdrawn": "○"}


@dataclass(frozen=True, slots=True)
class Shown:
    """A message: its blocks, and the text for notifications and for where blocks cannot be shown."""

    text: str
    blocks: list[Block]


def card(gate: dict[str, Any]) -> Shown:
    """The whole card of a gate as it is now."""
    is_open = gate["state"] == "open"
    said = _open(gate) if is_open else _closed(gate)
    state = "waits for you" if is_open else gate["outcome"]
    return Shown(plain(f"{gate['product']}: {title(gate)} — {state}", 300), [_header(gate), *said])


def title(gate: dict[str, Any]) -> str:
    """What it is about, on one line: `Plan: rewrite the parser`."""
    named = str(gate["title"])
    return named if named.lower().startswith(gate["kind"]) else f"{gate['kind'].capitalize()}: {named}"


def too_long(gate: dict[str, Any]) -> bool:
    """Whether the card shows only the beginning of its text."""
    return len(gate["body"]) > LONGEST_BODY or gate["body"].count("\n") >= MOST_LINES


def buttons(gate: dict[str, Any]) -> list[Block]:
    """What decides an open gate; nothing for any other."""
    if gate["state"] != "open":
        return []
    return [{"type": "actions", "elements": [_button(gate, choice, at) for at, choice in enumerate(gate["options"])]}]


def to_press(value: str, note: str = "") -> Press | None:
    """What a button of a card means; None for a value that is none of ours."""
    try:
        said = json.loads(value)
        return Press(str(said["g"]), str(said["c"]), note, int(said["r"]), str(said["d"]))
    except (ValueError, KeyError, TypeError):
        return None


def value(gate: dict[str, Any], choice: str) -> str:
    """What a button carries: the gate, the choice, and which revision and text were shown."""
    said = {"g": gate["id"], "c": choice, "r": gate["revision"], "d": gate["digest"]}
    return json.dumps(said, separators=(",", ":"))


def context(*parts: str) -> Block:
    """A line of small print, of parts in mrkdwn."""
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": " · ".join(part for part in parts if part)[:2900]}]}


def section(mrkdwn: str, **more: Any) -> Block:
    """A paragraph in mrkdwn."""
    return {"type": "section", "text": {"type": "mrkdwn", "text": mrkdwn[:2900]}, **more}


def button(label: str, action: str, carries: str = "", **more: Any) -> Block:
    """A button."""
    carried = {"value": carries} if carries else {}
    text = {"type": "plain_text", "text": cut_label(label), "emoji": False}
    return {"type": "button", "text": text, "action_id": action, **carried, **more}


def needs(gate: dict[str, Any]) -> str:
    """Whom it waits for."""
    given = sorted({each["by"] for each in gate["answers"] if each["choice"] == APPROVE})
    said = f"; {escape(listed(given))} approved" if given else ""
    return f"Needs {escape(gate['needs'])}{said}"


def revision(gate: dict[str, Any]) -> str:
    """Which revision it is, where there can be several."""
    return f"revision {gate['revision']}" if gate["kind"] == GateKind.PLAN or gate["revision"] > 1 else ""


def _header(gate: dict[str, Any]) -> Block:
    return {"type": "header", "text": {"type": "plain_text", "text": cut_label(title(gate), 150), "emoji": False}}


def _line(gate: dict[str, Any]) -> Block:
    asked = f"asked by {escape(gate['asked_by'])}" if gate["asked_by"] else ""
    return context(bold(gate["product"] or "the fleet"), revision(gate), asked, f"`{gate['id']}`")


def _open(gate: dict[str, Any]) -> list[Block]:
    long = too_long(gate)
    body = shortened(gate["body"], BEGINNING, LINES_OF_BEGINNING) if long else gate["body"]
    blocks = [_line(gate), *to_blocks(body)]
    if long:
        blocks.append(context(f"… {count(gate['body'].count(chr(10)) + 1, 'line')} in all; the whole of it is in the thread."))
    if gate["diff"]:
        blocks.append(context(f"↻ {_changed(gate['diff'])} since revision {gate['revision'] - 1}; the diff is in the thread."))
    spent = f"spent today {money(gate['cost_usd_today'])}" if gate["cost_usd_today"] else ""
    blocks += [context(f"● {needs(gate)}", spent, _reminds(gate)), *buttons(gate)]
    return blocks


def _closed(gate: dict[str, Any]) -> list[Block]:
    decision = gate["decision"]
    mark = MARKS_OF_STATE.get(gate["state"]) or MARKS.get(decision["choice"] if decision else "", "✔")
    at = datetime.fromisoformat(decision["at"] if decision else gate["updated_at"]).timestamp()
    said = local_times(escape(gate["outcome"]), at)
    short = shortened(gate["body"], AFTERWARDS, LINES_AFTERWARDS)
    cut = [context(f"… Say `!gates {gate['id']}` in this thread for the whole of it.")] if short != gate["body"] else []
    return [section(f"{mark} {said}"), _line(gate), *to_blocks(short), *cut]


def _reminds(gate: dict[str, Any]) -> str:
    """When people are reminded, on each reader's own clock."""
    if not gate["reminds_at"]:
        return ""
    at = datetime.fromisoformat(gate["reminds_at"])
    return f"reminds at <!date^{int(at.timestamp())}^{{time}}|{at:%H:%M} UTC>"


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
    said = f"{cut_label(title(gate), 180)} on {gate['product']}. It is done at once."
    return confirm("Do it?", said, "Do it")


def confirm(heading: str, text: str, yes: str) -> Block:
    """The question that Slack asks before it sends a press."""
    words = {"title": heading, "text": cut_label(text, 300), "confirm": yes, "deny": "No"}
    return {**{name: {"type": "plain_text", "text": said} for name, said in words.items()}, "style": "danger"}
