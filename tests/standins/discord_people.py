"""People in Discord's own client."""

from collections.abc import Iterator, Sequence
from typing import Any

from simcord.backend import serializers
from simcord.backend.models import Channel, Interaction, Message, User
from simcord.components import validate_modal, walk_components
from simcord.interactions import base_payload, check_options, nest_options, walk_to_subcommand

from tests.standins.discord import Discord

COMMAND, PRESS, SUGGEST, SUBMIT = 2, 3, 4, 5
TEXT_INPUT, BUTTON, SELECT = 4, 2, 3


class Human:
    """One person."""

    def __init__(self, discord: Discord, user: User) -> None:
        self.discord, self.world, self.user = discord, discord.world, user

    @property
    def id(self) -> int:
        """The user's id."""
        return self.user.id

    # -- saying ------------------------------------------------------------------------------------------------------

    def say(self, channel: Channel, text: str, *, to: Message | None = None) -> Message:
        """Write in a channel or a thread. `to` replies to a message."""
        reference = {"channel_id": str(channel.id), "message_id": str(to.id)} if to else None
        self.world.wake_thread(channel)
        return self.world.create_message(channel.id, self.id, text, reference=reference)

    def mention(self, channel: Channel, text: str) -> Message:
        """Write a message that mentions the bot."""
        return self.say(channel, f"<@{self.discord.bot}> {text}")

    def edit(self, message: Message, text: str) -> Message:
        """Edit an own message."""
        return self.world.edit_message(message.channel_id, message.id, {"content": text})

    def dm(self, text: str) -> Message:
        """Write to the bot's direct messages."""
        return self.world.create_message(self.world.get_dm_channel(self.id).id, self.id, text)

    @property
    def direct(self) -> Channel:
        """The direct messages with the bot."""
        return self.world.get_dm_channel(self.id)

    # -- looking -----------------------------------------------------------------------------------------------------

    async def sees(self, channel: Channel, *words: str) -> Message:
        """Wait for the bot's newest message in a channel with all these words."""
        return await self.discord.until(lambda: find(self.world.shown(channel.id), words), f"the bot shows {words}")

    async def is_told(self, *words: str) -> Message:
        """Wait for the newest ephemeral message to this person with all these words."""
        return await self.discord.until(lambda: find(self.world.whispered(self.id), words), f"{self.user.name} is told {words}")

    # -- interactions ------------------------------------------------------------------------------------------------

    async def press(self, message: Message, label: str, *, wait: bool = True) -> "Pressed":
        """Press a button, which has to exist and be enabled."""
        return await self._component(message, _button(message, label), {}, wait)

    async def choose(self, message: Message, *values: str, wait: bool = True) -> "Pressed":
        """Choose options by label from a message's only menu."""
        menu = next(each for each in walk_components(message.components) if each["type"] == SELECT)
        known = {each["label"]: each["value"] for each in menu["options"]}
        return await self._component(message, menu, {"values": [known[value] for value in values]}, wait)

    async def _component(self, message: Message, item: dict[str, Any], more: dict[str, Any], wait: bool) -> "Pressed":
        data = {"custom_id": item["custom_id"], "component_type": item["type"], "id": item.get("id", 0), **more}
        extra = {"message": dict(serializers.message_payload(self.world, message))}
        record = self._interact(PRESS, message.channel_id, data, extra)
        record.source_message_id = message.id
        return await self._answered(record, wait)

    async def slash(
        self, channel: Channel, line: str, options: dict[str, Any] | None = None, *, wait: bool = True
    ) -> "Pressed":
        """Send a registered command, such as `fleet status`, with typed options."""
        command = self._command(channel, line.split()[0], 1)
        leaf, nesting = walk_to_subcommand(command, line.split()[1:])
        accepted = check_options(line, leaf, options or {})
        types = {each["name"]: each["type"] for each in leaf.get("options") or []}
        given = [{"name": name, "type": types[name], "value": value} for name, value in accepted.items()]
        data = {"id": command["id"], "name": command["name"], "type": 1, "options": nest_options(command, nesting, given)}
        return await self._answered(self._interact(COMMAND, channel.id, data), wait)

    async def suggestions(self, channel: Channel, line: str, option: str, typed: str, **options: Any) -> list[str]:
        """Return the completions of an option."""
        command = self._command(channel, line.split()[0], 1)
        leaf, nesting = walk_to_subcommand(command, line.split()[1:])
        spec = next(each for each in leaf["options"] if each["name"] == option)
        assert spec.get("autocomplete"), f"{option} offers nothing"
        given: list[dict[str, Any]] = [{"name": name, "type": 3, "value": value} for name, value in options.items()]
        given.append({"name": option, "type": spec["type"], "value": typed, "focused": True})
        data = {"id": command["id"], "name": command["name"], "type": 1, "options": nest_options(command, nesting, given)}
        pressed = await self._answered(self._interact(SUGGEST, channel.id, data), True)
        choices = pressed.record.autocomplete_choices or []
        assert len(choices) <= 25 and all(1 <= len(each["name"]) <= 100 for each in choices), choices
        return [each["value"] for each in choices]

    async def menu(self, channel: Channel, name: str, message: Message, *, wait: bool = True) -> "Pressed":
        """Use a command on a message."""
        command = self._command(channel, name, 3)
        shown = {str(message.id): dict(serializers.message_payload(self.world, message))}
        data = {"id": command["id"], "name": name, "type": 3, "target_id": str(message.id), "resolved": {"messages": shown}}
        return await self._answered(self._interact(COMMAND, channel.id, data), wait)

    async def submit(self, shown: "Pressed", *, wait: bool = True, **values: str) -> "Pressed":
        """Submit the form that was shown, with values by custom id."""
        assert shown.record.modal is not None, "no form was shown"
        form = validate_modal(shown.record.modal)
        data = {"custom_id": form["custom_id"], "components": list(_filled(form["components"], values))}
        assert not values, f"the form has no {', '.join(values)}"
        extra = {}
        if (source := shown.record.source_message_id) is not None:
            message = self.world.get_message(shown.record.channel_id, source)
            extra = {"message": dict(serializers.message_payload(self.world, message))}
        record = self._interact(SUBMIT, shown.record.channel_id, data, extra)
        record.source_message_id = source
        return await self._answered(record, wait)

    def _command(self, channel: Channel, name: str, kind: int) -> dict[str, Any]:
        found = self.world.visible_commands(user_id=self.id, channel_id=channel.id, type=kind)
        known = [each for each in found if each["name"] == name]
        assert known, f"Discord offers no {name!r} here; it was never synced, or this person may not use it"
        return known[0]

    def _interact(self, kind: int, channel: int, data: dict[str, Any], extra: dict[str, Any] | None = None) -> Interaction:
        guild = self.world.channels[channel].guild_id
        record, payload = base_payload(self.world, type=kind, channel_id=channel, guild_id=guild, user_id=self.id, data=data)
        self.world.emit("INTERACTION_CREATE", {**payload, **(extra or {})})
        return record

    async def _answered(self, record: Interaction, wait: bool) -> "Pressed":
        if wait:
            await self.discord.until(lambda: record.responded, f"{self.user.name}'s interaction is acknowledged")
        return Pressed(self, record)


