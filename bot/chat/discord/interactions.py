"""Slash commands, buttons, forms and autocompletion.

An interaction is persisted, then acknowledged, then decided. Discord requires a response within three seconds. Persisting takes
half a millisecond. Then Discord shows "thinking…", and the router decides whether the person is allowed to do it.
"""

import asyncio
import logging
from typing import Any

import aiohttp
import discord

from bot.chat.discord import custom_ids, from_command
from bot.chat.discord.channels import PLATFORM, Location, can_open_thread, mark_reachable, product_of
from bot.chat.discord.from_message import person_of
from bot.chat.discord.page import GateButton, Own, SayButton, runs_immediately
from bot.chat.discord.send import Sender
from bot.chat.discord.to_commands import TASK
from bot.chat.discord.to_form import NOTE, OBJECTIVE, PRODUCT, note_form, takes_note, task_form
from bot.commands.catalogue import irreversible
from bot.conversation.router import Router
from bot.domain import Gate, GateState, Inbound, Press, Role, access
from bot.domain.errors import StoreError
from bot.fleet import Fleet
from bot.gates.notify import Deciders

log = logging.getLogger(__name__)

MOST_ACKS = 5000
"""Acknowledgements in memory.

For an older interaction, Discord is asked for the state of its response.
"""
STALE = "This button is from an older version and no longer works. Send `/fleet gates` to see what needs a decision."
Interaction = discord.Interaction[Any]


