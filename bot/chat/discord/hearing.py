"""What comes in: messages and interactions become events of the router's. Persisted first, then acknowledged, then judged.

Discord wants an answer to an interaction within three seconds, so nothing is asked of anybody before that: the store keeps it
(half a millisecond), Discord shows “thinking…”, and whether the person may do it is decided afterwards.
"""

import asyncio
import logging
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import aiohttp
import discord

from bot.chat.discord import from_command, ids
from bot.chat.discord.from_message import (
    A_DAY,
    PLATFORM,
    Place,
    addressed,
    inbound,
    person_of,
    product_of,
    spoken,
    to_others,
    words_of,
)
from bot.chat.discord.page import GateButton, Own, SayButton, at_once
from bot.chat.discord.saying import Saying
from bot.chat.discord.to_commands import TASK
from bot.chat.discord.to_form import NOTE, OBJECTIVE, PRODUCT, note_form, takes_note, task_form
from bot.chat.discord.wire import FAILURES
from bot.commands.catalogue import irreversible
from bot.domain import Gate, GateState, Inbound, Press, Role, access
from bot.domain.errors import StoreError
from bot.gates.notify import Deciders

if TYPE_CHECKING:
    from bot.conversation.router import Router
    from bot.fleet import Fleet

log = logging.getLogger(__name__)

TRIES = 30
"""How often a message is offered to the store."""
TOLD_AGAIN = timedelta(hours=1)
"""After which somebody whom we do not know is told so again."""
MOST = 5000
"""Acknowledged interactions that are remembered; the answers to older ones look how they stand."""
THREADS = ("view_channel", "send_messages_in_threads", "create_public_threads")
STALE = "This button is of an older version of me. Say `/fleet gates` for what waits."
Interaction = discord.Interaction[Any]