class Pressed:
    """An interaction and its results."""

    def __init__(self, human: Human, record: Interaction) -> None:
        self.human, self.record = human, record

    @property
    def world(self) -> Any:
        """The world it happened in."""
        return self.human.world

    @property
    def failed(self) -> bool:
        """True if the client shows "This interaction failed"."""
        late = self.record.initial_response_deadline or ""
        return not self.record.responded and self.human.world.now_iso() >= late

    @property
    def messages(self) -> list[Message]:
        """The responses, oldest first, without those that still show "thinking…"."""
        ids = [self.record.message_id, *self.record.followup_ids]
        found = [self.human.world.messages[self.record.channel_id].get(each) for each in ids if each is not None]
        return [
            each
            for each in found
            if each is not None and not each.flags & (1 << 7) and each.id != self.record.source_message_id
        ]

    async def answer(self, *words: str) -> Message:
        """Wait for the response."""
        return await self.human.discord.until(lambda: find(self.messages, words), f"the interaction is answered with {words}")


def text_of(message: Message) -> str:
    """Return all text of a message with its components."""
    parts = [message.content]
    for each in walk_components(message.components):
        parts += [str(each[key]) for key in ("content", "label", "placeholder") if each.get(key)]
        parts += [option["label"] for option in each.get("options") or []]
    parts += [each["filename"] for each in message.attachments]
    return "\n".join(parts)


def labels(message: Message) -> list[str]:
    """Return the labels of the enabled buttons."""
    found = [each for each in walk_components(message.components) if each["type"] == BUTTON and not each.get("disabled")]
    return [each["label"] for each in found]


def find(messages: Sequence[Message], words: Sequence[str]) -> Message | None:
    """Return the newest message with all these words."""
    return next((each for each in reversed(messages) if all(word in text_of(each) for word in words)), None)


def _button(message: Message, label: str) -> dict[str, Any]:
    for each in walk_components(message.components):
        if each["type"] == BUTTON and each.get("label") == label:
            assert not each.get("disabled"), f"the button {label!r} is greyed out"
            assert each.get("custom_id"), f"the button {label!r} is a link"
            return dict(each)
    raise AssertionError(f"there is no button {label!r} among {labels(message)}")


def _filled(components: Sequence[dict[str, Any]], values: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Yield the form's components as they are sent, and remove their values from `values`."""
    for each in components:
        match each["type"]:
            case 18:
                (inner,) = _filled([each["component"]], values)
                yield {"type": 18, "id": each["id"], "component": inner}
            case 4:
                text = values.pop(each["custom_id"], each.get("value") or "")
                least, most = each.get("min_length") or 0, each.get("max_length") or 4000
                assert text or not each.get("required", True), f"{each['custom_id']} has to be filled in"
                assert not text or least <= len(text) <= most, f"{each['custom_id']} takes {least} to {most} characters"
                yield {"type": 4, "id": each["id"], "custom_id": each["custom_id"], "value": text}
            case 3:
                known = {option["value"]: option for option in each["options"]}
                chosen = values.pop(each["custom_id"], None) or next((v for v, o in known.items() if o.get("default")), None)
                assert chosen in known or not each.get("required", True), f"{each['custom_id']} has no {chosen!r}"
                picked = [chosen] if chosen else []
                yield {"type": 3, "id": each["id"], "custom_id": each["custom_id"], "values": picked}
            case 10:
                yield {"type": 10, "id": each["id"]}
            case kind:
                raise AssertionError(f"a form has no component {kind}")
