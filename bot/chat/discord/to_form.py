"""The forms for a decision's note and for a task made from a message."""

from collections.abc import Sequence
from typing import Any

import discord
from discord import ui

from bot.chat.discord import custom_ids
from bot.chat.discord.custom_ids import Shown
from bot.domain import Gate
from bot.gates.lifecycle import ANSWER, CHANGES, REJECT
from bot.text.wording import shortened

ASKED = {
    CHANGES: ("Request changes", "What should change?", "One or two sentences. You get a revised plan."),
    REJECT: ("Reject", "Reason", "Sent to the coordinator with your decision."),
    ANSWER: ("Answer", "Your answer", "Sent to the agent that asked."),
}
"""Title, label and hint of the form, by choice."""
TITLE, LABEL = 45, 45
"""Characters of a form's title and of a field's label."""
NOTE, PRODUCT, OBJECTIVE = "note", "product", "objective"
"""Ids of the fields."""


def takes_note(choice: str) -> bool:
    """Return True for a choice that opens a form."""
    return choice in ASKED


def note_form(gate: Gate, shown: Shown) -> ui.Modal:
    """Return the form that asks for a choice's note."""
    title, label, hint = ASKED[gate.options[shown.option]]
    form = ui.Modal(title=shortened(f"{title}: {gate.title}", TITLE), custom_id=custom_ids.note(shown), timeout=None)
    field = ui.TextInput[Any](style=discord.TextStyle.paragraph, custom_id=NOTE, min_length=1, max_length=4000, required=True)
    form.add_item(ui.Label(text=label, description=hint, component=field))
    return form


def task_form(message: int, text: str, products: Sequence[str], product: str | None) -> ui.Modal:
    """Return the form that makes a task of a message, filled in with its product and text."""
    form = ui.Modal(title="Make this a task", custom_id=custom_ids.task(message), timeout=None)
    options = [discord.SelectOption(label=name[:100], value=name[:100], default=name == product) for name in products[:25]]
    menu = ui.Select[Any](custom_id=PRODUCT, options=options, required=True, placeholder="Choose a product")
    form.add_item(ui.Label(text="Product", component=menu))
    field = ui.TextInput[Any](
        style=discord.TextStyle.paragraph, custom_id=OBJECTIVE, default=text[:4000], min_length=1, max_length=4000
    )
    form.add_item(
        ui.Label(text="Objective", description="Large or risky work comes back to you as a plan to approve.", component=field)
    )
    return form