class Hearing:
    """Hears for the router. What could not be kept is tried again, `pause` seconds later each time."""

    def __init__(self, fleet: "Fleet", router: "Router", saying: Saying, pause: float) -> None:
        self.fleet, self.router, self.saying, self._pause = fleet, router, saying, pause
        self.newest = 0
        """The greatest number of a message that came in."""
        self.unheard: set[int] = set()
        """Messages that came in and are not kept yet."""
        self._told: dict[int, datetime] = {}
        """When each stranger was told last that we do not know them."""

    # -- messages ----------------------------------------------------------------------------------------------------

    async def message(self, message: discord.Message, me: discord.ClientUser) -> None:
        """A message, as it came or found in the history."""
        self.newest = max(self.newest, message.id)
        if not spoken(message):
            return
        self.unheard.add(message.id)
        for _ in range(TRIES):
            try:
                await self._take(message, me)
            except (StoreError, *FAILURES) as error:
                log.warning("message %s could not be kept, it is tried again: %s", message.id, error)
                await asyncio.sleep(self._pause)
            else:
                self.unheard.discard(message.id)
                return
        log.error("message %s could not be kept; it is read again at the next start", message.id)

    async def _take(self, message: discord.Message, me: discord.ClientUser) -> None:
        place, unknown = await self._place(message, me), self._unknown(message.author)
        if place is None or (unknown and self._told_lately(message.author.id)):
            return
        found = inbound(message, place, me, self.fleet.registry, self.fleet.now)
        found = found if found.text else replace(found, text="/fleet help")
        self._alive(place)
        self.router.receive(found)
        if unknown:
            self._told[message.author.id] = self.fleet.now()

    async def edited(self, message: discord.Message, me: discord.ClientUser) -> None:
        """A message may say something else now: it is taken up if it was not, and never twice. Discord tells the same of one
        that was pinned, or whose links have got a preview."""
        if message.edited_at is None or not spoken(message) or not _readable(message):
            return
        event = f"{PLATFORM}:{message.id}"
        known = self.fleet.store.inbound.get(event)
        if known is None:
            if message.id > self.newest - A_DAY:
                await self.message(message, me)
        elif words_of(message, me) not in (known.text, "") and not self._unknown(message.author):
            text = "I have taken up what you wrote before you changed it. If you want something else, say it in a new message."
            key = f"{event}:edited:{message.edited_at.isoformat()}"
            self.fleet.say(known.conversation, text, key=key, product=known.product, answers=event, private=True)

    def deleted(self, message: int) -> None:
        """A message was taken back: what it began is stopped, if it is still under way."""
        event = f"{PLATFORM}:{message}"
        known = self.fleet.store.inbound.get(event)
        if known is not None and not self.fleet.store.inbound.done(event):
            self.router.stop_turn(known.conversation)

    def _unknown(self, user: discord.abc.User) -> bool:
        return person_of(self.fleet.registry, user).products == access.NOTHING

    def _told_lately(self, user: int) -> bool:
        last = self._told.get(user)
        return last is not None and self.fleet.now() - last < TOLD_AGAIN

    def _alive(self, place: Place) -> None:
        """Somebody spoke there, so something can be said there."""
        for conversation in {place.conversation, Place(place.channel, person=place.person).conversation}:
            self.fleet.mark_reachable(conversation)

    async def _place(self, message: discord.Message, me: discord.ClientUser) -> Place | None:
        """The conversation in which a message is meant for us; None when it is not."""
        channel, named = message.channel, addressed(message, me)
        parent: int
        thread: int | None
        if isinstance(channel, discord.DMChannel):
            self.saying.met(message.author.id, channel.id)
            return Place(channel.id, person=message.author.id)
        if isinstance(channel, discord.PartialMessageable):  # a thread or a server that has not been shown to us yet
            parent, thread = await self.saying.wire.parent(channel.id)
        elif isinstance(channel, discord.Thread):
            parent, thread = channel.parent_id, channel.id
        else:
            parent, thread = channel.id, None
        if thread is not None:
            self.saying.opened.add(thread)
            meant = named or (self._ours(parent, thread) and self._overheard(message, me))
            return Place(parent, thread) if meant else None
        if not named:
            return None
        return Place(parent, message.id if _may_open(channel) else None)

    def _ours(self, parent: int, thread: int) -> bool:
        """Whether it is a thread that we speak in."""
        return bool(self.fleet.store.posts.of(Place(parent, thread).conversation, limit=1))

    def _overheard(self, message: discord.Message, me: discord.ClientUser) -> bool:
        """Whether what does not name us is meant for us all the same, in a thread of ours."""
        return _readable(message) and not to_others(message, me) and not self._unknown(message.author)

    # -- interactions ------------------------------------------------------------------------------------------------

    async def interaction(self, interaction: Interaction) -> None:
        """Commands, what is offered while one is typed, forms, and buttons that nobody knows any more."""
        data: Any = interaction.data or {}
        match interaction.type:
            case discord.InteractionType.application_command if data.get("type") == 3:
                await self._make_task(interaction, data)
            case discord.InteractionType.application_command:
                await self.say(interaction, from_command.line(data, self.router.skills))
            case discord.InteractionType.autocomplete:
                await self._offer(interaction, data)
            case discord.InteractionType.modal_submit:
                await self._submitted(interaction, data)
            case discord.InteractionType.component:
                if not any(each.fullmatch(data.get("custom_id", "")) for each in (ids.GATE, ids.PICK, ids.SAY, ids.STOP)):
                    await _acknowledged(interaction.response.send_message(STALE, ephemeral=True))

    async def pressed(self, interaction: Interaction, shown: ids.Shown) -> None:
        """A choice on a gate's card: decided, or asked for its note first, or once more where it is done at once. What this
        person cannot decide is refused by the router in words, before anybody fills in a form."""
        gate = self.fleet.store.gates.get(shown.gate)
        choice = gate.options[shown.option] if gate and shown.option < len(gate.options) else ""
        if gate is not None and self._may_decide(interaction.user, gate, shown):
            if takes_note(choice):
                await self._show(interaction, note_form(gate, shown))
                return
            if at_once(gate, choice) and not shown.sure:
                title = discord.utils.escape_markdown(gate.title)
                await self._ask(interaction, f"“{title}” is done at once.", GateButton, ids.gate(gate, shown.option))
                return
        press = Press(shown.gate, choice or "?", "", shown.revision, shown.digest)
        await self._receive(interaction, _place_of(interaction), press=press, private=True)

    def _may_decide(self, user: discord.abc.User, gate: Gate, shown: ids.Shown) -> bool:
        """Whether this person's press, on what was shown, counts as things stand."""
        names, _ = Deciders(self.fleet).of(gate)
        fresh = gate.state is GateState.OPEN and gate.digest == shown.digest
        return fresh and person_of(self.fleet.registry, user).name in names

    async def _ask(self, interaction: Interaction, what: str, button: type[Own], does: str) -> None:
        """Ask once more, alone with the person, before something is done that cannot be taken back."""
        view = discord.ui.View(timeout=None)
        view.add_item(button.button(ids.sure(does), "Do it", discord.ButtonStyle.danger))
        view.stop()  # it is understood by what it carries; the library need not remember it
        await _acknowledged(interaction.response.send_message(f"{what} Are you sure?", view=view, ephemeral=True))

    async def suggested(self, interaction: Interaction, post: int, place: int, *, sure: bool) -> None:
        """A suggestion is said, as if it had been typed."""
        found = self.fleet.store.posts.get(post)
        if found is None or place >= len(found.suggestions):
            await _acknowledged(interaction.response.send_message(STALE, ephemeral=True))
            return
        command = found.suggestions[place].command
        if irreversible(command) and not sure:
            await self._ask(interaction, f"`{command}` cannot be taken back.", SayButton, ids.say(post, place))
            return
        await self.say(interaction, command)

    async def stopped(self, interaction: Interaction) -> None:
        """The turn of this conversation is to stop."""
        if _place_of(interaction).conversation in self.router.running():
            await self.say(interaction, "stop", private=True)
        else:
            await _acknowledged(interaction.response.send_message("Nothing runs here any more.", ephemeral=True))

    async def say(self, interaction: Interaction, text: str, *, private: bool = False, place: Place | None = None) -> None:
        """An interaction that says something, in the place where it happens or in another."""
        await self._receive(interaction, place or _place_of(interaction), text=text, private=private)

    async def _receive(
        self, interaction: Interaction, place: Place, *, text: str = "", press: Press | None = None, private: bool = False
    ) -> None:
        """Keep it, acknowledge it; the router judges it meanwhile, and its answer waits for the acknowledgement."""
        event = self._inbound(interaction, place, text, press, private)
        done = self.saying.acks[event.event] = asyncio.get_running_loop().create_future()
        acknowledged = False
        try:
            self._alive(place)
            self.router.receive(event)
            thinking = interaction.response.defer(ephemeral=private, thinking=True)
            acknowledged = await _acknowledged(thinking)
        except StoreError as error:
            log.error("an interaction could not be kept: %s", error)
            said = f"I could not keep this: {error} Nothing was done; try again."
            await _acknowledged(interaction.response.send_message(said[:1900], ephemeral=True))
        finally:
            done.set_result(acknowledged)
            while len(self.saying.acks) > MOST and next(iter(self.saying.acks.values())).done():
                self.saying.acks.pop(next(iter(self.saying.acks)))

    def _inbound(self, interaction: Interaction, place: Place, text: str, press: Press | None, private: bool) -> Inbound:
        return Inbound(
            event=f"{PLATFORM}:{interaction.id}",
            platform=PLATFORM,
            conversation=place.conversation,
            person=person_of(self.fleet.registry, interaction.user),
            at=self.fleet.now(),
            text=text,
            press=press,
            product=None if place.person else product_of(self.fleet.registry, place.channel),
            extra={
                "user": str(interaction.user.id),
                "channel": str(interaction.channel_id),
                "application": str(interaction.application_id),
                "token": interaction.token,
                "private": private,
            },
        )

    async def _offer(self, interaction: Interaction, data: Any) -> None:
        _, argument, so_far = from_command.typed(data)
        person = person_of(self.fleet.registry, interaction.user)
        found = from_command.choices(argument, so_far, self.fleet, self.router.skills, person)
        shown = [discord.app_commands.Choice(name=name, value=value) for name, value in found]
        await _acknowledged(interaction.response.autocomplete(shown))

    async def _make_task(self, interaction: Interaction, data: Any) -> None:
        """The form for a message, filled in; refused at once where somebody has nothing to choose from."""
        target = str(data.get("target_id", "0"))
        message = (data.get("resolved") or {}).get("messages", {}).get(target, {})
        person = person_of(self.fleet.registry, interaction.user)
        products = [name for name in self.fleet.products if access.may(person, Role.OPERATOR, name) is None]
        if data.get("name") != TASK or not products:
            said = access.may(person, Role.OPERATOR) or "There is no product yet that you may give work to."
            await _acknowledged(interaction.response.send_message(said, ephemeral=True))
            return
        product = product_of(self.fleet.registry, _place_of(interaction).channel)
        products.sort(key=lambda name: name != product)
        await self._show(interaction, task_form(int(target), str(message.get("content") or ""), products, product))

    async def _submitted(self, interaction: Interaction, data: Any) -> None:
        custom_id, given = str(data.get("custom_id", "")), dict(_fields(data.get("components") or ()))
        if found := ids.NOTE.fullmatch(custom_id):
            shown = ids.shown(found)
            gate = self.fleet.store.gates.get(shown.gate)
            choice = gate.options[shown.option] if gate and shown.option < len(gate.options) else "?"
            press = Press(shown.gate, choice, given.get(NOTE, ""), shown.revision, shown.digest)
            await self._receive(interaction, _place_of(interaction), press=press, private=True)
        elif found := ids.TASK.fullmatch(custom_id):
            data = {"name": "spawn", "options": [{"name": name, "value": given.get(name, "")} for name in (PRODUCT, OBJECTIVE)]}
            below = _below(interaction, int(found["message"]))
            await self.say(interaction, from_command.line(data, self.router.skills), place=below)
        else:
            await _acknowledged(interaction.response.send_message(STALE, ephemeral=True))

    async def _show(self, interaction: Interaction, form: discord.ui.Modal) -> None:
        form.stop()  # it is understood by what it carries; the library need not remember it
        await _acknowledged(interaction.response.send_modal(form))


