"""The chat platforms. A platform is one folder of `bot.chat` and one row of `PLATFORMS`.

The modules of a platform are imported when it is used, because their libraries take a noticeable part of the start-up time.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pydantic import SecretStr

from bot.conversation.platform import Chat
from bot.conversation.router import Router
from bot.conversation.setup import Output, SetupCommand
from bot.domain.checks import Check
from bot.fleet import Fleet
from bot.registry import Registry
from bot.settings import Settings


@dataclass(frozen=True, slots=True)
class Platform:
    """One chat platform, with its settings, adapter, checks and set-up command."""

    name: str
    token: str
    """Environment variable that switches the platform on."""
    configured: Callable[[Settings], bool]
    make: Callable[[Settings, Fleet, Router], Chat]
    """Build the adapter from its settings, not connected yet."""
    check: Callable[[Settings, Registry | None], Awaitable[list[Check]]]
    """Checks of `fleet doctor`. Called even where the platform is off."""
    command: SetupCommand
    """Command that prepares the platform's app."""


def configured(settings: Settings) -> tuple[Platform, ...]:
    """Return the platforms whose settings are given."""
    return tuple(platform for platform in PLATFORMS if platform.configured(settings))


def _slack(settings: Settings, fleet: Fleet, router: Router) -> Chat:
    from bot.chat.slack.chat import SlackChat

    over_http = settings.slack_signing_secret and settings.public_url and not settings.slack_app_token
    return SlackChat(
        fleet,
        router,
        bot_token=_text(settings.slack_bot_token) or "",
        app_token=_text(settings.slack_app_token),
        signing_secret=_text(settings.slack_signing_secret) if over_http else None,
        api_url=settings.slack_api_url,
    )


async def _check_slack(settings: Settings, registry: Registry | None) -> list[Check]:
    from bot.chat.slack.check import check

    return await check(settings, registry)


def _slack_options(parser: ArgumentParser) -> None:
    from bot.chat.slack import command

    command.options(parser)


def _slack_manifest(given: Namespace, settings: Settings) -> Output:
    from bot.chat.slack import command

    return command.run(given, settings)


def _discord(settings: Settings, fleet: Fleet, router: Router) -> Chat:
    from bot.chat.discord.chat import DiscordChat

    token = _text(settings.discord_token) or ""
    return DiscordChat(fleet, router, token, api=settings.discord_api_url, gateway=settings.discord_gateway_url)


async def _check_discord(settings: Settings, registry: Registry | None) -> list[Check]:
    if settings.discord_token is None:
        return [Check("discord", "ok", "off: DISCORD_TOKEN is not set")]
    from bot.chat.discord.check import check

    return await check(settings, registry)


def _discord_options(parser: ArgumentParser) -> None:
    from bot.chat.discord import command

    command.options(parser)


def _discord_invite(given: Namespace, settings: Settings) -> Output:
    from bot.chat.discord import command

    return command.run(given, settings)


def _text(value: SecretStr | None) -> str | None:
    return value.get_secret_value() if value is not None else None


PLATFORMS = (
    Platform(
        "slack",
        "SLACK_BOT_TOKEN",
        lambda settings: settings.slack_bot_token is not None,
        _slack,
        _check_slack,
        SetupCommand("slack-manifest", "Print the manifest for creating the Slack app.", _slack_options, _slack_manifest),
    ),
    Platform(
        "discord",
        "DISCORD_TOKEN",
        lambda settings: settings.discord_token is not None,
        _discord,
        _check_discord,
        SetupCommand(
            "discord-invite", "Print the link that adds the bot to a Discord server.", _discord_options, _discord_invite
        ),
    ),
)
"""Every chat platform beside the web, in the order of the start-up report."""
