"""The state behind Discord's API, with guilds, channels, threads, people, messages and commands.

State, permissions and limits are simcord's. This module adds nonces, closed direct messages, locked threads, second threads on
a message, permissions of files, replies and pins, and the size of commands.
"""

import re
from collections.abc import Mapping
from typing import Any

import discord
from simcord.backend import Backend
from simcord.backend.errors import BackendError, invalid_form_body, unknown_message
from simcord.backend.models import Channel, Guild, Message, Overwrite, User
from simcord.enums import ChannelType, OverwriteType

NONCE_KEPT = 180.0
"""Seconds for which Discord recognizes a nonce."""
COMMAND_SIZE = 8000
"""Most characters of names, descriptions and values in one command."""
NAME = re.compile(r"[-_\w]{1,32}")


class World(Backend):
    """The state behind Discord's API."""

    def __init__(self) -> None:
        super().__init__()
        self.nonces: dict[tuple[int, str], tuple[float, int]] = {}
        """Time and message by channel and nonce."""
        self.closed: set[int] = set()
        """People who accept no direct messages."""

    # -- arranging ---------------------------------------------------------------------------------------------------

    def guild(self, name: str = "Works") -> Guild:
        """Add a guild with the bot and the permissions of its invite link."""
        from bot.chat.discord.invite import permissions

        guild = self.create_guild(name)
        role = next(role for role in guild.roles.values() if role.managed)
        role.permissions = permissions().value
        everyone = guild.roles[guild.id]
        everyone.permissions = discord.Permissions(
            view_channel=True,
            send_messages=True,
            read_message_history=True,
            send_messages_in_threads=True,
            use_application_commands=True,
        ).value
        return guild

    def channel(self, guild: Guild, name: str, *, kind: int = ChannelType.TEXT) -> Channel:
        """Add a channel to a guild."""
        return self.create_channel(guild.id, name, type=kind)

    def member(self, guild: Guild, name: str) -> User:
        """Add a person without roles to a guild."""
        user = self.make_user(name)
        self.add_member(guild.id, user.id)
        return user

    def deny(self, channel: Channel, *names: str) -> None:
        """Remove permissions of the bot in one channel, or all of the invite link's."""
        taken = discord.Permissions(**dict.fromkeys(names, True)).value
        assert channel.guild_id is not None
        self.set_overwrite(channel.id, Overwrite(self.bot_user.id, OverwriteType.MEMBER, 0, taken))

    # -- looking -----------------------------------------------------------------------------------------------------

    def shown(self, channel: int) -> list[Message]:
        """Return the bot's messages in a channel that everyone sees, oldest first."""
        found = self.messages.get(channel, {}).values()
        own = [each for each in found if each.author_id == self.bot_user.id and not each.is_ephemeral]
        return sorted((each for each in own if each.type in (0, 19, 20)), key=lambda each: each.id)

    def whispered(self, user: int) -> list[Message]:
        """Return the ephemeral messages that one person sees."""
        everything = [each for channel in self.messages.values() for each in channel.values()]
        return sorted((each for each in everything if each.is_ephemeral and each.visible_to(user)), key=lambda each: each.id)

    # -- refusing ----------------------------------------------------------------------------------------------------

    def check_send(self, channel_id: int, body: Mapping[str, Any], files: int) -> Message | None:
        """Check a new message beyond simcord, and return the message with the same nonce."""
        channel = self.get_channel(channel_id)
        if channel.type == ChannelType.DM and set(channel.recipient_ids) & self.closed:
            raise BackendError(403, 50007, "Cannot send messages to this user")
        self.wake_thread(channel)
        self.check_extras(channel, body, files)
        nonce = body.get("nonce")
        if nonce is None:
            return None
        if len(str(nonce)) > 25:
            raise invalid_form_body("nonce: Must be 25 or fewer in length.")
        at, message = self.nonces.get((channel_id, str(nonce)), (0.0, 0))
        if body.get("enforce_nonce") and message and self.clock.elapsed - at < NONCE_KEPT:
            return self.messages[channel_id].get(message)
        return None

    def check_extras(self, channel: Channel, body: Mapping[str, Any], files: int) -> None:
        """Check the permissions for files and replies."""
        wanted = ["attach_files"] if files else []
        wanted += ["read_message_history"] if body.get("message_reference") else []
        if channel.guild_id is not None and wanted:
            self.require_permissions(channel.guild_id, self.bot_user.id, channel.id, *wanted)

    def wake_thread(self, channel: Channel) -> None:
        """Reopen an archived thread for a message, unless it is locked."""
        state = channel.thread_metadata
        if state is None or not state.archived:
            return
        if state.locked:
            raise BackendError(400, 50083, "Thread is archived")
        state.archived = False
        self.announce_channel_update(channel.id)

    def check_thread(self, channel_id: int, message_id: int, body: Mapping[str, Any]) -> None:
        """Check the opening of a message's thread beyond simcord."""
        channel = self.get_channel(channel_id)
        if channel.is_thread or channel.guild_id is None:
            raise BackendError(400, 50024, "Cannot execute action on this channel type")
        if not 1 <= len(str(body.get("name", ""))) <= 100:
            raise invalid_form_body("name: Must be between 1 and 100 in length.")
        if message_id in self.channels:
            raise BackendError(400, 160004, "A thread has already been created for this message")

    def pin(self, channel_id: int, message_id: int) -> None:
        """Pin a message, which has needed a permission of its own since 2026."""
        channel = self.get_channel(channel_id)
        if channel.guild_id is not None:
            self.require_permissions(channel.guild_id, self.bot_user.id, channel_id, "pin_messages")
        if message_id not in self.messages.get(channel_id, {}):
            raise unknown_message()
        self.set_pinned(channel_id, message_id, True)

    def check_commands(self, commands: list[dict[str, Any]]) -> None:
        """Check the number, names and lengths of commands."""
        if sum(each.get("type", 1) == 1 for each in commands) > 100:
            raise BackendError(400, 30032, "Maximum number of application commands reached (100)")
        for command in commands:
            chat = command.get("type", 1) == 1
            if chat and not NAME.fullmatch(command["name"]):
                raise invalid_form_body(f"name: {command['name']!r} is invalid")
            if chat and _size(command) > COMMAND_SIZE:
                raise invalid_form_body("Command exceeds maximum size (8000)")
            _check_options(command)


