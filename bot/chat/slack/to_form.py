"""The forms for a decision's note and for a task made from a message. Pure."""

import json
from typing import Any

from bot.chat.slack import to_card
from bot.chat.slack.text import cut_label, escape
from bot.chat.slack.to_card import context, section
from bot.chat.slack.to_markdown import Block
from bot.gates.lifecycle import ANSWER, CHANGES, REJECT
from bot.text.wording import shortened

DECISION, TASK = "decision", "task"
"""Callback ids of the two forms."""
NOTE, PRODUCT, OBJECTIVE = "note", "product", "objective"
"""Block ids and action ids of the fields."""
LONGEST_NOTE = 3000
"""Characters that Slack allows in one field."""
ASKED = {
    CHANGES: ("Request changes", "What should change?", "Send"),
    REJECT: ("Reject", "Reason (sent to the coordinator)", "Reject"),
    ANSWER: ("Answer", "Your answer", "Send"),
}
"""Title, label of the note, and label of the button, by choice."""


def decision(gate: dict[str, Any], choice: str, origin: dict[str, str]) -> Block:
    """Return the form for a decision with a note.

    `origin` is the location of the pressed button, and returns with the submitted form.
    """
    heading, label, send = ASKED[choice]
    note = {"type": "plain_text_input", "action_id": NOTE, "multiline": True, "max_length": LONGEST_NOTE, "focus_on_load": True}
    optional = choice == REJECT
    if not optional:
        note["min_length"] = 1
    about = f"*{escape(to_card.title(gate))}*\n{escape(gate['product'])}, revision {gate['revision']} · `{gate['id']}`"
    return _modal(
        DECISION,
        heading,
        send,
        {**origin, "press": to_card.value(gate, choice)},
        [section(about), _field(NOTE, label, note, optional=optional)],
    )


def task(products: tuple[str, ...], chosen: str, text: str, origin: dict[str, str]) -> Block:
    """Return the form that makes a task of a message.

    `products` are those on which the person may start work.
    """
    options = [_option(name) for name in products[:100]]
    select: Block = {"type": "static_select", "action_id": PRODUCT, "options": options}
    if chosen in products:
        select["initial_option"] = _option(chosen)
    words: Block = {"type": "plain_text_input", "action_id": OBJECTIVE, "multiline": True, "max_length": LONGEST_NOTE,
                    "min_length": 1, "focus_on_load": True}  # fmt: skip
    if text.strip():
        words["initial_value"] = text[:LONGEST_NOTE]
    blocks = [
        _field(PRODUCT, "Product", select),
        _field(OBJECTIVE, "Objective", words),
        context("Large or risky work comes back to you as a plan to approve."),
    ]
    return _modal(TASK, "Make this a task", "Start", origin, blocks)


def origin_of(view: dict[str, Any]) -> dict[str, str]:
    """Return the origin that a form was opened with."""
    return {str(key): str(each) for key, each in json.loads(view.get("private_metadata") or "{}").items()}


def field_of(view: dict[str, Any], name: str) -> str:
    """Return a field's value."""
    entered = view["state"]["values"].get(name, {}).get(name, {})
    chosen = entered.get("selected_option") or {}
    return str(entered.get("value") or chosen.get("value") or "").strip()


def task_text(channel: str, said: str, link: str) -> str:
    """Return the initial text of a task form, with the message and its link."""
    where = f"\n\n({f'from {channel}, ' if channel else ''}{link})" if link else ""
    return f"{said[: LONGEST_NOTE - len(where)]}{where}"


def _modal(callback: str, heading: str, send: str, carried: dict[str, str], blocks: list[Block]) -> Block:
    words = {"title": heading, "submit": send, "close": "Cancel"}
    return {
        "type": "modal",
        "callback_id": callback,
        "private_metadata": json.dumps(carried, separators=(",", ":")),
        "blocks": blocks,
        **{name: {"type": "plain_text", "text": shortened(text, 24)} for name, text in words.items()},
    }


def _field(name: str, label: str, element: Block, *, optional: bool = False) -> Block:
    words = {"type": "plain_text", "text": label}
    return {"type": "input", "block_id": name, "label": words, "element": element, "optional": optional}


def _option(name: str) -> Block:
    return {"text": {"type": "plain_text", "text": cut_label(name)}, "value": name[:150]}
