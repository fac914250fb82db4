"""The forms: a note for a decision that takes one, and a message that becomes a task."""

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
    CHANGES: ("Request changes", "What should change?", "One or two sentences; the plan comes back revised."),
    REJECT: ("Reject", "Why not?", "It goes to the coordinator, and helps the next plan."),
    ANSWER: ("Answer", "Your answer", "In full sentences; it goes to the agent that asked."),
}
"""Title, label and hint of the form for a choice that takes a note."""
TITLE, LABEL = 45, 45
"""Characters of a form's title and of a field's label."""
NOTE, PRODUCT, OBJECTIVE = "note", "product", "objective"
"""The fields."""


def takes_note(choice: str) -> bool:
    """Whether a choice opens a form."""
    return choice in ASKED


def note_form(gate: Gate, shown: Shown) -> ui.Modal:
    """The form that asks for the note of a choice."""
    title, label, hint = ASKED[gate.options[shown.option]]
    form = ui.Modal(title=shortened(f"{title}: {gate.title}", TITLE), custom_id=custom_ids.note(shown), timeout=None)
    field = ui.TextInput[Any](style=discord.TextStyle.paragraph, custom_id=NOTE, min_length=1, max_length=4000, required=True)
    form.add_item(ui.Label(text=label, description=hint, component=field))
    return form


def task_form(message: int, text: str, products: Sequence[str], product: str | None) -> ui.Modal:
    """The form that makes a message a task: which product, and what is to be done, both filled in as far as is known."""
    form = ui.Modal(title="Make this a task", custom_id=custom_ids.task(message), timeout=None)
    options = [discord.SelectOption(label=name[:100], value=name[:100], default=name == product) for name in products[:25]]
    menu = ui.Select[Any](custom_id=PRODUCT, options=options, required=True, placeholder="Choose a product")
    form.add_item(ui.Label(text="Product", component=menu))
    field = ui.TextInput[Any](
        style=discord.TextStyle.paragraph, custom_id=OBJECTIVE, default=text[:4000], min_length=1, max_length=4000
    )
    form.add_item(ui.Label(text="What is to be done", description="Its plan comes back to you.", component=field))
    return form