class Interactions:
    """Hands interactions to the router."""

    def __init__(self, fleet: Fleet, router: Router, sender: Sender) -> None:
        self.fleet, self.router, self.sender = fleet, router, sender

    async def take(self, interaction: Interaction) -> None:
        """Take a command, an autocompletion, a form, or a button that no registered item claims."""
        data: Any = interaction.data or {}
        match interaction.type:
            case discord.InteractionType.application_command if data.get("type") == 3:
                await self._make_task(interaction, data)
            case discord.InteractionType.application_command:
                await self.say(interaction, from_command.line(data, self.router.skills))
            case discord.InteractionType.autocomplete:
                await self._complete(interaction, data)
            case discord.InteractionType.modal_submit:
                await self._submitted(interaction, data)
            case discord.InteractionType.component:
                if not custom_ids.is_current(data.get("custom_id", "")):
                    await _acknowledge(interaction.response.send_message(STALE, ephemeral=True))

    async def pressed(self, interaction: Interaction, shown: custom_ids.Shown) -> None:
        """Decide a choice on a gate's card, or open its form, or ask to confirm it.

        A choice that this person cannot make goes to the router, which refuses it with the reason before a form opens.
        """
        gate = self.fleet.store.gates.get(shown.gate)
        choice = gate.options[shown.option] if gate and shown.option < len(gate.options) else ""
        if gate is not None and self._can_decide(interaction.user, gate, shown):
            if takes_note(choice):
                await self._open(interaction, note_form(gate, shown))
                return
            if runs_immediately(gate, choice) and not shown.confirmed:
                title = discord.utils.escape_markdown(gate.title)
                await self._confirm(
                    interaction, f"“{title}” runs immediately.", GateButton, custom_ids.gate(gate, shown.option)
                )
                return
        press = Press(shown.gate, choice or "?", "", shown.revision, shown.digest)
        await self._receive(interaction, _location(interaction), press=press, private=True)

    def _can_decide(self, user: discord.abc.User, gate: Gate, shown: custom_ids.Shown) -> bool:
        """Return True if this person may decide the gate, and their card showed its current text."""
        names, _ = Deciders(self.fleet).of(gate)
        fresh = gate.state is GateState.OPEN and gate.digest == shown.digest
        return fresh and person_of(self.fleet.registry, user).name in names

    async def _confirm(self, interaction: Interaction, warning: str, button: type[Own], custom_id: str) -> None:
        """Ask the person to confirm an action that cannot be undone, visible to them alone."""
        view = discord.ui.View(timeout=None)
        view.add_item(button.button(custom_ids.confirmed(custom_id), "Run", discord.ButtonStyle.danger))
        view.stop()  # its custom id says all, so the library need not keep it in memory
        await _acknowledge(interaction.response.send_message(f"{warning} Are you sure?", view=view, ephemeral=True))

    async def suggested(self, interaction: Interaction, post: int, index: int, *, confirmed: bool) -> None:
        """Take a press of a suggestion as if its command had been typed."""
        found = self.fleet.store.posts.get(post)
        if found is None or index >= len(found.suggestions):
            await _acknowledge(interaction.response.send_message(STALE, ephemeral=True))
            return
        command = found.suggestions[index].command
        if irreversible(command) and not confirmed:
            await self._confirm(interaction, f"`{command}` can't be undone.", SayButton, custom_ids.say(post, index))
            return
        await self.say(interaction, command)

    async def stopped(self, interaction: Interaction) -> None:
        """Take a press of the Stop button of this conversation's turn."""
        if _location(interaction).conversation in self.router.running():
            await self.say(interaction, "stop", private=True)
        else:
            await _acknowledge(interaction.response.send_message("Nothing is running here.", ephemeral=True))

    async def say(
        self, interaction: Interaction, text: str, *, private: bool = False, location: Location | None = None
    ) -> None:
        """Take an interaction as a text, in its own location or in another."""
        await self._receive(interaction, location or _location(interaction), text=text, private=private)

    async def _receive(
        self, interaction: Interaction, location: Location, *, text: str = "", press: Press | None = None, private: bool = False
    ) -> None:
        """Persist an interaction, then acknowledge it. The router's answer waits for the acknowledgement."""
        event = self._inbound(interaction, location, text, press, private)
        done = self.sender.acks[event.event] = asyncio.get_running_loop().create_future()
        acknowledged = False
        try:
            mark_reachable(self.fleet, location)
            self.router.receive(event)
            await self.fleet.store.durable()
            thinking = interaction.response.defer(ephemeral=private, thinking=True)
            acknowledged = await _acknowledge(thinking)
        except StoreError as error:
            log.error("discord: cannot persist an interaction: %s", error)
            said = f"I couldn't save this: {error} Nothing was changed. Try again."
            await _acknowledge(interaction.response.send_message(said[:1900], ephemeral=True))
        finally:
            done.set_result(acknowledged)
            while len(self.sender.acks) > MOST_ACKS and next(iter(self.sender.acks.values())).done():
                self.sender.acks.pop(next(iter(self.sender.acks)))

    def _inbound(self, interaction: Interaction, location: Location, text: str, press: Press | None, private: bool) -> Inbound:
        return Inbound(
            event=f"{PLATFORM}:{interaction.id}",
            platform=PLATFORM,
            conversation=location.conversation,
            person=person_of(self.fleet.registry, interaction.user),
            at=self.fleet.now(),
            text=text,
            press=press,
            product=None if location.person else product_of(self.fleet.registry, location.channel),
            extra={
                "user": str(interaction.user.id),
                "channel": str(interaction.channel_id),
                "application": str(interaction.application_id),
                "token": interaction.token,
                "private": private,
            },
        )

    async def _complete(self, interaction: Interaction, data: Any) -> None:
        _, argument, so_far = from_command.typed(data)
        person = person_of(self.fleet.registry, interaction.user)
        found = from_command.choices(argument, so_far, self.fleet, self.router.skills, person)
        shown = [discord.app_commands.Choice(name=name, value=value) for name, value in found]
        await _acknowledge(interaction.response.autocomplete(shown))

    async def _make_task(self, interaction: Interaction, data: Any) -> None:
        """Open the task form for a message, or refuse a person who cannot start work on any product."""
        target = str(data.get("target_id", "0"))
        message = (data.get("resolved") or {}).get("messages", {}).get(target, {})
        person = person_of(self.fleet.registry, interaction.user)
        products = [name for name in self.fleet.products if access.may(person, Role.OPERATOR, name) is None]
        if data.get("name") != TASK or not products:
            said = access.may(person, Role.OPERATOR) or "You can't start work on any product yet. Ask an admin for access."
            await _acknowledge(interaction.response.send_message(said, ephemeral=True))
            return
        product = product_of(self.fleet.registry, _location(interaction).channel)
        products.sort(key=lambda name: name != product)
        await self._open(interaction, task_form(int(target), str(message.get("content") or ""), products, product))

    async def _submitted(self, interaction: Interaction, data: Any) -> None:
        custom_id, given = str(data.get("custom_id", "")), dict(_fields(data.get("components") or ()))
        if found := custom_ids.NOTE.fullmatch(custom_id):
            shown = custom_ids.shown(found)
            gate = self.fleet.store.gates.get(shown.gate)
            choice = gate.options[shown.option] if gate and shown.option < len(gate.options) else "?"
            press = Press(shown.gate, choice, given.get(NOTE, ""), shown.revision, shown.digest)
            await self._receive(interaction, _location(interaction), press=press, private=True)
        elif found := custom_ids.TASK.fullmatch(custom_id):
            data = {"name": "spawn", "options": [{"name": name, "value": given.get(name, "")} for name in (PRODUCT, OBJECTIVE)]}
            thread = _thread_of(interaction, int(found["message"]))
            await self.say(interaction, from_command.line(data, self.router.skills), location=thread)
        else:
            await _acknowledge(interaction.response.send_message(STALE, ephemeral=True))

    async def _open(self, interaction: Interaction, form: discord.ui.Modal) -> None:
        form.stop()  # its custom id says all, so the library need not keep it in memory
        await _acknowledge(interaction.response.send_modal(form))


async def _acknowledge(response: Any) -> bool:
    """Send the first response.

    Return False if Discord refuses it, because it is late or another process was first.
    """
    try:
        await response
    except (discord.DiscordException, aiohttp.ClientError, TimeoutError, OSError) as error:
        log.warning("discord: cannot acknowledge an interaction: %s", error)
        return False
    return True


def _location(interaction: Interaction) -> Location:
    channel = interaction.channel
    if interaction.guild_id is None:
        return Location(interaction.channel_id or 0, person=interaction.user.id)
    if isinstance(channel, discord.Thread):
        return Location(channel.parent_id, channel.id)
    return Location(interaction.channel_id or 0)


def _thread_of(interaction: Interaction, message: int) -> Location:
    """Return the thread of a message, or the channel where no thread can be opened."""
    location = _location(interaction)
    can_open = location.thread is None and can_open_thread(interaction.channel)
    return Location(location.channel, message) if can_open else location


def _fields(components: Any) -> Any:
    """Yield the id and the value of every field in a form."""
    for each in components:
        inner = [each["component"]] if "component" in each else each.get("components") or []
        yield from _fields(inner)
        if "custom_id" in each:
            yield each["custom_id"], str(each.get("value") if "value" in each else next(iter(each.get("values") or ()), ""))
