"""What `fleet doctor` looks at on Discord: the token, the intents, the permissions in each channel, the commands."""

import asyncio
from typing import TYPE_CHECKING

import discord

from bot.chat.discord.api import FAILURES, refused
from bot.chat.discord.channels import PLATFORM
from bot.chat.discord.chat import same_commands
from bot.chat.discord.connection import point_at
from bot.chat.discord.invite import missing
from bot.chat.discord.to_commands import commands
from bot.commands.catalogue import load
from bot.doctor.machine import Check

if TYPE_CHECKING:
    from bot.registry import Registry
    from bot.settings import Settings

PATIENCE = 15.0
"""Seconds for signing in."""


async def look(settings: "Settings", registry: "Registry | None") -> list[Check]:
    """Everything, or the one thing that keeps the rest from being looked at."""
    assert settings.discord_token is not None  # noqa: S101  looked at only where there is one
    point_at(settings.discord_api_url, settings.discord_gateway_url)
    client = discord.Client(intents=discord.Intents(guilds=True))
    try:
        await asyncio.wait_for(client.login(settings.discord_token.get_secret_value()), PATIENCE)
        return await _look(client, registry)
    except discord.LoginFailure:
        cure = "Copy it again from Bot → Reset Token in the developer portal."
        return [Check("discord", "fail", "Discord rejects DISCORD_TOKEN.", cure)]
    except FAILURES as error:
        failure = refused(error, "Discord")
        return [
            Check("discord", "fail", f"Discord could not be looked at: {failure.message}", "See that this machine reaches it.")
        ]
    finally:
        await client.close()


async def _look(client: discord.Client, registry: "Registry | None") -> list[Check]:
    checks = [Check("discord", "ok", f"signed in as {client.user}"), _intent(client), await _commands(client)]
    listed = [each for product in registry.products for each in product.channels] if registry else []
    for each in listed:
        if each.platform == PLATFORM:
            checks.append(await _channel(client, int(each.id)))
    if registry is not None and not any(PLATFORM in person.ids for person in registry.people):
        cure = 'Add `discord: "<user number>"` to somebody under `people` in products.yaml.'
        checks.append(Check("discord people", "warn", "Nobody is known on Discord, so nobody is let in there.", cure))
    return checks


def _intent(client: discord.Client) -> Check:
    flags = client.application_flags
    if flags.gateway_message_content or flags.gateway_message_content_limited:
        return Check("discord intents", "ok", "Message Content is on")
    said = "The Message Content intent is off: in threads the bot must be mentioned each time."
    return Check("discord intents", "warn", said, "Switch it on under Bot → Privileged Gateway Intents.")


async def _commands(client: discord.Client) -> Check:
    assert client.application_id is not None  # noqa: S101  it is signed in
    known = await client.http.get_global_commands(client.application_id)
    if same_commands(known, commands(load())):
        return Check("discord commands", "ok", "/fleet is registered as the skills are")
    return Check(
        "discord commands", "warn", "The commands at Discord are not those of the skills.", "`fleet up` registers them."
    )


async def _channel(client: discord.Client, number: int) -> Check:
    """Whether a product's channel can be used."""
    cure = "Invite the bot to that server with the link of `fleet discord-invite`, or correct products.yaml."
    try:
        channel = await client.fetch_channel(number)
    except discord.NotFound:
        return Check("discord channels", "fail", f"There is no channel {number}.", cure)
    except discord.Forbidden:
        return Check("discord channels", "fail", f"The bot may not see channel {number}.", cure)
    if not isinstance(channel, discord.TextChannel):
        return Check(
            "discord channels", "warn", f"Channel {number} is no text channel.", "Name a text channel in products.yaml."
        )
    guild = await client.fetch_guild(channel.guild.id, with_counts=False)
    assert client.user is not None  # noqa: S101  it is signed in
    me = await guild.fetch_member(client.user.id)
    fresh = discord.utils.find(lambda each: each.id == number, await guild.fetch_channels())
    lacks = missing(fresh or channel, me)
    if lacks:
        cure = f"Allow {', '.join(lacks)} for its role in #{channel.name}; `fleet discord-invite` says why."
        return Check("discord channels", "fail", f"In #{channel.name} of {guild.name} the bot lacks: {', '.join(lacks)}.", cure)
    return Check("discord channels", "ok", f"#{channel.name} of {guild.name}")