async def _acknowledged(answering: Any) -> bool:
    """Whether Discord took the first answer: it does not when it comes too late, or when another process gave one."""
    try:
        await answering
    except (discord.DiscordException, aiohttp.ClientError, TimeoutError, OSError) as error:
        log.warning("an interaction could not be acknowledged: %s", error)
        return False
    return True


def _place_of(interaction: Interaction) -> Place:
    channel = interaction.channel
    if interaction.guild_id is None:
        return Place(interaction.channel_id or 0, person=interaction.user.id)
    if isinstance(channel, discord.Thread):
        return Place(channel.parent_id, channel.id)
    return Place(interaction.channel_id or 0)


def _below(interaction: Interaction, message: int) -> Place:
    """The thread of a message, where it may have one."""
    place = _place_of(interaction)
    return Place(place.channel, message) if place.thread is None and _may_open(interaction.channel) else place


def _may_open(channel: Any) -> bool:
    """Whether a thread may be opened here, as far as is known; a channel that cannot have any says no."""
    if not isinstance(channel, discord.TextChannel):
        return False
    mine = channel.permissions_for(channel.guild.me)
    return all(getattr(mine, name) for name in THREADS)


def _readable(message: discord.Message) -> bool:
    """Whether it says anything: without the Message Content intent it does not."""
    return bool(message.content or message.attachments)


def _fields(components: Any) -> Any:
    """What a form was filled in with, by the fields' ids."""
    for each in components:
        inner = [each["component"]] if "component" in each else each.get("components") or []
        yield from _fields(inner)
        if "custom_id" in each:
            yield each["custom_id"], str(each.get("value") if "value" in each else next(iter(each.get("values") or ()), ""))
