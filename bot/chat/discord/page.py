"""One Discord message, and its buttons and menus, which work in any later process."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import discord
from discord import Interaction, ui

from bot.chat.discord import custom_ids
from bot.commands.catalogue import irreversible
from bot.domain import Gate, GateKind, Suggestion
from bot.gates.lifecycle import ANSWER, APPROVE, CHANGES, REJECT

LABELS = {APPROVE: "Approve", CHANGES: "Request changes", REJECT: "Reject", ANSWER: "Answer"}
STYLES = {APPROVE: discord.ButtonStyle.success, REJECT: discord.ButtonStyle.danger, ANSWER: discord.ButtonStyle.primary}
LABEL = 80
"""Characters of a button's label."""


@dataclass(frozen=True, slots=True)
class Page:
    """A message as text with buttons below, or as a layout that contains its text.

    `files` holds names and contents.
    """

    text: str = ""
    view: ui.View | ui.LayoutView | None = None
    files: tuple[tuple[str, str], ...] = ()

    @property
    def layout(self) -> bool:
        """True for a layout."""
        return isinstance(self.view, ui.LayoutView)

    def marks(self) -> tuple[str, ...]:
        """Return the texts, custom ids and links that tell this message from others."""
        components = self.view.to_components() if self.view else []
        return tuple(marks({"content": self.text, "components": components}))

    def shown_as(self, texts: tuple[str, ...]) -> bool:
        """Return True if a message with these marks is this page.

        Only the head of a layout is compared, because the rest may have changed since it was sent.
        """
        return texts[:1] == self.marks()[:1] if self.layout else texts == self.marks()


def marks(message: dict[str, Any]) -> Iterator[str]:
    """Yield the marks of a message as Discord's API returns it. See `Page.marks`."""
    for key in ("content", "custom_id", "url"):
        if text := str(message.get(key) or "").strip():
            yield text
    for each in message.get("components") or []:
        yield from marks(each)
    if accessory := message.get("accessory"):
        yield from marks(accessory)


class Own(ui.DynamicItem[Any], template=r"(?!)"):
    """Base of our items. Discord's library rebuilds them from their custom id, in any process."""

    def __init__(self, item: ui.Item[Any], found: re.Match[str]) -> None:
        super().__init__(item)
        self.found = found

    @classmethod
    async def from_custom_id(cls, interaction: Interaction[Any], item: ui.Item[Any], match: re.Match[str], /) -> Self:
        """See `discord.ui.DynamicItem`."""
        return cls(item, match)

    @classmethod
    def button(cls, custom_id: str, label: str, style: discord.ButtonStyle = discord.ButtonStyle.secondary) -> Self:
        """Return a new button."""
        return cls(ui.Button(label=label[:LABEL] or "…", style=style, custom_id=custom_id), cls.read(custom_id))

    @classmethod
    def read(cls, custom_id: str) -> re.Match[str]:
        """Return the match of a custom id that this module made."""
        found = cls.__discord_ui_compiled_template__.fullmatch(custom_id)
        assert found is not None  # noqa: S101  custom_ids made it
        return found


class GateButton(Own, template=custom_ids.GATE):
    """A choice on a gate's card."""

    @classmethod
    def of(cls, gate: Gate, option: int) -> Self:
        """Return the button of one of a gate's options."""
        choice = gate.options[option]
        immediate = runs_immediately(gate, choice)
        style = discord.ButtonStyle.danger if immediate else STYLES.get(choice, discord.ButtonStyle.secondary)
        return cls.button(custom_ids.gate(gate, option), LABELS.get(choice, choice), style)

    async def callback(self, interaction: Interaction[Any]) -> None:
        """Hand the press to the client."""
        await interaction.client.pressed(interaction, custom_ids.shown(self.found))


class GateMenu(Own, template=custom_ids.PICK):
    """The options of a gate with too many of them for a row of buttons."""

    @classmethod
    def of(cls, gate: Gate) -> Self:
        """Return the menu of a gate."""
        options = [
            discord.SelectOption(label=LABELS.get(choice, choice)[:100], value=str(index))
            for index, choice in enumerate(gate.options[:25])
        ]
        menu = ui.Select[Any](custom_id=custom_ids.pick(gate), options=options, placeholder="Choose an answer")
        return cls(menu, cls.read(custom_ids.pick(gate)))

    async def callback(self, interaction: Interaction[Any]) -> None:
        """Hand the choice to the client."""
        await interaction.client.pressed(interaction, custom_ids.shown(self.found, int(self.item.values[0])))


class SayButton(Own, template=custom_ids.SAY):
    """A suggestion, which runs one command."""

    @classmethod
    def of(cls, post: int, index: int, suggestion: Suggestion) -> Self:
        """Return the button of one of a post's suggestions."""
        style = discord.ButtonStyle.danger if irreversible(suggestion.command) else discord.ButtonStyle.secondary
        return cls.button(custom_ids.say(post, index), suggestion.label, style)

    async def callback(self, interaction: Interaction[Any]) -> None:
        """Hand the press to the client."""
        post, index = int(self.found["post"]), int(self.found["index"])
        await interaction.client.suggested(interaction, post, index, confirmed=bool(self.found["sure"]))


class StopButton(Own, template=custom_ids.STOP):
    """The button that stops the running turn."""

    async def callback(self, interaction: Interaction[Any]) -> None:
        """Hand the press to the client."""
        await interaction.client.stopped(interaction)


def runs_immediately(gate: Gate, choice: str) -> bool:
    """Return True for the approval of an action, which runs as soon as it is approved."""
    return gate.kind is GateKind.ACTION and choice == APPROVE


ITEMS = (GateButton, GateMenu, SayButton, StopButton)
"""All items, for registration with a client."""
