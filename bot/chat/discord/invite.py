"""What the bot asks of a server: the least permissions, each with its reason, and the link that asks for them. Pure."""

import base64
import binascii

import discord

from bot.domain.errors import SettingsError

REASONS = {
    "view_channel": "see the channels of the products",
    "send_messages": "answer, report, and post the cards of gates",
    "create_public_threads": "give each conversation that begins with a mention a thread of its own",
    "send_messages_in_threads": "go on in these threads",
    "read_message_history": "answer what was said while it was away, and find what it has sent already",
    "attach_files": "send long plans and diffs as files",
    "pin_messages": "keep the fleet board pinned",
}
"""Permissions by discord.py's names. None lets it manage anything or mention everyone."""
SCOPES = {
    "bot": "be a member of the server, with a role of its own",
    "applications.commands": "offer /fleet and “Make this a task”",
}
INTENTS = {"message_content": "read what is said in its threads without a mention; without it, mention it each time"}
"""Privileged intents, switched on under Bot in the developer portal."""


def permissions() -> discord.Permissions:
    """All of them."""
    return discord.Permissions(**dict.fromkeys(REASONS, True))


def application_of(token: str) -> int:
    """The application's number, which is the first part of a token. Raises SettingsError for what cannot be a token."""
    first = token.split(".")[0]
    try:
        number = int(base64.b64decode(first + "=" * (-len(first) % 4), validate=True))
    except (ValueError, binascii.Error):
        raise SettingsError(
            "DISCORD_TOKEN is no bot token: its first part is no number.", "Copy it from Bot → Reset Token in the portal."
        ) from None
    return number


def link(application: int) -> str:
    """Where a person who manages a server invites the bot."""
    return discord.utils.oauth_url(application, permissions=permissions(), scopes=tuple(SCOPES))


def missing(channel: discord.abc.GuildChannel, me: discord.Member) -> list[str]:
    """The permissions that are lacking in a channel, in the words of Discord's own settings."""
    mine = channel.permissions_for(me)
    return [said(name) for name in REASONS if not getattr(mine, name)]


def said(permission: str) -> str:
    """A permission as Discord's settings call it."""
    words = permission.replace("_", " ").title().replace(" In ", " in ")
    return f"{words}s" if words == "View Channel" else words
