"""Checks of `fleet doctor` for Discord, which cover the token, intents, permissions and commands."""

import asyncio

import discord

from bot.chat.discord.api import FAILURES, refused
from bot.chat.discord.channels import PLATFORM
from bot.chat.discord.chat import same_commands
from bot.chat.discord.connection import point_at
from bot.chat.discord.invite import missing
from bot.chat.discord.to_commands import commands
from bot.commands.catalogue import load
from bot.domain.checks import Check
from bot.registry import Registry
from bot.settings import Settings

PATIENCE = 15.0
"""Seconds to wait for the login."""


async def check(settings: Settings, registry: Registry | None) -> list[Check]:
    """Run every check, or return only the failure of the login."""
    assert settings.discord_token is not None  # noqa: S101  checked only where it is set
    point_at(settings.discord_api_url, settings.discord_gateway_url)
    client = discord.Client(intents=discord.Intents(guilds=True))
    try:
        await asyncio.wait_for(client.login(settings.discord_token.get_secret_value()), PATIENCE)
        return await _checks(client, registry)
    except discord.LoginFailure:
        fix = "Copy it again from Bot → Reset Token in the developer portal."
        return [Check("discord", "fail", "Discord rejects DISCORD_TOKEN.", fix)]
    except FAILURES as error:
        failure = refused(error, "Discord")
        return [
            Check(
                "discord", "fail", f"Discord could not be checked: {failure.message}", "Check that this machine can reach it."
            )
        ]
    finally:
        await client.close()


async def _checks(client: discord.Client, registry: Registry | None) -> list[Check]:
    checks = [Check("discord", "ok", f"signed in as {client.user}"), _intent(client), await _commands(client)]
    listed = [each for product in registry.products for each in product.channels] if registry else []
    for each in listed:
        if each.platform == PLATFORM:
            checks.append(await _channel(client, int(each.id)))
    if registry is not None and not any(PLATFORM in person.ids for person in registry.people):
        summary = "No person under `people` has a `discord` id, so the bot answers nobody on Discord."
        fix = 'Add `discord: "<user id>"` to a person under `people` in products.yaml.'
        checks.append(Check("discord people", "warn", summary, fix))
    return checks


def _intent(client: discord.Client) -> Check:
    flags = client.application_flags
    if flags.gateway_message_content or flags.gateway_message_content_limited:
        return Check("discord intents", "ok", "Message Content is on")
    summary = "The Message Content intent is off, so people must mention the bot in every message of a thread."
    return Check(
        "discord intents", "warn", summary, "Turn it on under Bot → Privileged Gateway Intents in the developer portal."
    )


async def _commands(client: discord.Client) -> Check:
    assert client.application_id is not None  # noqa: S101  it is signed in
    known = await client.http.get_global_commands(client.application_id)
    if same_commands(known, commands(load())):
        return Check("discord commands", "ok", "/fleet is registered with every skill")
    return Check(
        "discord commands",
        "warn",
        "The commands registered on Discord do not match the skills.",
        "Run `fleet up` to register them.",
    )


async def _channel(client: discord.Client, number: int) -> Check:
    """Check that a product's channel can be used."""
    fix = "Add the bot to that server with the link from `fleet discord-invite`, or fix the channel in products.yaml."
    try:
        channel = await client.fetch_channel(number)
    except discord.NotFound:
        return Check("discord channels", "fail", f"Channel {number} does not exist.", fix)
    except discord.Forbidden:
        return Check("discord channels", "fail", f"The bot cannot see channel {number}.", fix)
    if not isinstance(channel, discord.TextChannel):
        return Check(
            "discord channels", "warn", f"Channel {number} is not a text channel.", "Use a text channel in products.yaml."
        )
    guild = await client.fetch_guild(channel.guild.id, with_counts=False)
    assert client.user is not None  # noqa: S101  it is signed in
    me = await guild.fetch_member(client.user.id)
    fresh = discord.utils.find(lambda each: each.id == number, await guild.fetch_channels())
    lacks = missing(fresh or channel, me)
    if lacks:
        fix = f"Allow {', '.join(lacks)} for its role in #{channel.name}. `fleet discord-invite` shows the reasons."
        return Check("discord channels", "fail", f"In #{channel.name} of {guild.name} the bot lacks: {', '.join(lacks)}.", fix)
    return Check("discord channels", "ok", f"#{channel.name} of {guild.name}")
