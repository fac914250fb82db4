"""The permissions that the bot needs on a server, with their reasons, and the invite link. Pure."""

import base64
import binascii

import discord

from bot.domain.errors import SettingsError

REASONS = {
    "view_channel": "see the products' channels",
    "send_messages": "answer, report, and post cards",
    "create_public_threads": "start a thread for each mention",
    "send_messages_in_threads": "answer in these threads",
    "read_message_history": "answer messages sent while it was offline, and avoid sending anything twice",
    "attach_files": "send long plans and diffs as files",
    "pin_messages": "pin the fleet board",
}
"""Permissions by discord.py's names. None allows managing anything or mentioning everyone."""
SCOPES = {
    "bot": "join the server with its own role",
    "applications.commands": "offer /fleet and “Make this a task”",
}
INTENTS = {"message_content": "read messages in its threads that do not mention it"}
"""Privileged intents, enabled under Bot in the developer portal."""


def permissions() -> discord.Permissions:
    """Return all permissions that the bot needs."""
    return discord.Permissions(**dict.fromkeys(REASONS, True))


def application_of(token: str) -> int:
    """Return the application id, which is the first part of a token.

    Raises SettingsError for a text that cannot be a token.
    """
    first = token.split(".")[0]
    try:
        number = int(base64.b64decode(first + "=" * (-len(first) % 4), validate=True))
    except (ValueError, binascii.Error):
        raise SettingsError(
            "DISCORD_TOKEN is not a bot token: its first part is not a number.",
            "Copy it from Bot → Reset Token in the developer portal.",
        ) from None
    return number


def link(application: int) -> str:
    """Return the link with which a server's manager invites the bot."""
    return discord.utils.oauth_url(application, permissions=permissions(), scopes=tuple(SCOPES))


def missing(channel: discord.abc.GuildChannel, me: discord.Member) -> list[str]:
    """Return the permissions missing in a channel, as Discord's settings name them."""
    mine = channel.permissions_for(me)
    return [described(name) for name in REASONS if not getattr(mine, name)]


def described(permission: str) -> str:
    """Return a permission's name in Discord's settings."""
    words = permission.replace("_", " ").title().replace(" In ", " in ")
    return f"{words}s" if words == "View Channel" else words
