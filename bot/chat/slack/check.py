"""Checks of `fleet doctor` for Slack, which cover tokens, scopes, Socket Mode and channels."""

from bot.chat.slack.api import Api
from bot.chat.slack.manifest import SCOPES
from bot.domain.checks import Check
from bot.domain.errors import DeliveryError
from bot.registry import Registry
from bot.settings import Settings
from bot.text.wording import listed

REINSTALL = "Paste the output of `fleet slack-manifest` as the app's manifest at api.slack.com/apps, and reinstall the app."


async def check(settings: Settings, registry: Registry | None) -> list[Check]:
    """Run every check. Slack is called only where its tokens are set."""
    bot, app = settings.slack_bot_token, settings.slack_app_token
    over_http = settings.slack_signing_secret and settings.public_url
    if bot is None:
        if app or settings.slack_signing_secret:
            return [Check("slack", "warn", "SLACK_BOT_TOKEN is missing; Slack needs both tokens.", "Set SLACK_BOT_TOKEN.")]
        return [Check("slack", "ok", "off: SLACK_BOT_TOKEN and SLACK_APP_TOKEN are not set")]
    if app is None and not over_http:
        summary = "SLACK_APP_TOKEN is missing; Slack needs both tokens."
        return [Check("slack", "warn", summary, "Set SLACK_APP_TOKEN, or for HTTP SLACK_SIGNING_SECRET and FLEET_PUBLIC_URL.")]
    api = Api(bot.get_secret_value(), settings.slack_api_url)
    api.open()
    try:
        return [
            *await _token(api),
            *(await _socket(api, app.get_secret_value()) if app else _http(settings)),
            *await _channels(api, registry),
            *_people(registry),
        ]
    except DeliveryError as error:
        fix = error.hint or "Check that this machine can reach Slack, and that SLACK_API_URL is right if it is set."
        return [Check("slack", "fail", error.message, fix)]
    finally:
        await api.close()


async def _token(api: Api) -> list[Check]:
    who = await api.call("auth.test")
    found = [Check("slack", "ok", f"{who.get('user', 'the bot')} in {who.get('url', who.get('team', 'Slack'))}")]
    granted = await api.scopes()
    missing = {scope: why for scope, why in SCOPES.items() if scope not in granted} if granted else {}
    if missing:
        lines = "\n".join(f"{scope}: to {why}" for scope, why in missing.items())
        found.append(Check("slack scopes", "fail", f"The bot token lacks {len(missing)} scopes:\n{lines}", REINSTALL))
    return found


async def _socket(api: Api, token: str) -> list[Check]:
    try:
        await api.guard("apps.connections.open", api.client.apps_connections_open(app_token=token))
    except DeliveryError as error:
        if error.code not in {"auth", "delivery"}:
            raise
        fix = "Turn on Socket Mode, create an app-level token with connections:write, and set SLACK_APP_TOKEN to it."
        return [Check("slack socket", "fail", f"Slack opens no Socket Mode connection: {error.message}", fix)]
    return [Check("slack socket", "ok", "Socket Mode opens")]


def _http(settings: Settings) -> list[Check]:
    url = settings.public_url or ""
    if not url.startswith("https://"):
        return [Check("slack http", "fail", f"Slack sends only to https, not to {url}.", "Set FLEET_PUBLIC_URL to https://….")]
    return [Check("slack http", "ok", f"Slack sends to {url}/slack/events, if the app's request URLs say so")]


async def _channels(api: Api, registry: Registry | None) -> list[Check]:
    if registry is None:
        return []
    kinds = "public_channel,private_channel"
    joined = await api.pages("users.conversations", "channels", types=kinds, exclude_archived="true", limit=200)
    known = {name for each in joined for name in (each["id"], f"#{each.get('name')}")}
    lacking = [
        (product.name, channel.id)
        for product in registry.products
        for channel in product.channels
        if channel.platform == "slack" and channel.id not in known
    ]
    if not lacking:
        return [Check("slack channels", "ok", f"in {len(joined)} channels, including every channel of the registry")]
    summary = "\n".join(
        f"{channel} of {product}: it does not exist, is archived, or the bot was not invited" for product, channel in lacking
    )
    fix = f"In {listed([channel for _, channel in lacking])}, type /invite @fleet. Or fix the names in products.yaml."
    return [Check("slack channels", "warn", summary, fix)]


def _people(registry: Registry | None) -> list[Check]:
    if registry is None or any("slack" in person.ids for person in registry.people):
        return []
    summary = "No person under `people` has a `slack` id, so the bot answers nobody on Slack."
    return [Check("slack people", "warn", summary, "Add ids as docs/slack.md shows. App Home shows each person their id.")]
