"""One message as Discord takes it, and the buttons and menus on it, which are understood by any later process."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import discord
from discord import ui

from bot.chat.discord import ids
from bot.commands.catalogue import irreversible
from bot.domain import Gate, GateKind, Suggestion
from bot.gates.lifecycle import ANSWER, APPROVE, CHANGES, REJECT

if TYPE_CHECKING:
    from discord import Interaction

LABELS = {APPROVE: "Approve", CHANGES: "Request changes", REJECT: "Reject", ANSWER: "Answer"}
STYLES = {APPROVE: discord.ButtonStyle.success, REJECT: discord.ButtonStyle.danger, ANSWER: discord.ButtonStyle.primary}
LABEL = 80
"""Characters of a button's label."""


@dataclass(frozen=True, slots=True)
class Page:
    """A message: its text with buttons below, or a layout, which has its text inside. `files`: names and contents."""

    text: str = ""
    view: ui.View | ui.LayoutView | None = None
    files: tuple[tuple[str, str], ...] = ()

    @property
    def layout(self) -> bool:
        """Whether it is a layout."""
        return isinstance(self.view, ui.LayoutView)

    def marks(self) -> tuple[str, ...]:
        """What tells it from other messages: its texts, and what its buttons carry or lead to."""
        components = self.view.to_components() if self.view else []
        return tuple(marks({"content": self.text, "components": components}))

    def shown_as(self, texts: tuple[str, ...]) -> bool:
        """Whether a message with these marks is this one: a layout is known by its head, for what it says below may have
        changed since it was sent."""
        return texts[:1] == self.marks()[:1] if self.layout else texts == self.marks()


def marks(message: dict[str, Any]) -> Iterator[str]:
    """What tells a message of Discord's from others; see `Page.marks`."""
    for key in ("content", "custom_id", "url"):
        if text := str(message.get(key) or "").strip():
            yield text
    for each in message.get("components") or []:
        yield from marks(each)
    if accessory := message.get("accessory"):
        yield from marks(accessory)


class Own(ui.DynamicItem[Any], template=r"(?!)"):
    """What all of ours have in common: they are made anew from what they carry, whichever process Discord hands them to."""

    def __init__(self, item: ui.Item[Any], found: re.Match[str]) -> None:
        super().__init__(item)
        self.found = found

    @classmethod
    async def from_custom_id(cls, interaction: "Interaction[Any]", item: ui.Item[Any], match: re.Match[str], /) -> Self:
        """As Discord hands it back."""
        return cls(item, match)

    @classmethod
    def button(cls, custom_id: str, label: str, style: discord.ButtonStyle = discord.ButtonStyle.secondary) -> Self:
        """A new button."""
        return cls(ui.Button(label=label[:LABEL] or "…", style=style, custom_id=custom_id), cls.read(custom_id))

    @classmethod
    def read(cls, custom_id: str) -> re.Match[str]:
        """What is carried."""
        found = cls.__discord_ui_compiled_template__.fullmatch(custom_id)
        assert found is not None  # noqa: S101  we made it
        return found


class GateButton(Own, template=ids.GATE):
    """A choice on a gate's card."""

    @classmethod
    def of(cls, gate: Gate, option: int) -> Self:
        """The button of one of a gate's options."""
        choice = gate.options[option]
        style = discord.ButtonStyle.danger if at_once(gate, choice) else STYLES.get(choice, discord.ButtonStyle.secondary)
        return cls.button(ids.gate(gate, option), LABELS.get(choice, choice), style)

    async def callback(self, interaction: "Interaction[Any]") -> None:
        """Pressed."""
        await interaction.client.pressed(interaction, ids.shown(self.found))


class GateMenu(Own, template=ids.PICK):
    """The options of a gate that has more than fit a row of buttons."""

    @classmethod
    def of(cls, gate: Gate) -> Self:
        """The menu of a gate."""
        options = [
            discord.SelectOption(label=LABELS.get(choice, choice)[:100], value=str(place))
            for place, choice in enumerate(gate.options[:25])
        ]
        menu = ui.Select[Any](custom_id=ids.pick(gate), options=options, placeholder="Choose an answer")
        return cls(menu, cls.read(ids.pick(gate)))

    async def callback(self, interaction: "Interaction[Any]") -> None:
        """Chosen."""
        await interaction.client.pressed(interaction, ids.shown(self.found, int(self.item.values[0])))


class SayButton(Own, template=ids.SAY):
    """A suggestion: it says and runs one command."""

    @classmethod
    def of(cls, post: int, place: int, suggestion: Suggestion) -> Self:
        """The button of one of a post's suggestions."""
        style = discord.ButtonStyle.danger if irreversible(suggestion.command) else discord.ButtonStyle.secondary
        return cls.button(ids.say(post, place), suggestion.label, style)

    async def callback(self, interaction: "Interaction[Any]") -> None:
        """Pressed."""
        post, place = int(self.found["post"]), int(self.found["place"])
        await interaction.client.suggested(interaction, post, place, sure=bool(self.found["sure"]))


class StopButton(Own, template=ids.STOP):
    """Stops the turn that runs."""

    async def callback(self, interaction: "Interaction[Any]") -> None:
        """Pressed."""
        await interaction.client.stopped(interaction)


def at_once(gate: Gate, choice: str) -> bool:
    """Whether a choice does something at once that the model has asked leave for."""
    return gate.kind is GateKind.ACTION and choice == APPROVE


ITEMS = (GateButton, GateMenu, SayButton, StopButton)
"""All of them, to be registered with a client."""