def _check_options(node: Mapping[str, Any]) -> None:
    options = node.get("options") or []
    if len(options) > 25:
        raise invalid_form_body(f"options of {node['name']}: Must be 25 or fewer in length.")
    if len({each["name"] for each in options}) != len(options):
        raise invalid_form_body(f"options of {node['name']}: names must be unique")
    optional = False
    for option in options:
        if not NAME.fullmatch(option["name"]) or option["name"] != option["name"].lower():
            raise invalid_form_body(f"name: {option['name']!r} is invalid")
        if not 1 <= len(option.get("description", "")) <= 100:
            raise invalid_form_body(f"description of {option['name']}: Must be between 1 and 100 in length.")
        if option.get("required") and optional:
            raise invalid_form_body("Required options must be placed before non-required options")
        optional = optional or (option["type"] > 2 and not option.get("required"))
        choices = option.get("choices") or []
        if len(choices) > 25 or (choices and option.get("autocomplete")):
            raise invalid_form_body(f"choices of {option['name']} are invalid")
        _check_options(option)


def _size(node: Mapping[str, Any]) -> int:
    choices = sum(len(each["name"]) + len(str(each["value"])) for each in node.get("choices") or [])
    inner = sum(_size(option) for option in node.get("options") or [])
    return len(node["name"]) + len(node.get("description", "")) + choices + inner
