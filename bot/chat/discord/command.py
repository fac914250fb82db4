"""The command `fleet discord-invite`, which prints the link that adds the bot to a server."""

from argparse import ArgumentParser, Namespace

from bot.chat.discord import invite
from bot.conversation.setup import Output
from bot.domain.errors import UsageError
from bot.settings import Settings


def options(parser: ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("application", nargs="?", type=int, help="application ID; by default it is read from DISCORD_TOKEN")


def run(given: Namespace, settings: Settings) -> Output:
    """Build the link, with a table of scopes, permissions and intents."""
    application: int | None = given.application
    if application is None:
        if settings.discord_token is None:
            raise UsageError("DISCORD_TOKEN is not set.", "Set it, or pass the Application ID from the developer portal.")
        application = invite.application_of(settings.discord_token.get_secret_value())
    link = invite.link(application)
    lines = [link]
    for title, reasons in (("scopes", invite.SCOPES), ("permissions", invite.REASONS), ("privileged intents", invite.INTENTS)):
        lines += ["", title, *(f"  {name:26} {reason}" for name, reason in reasons.items())]
    data = {"url": link, "permissions": invite.REASONS, "scopes": invite.SCOPES, "intents": invite.INTENTS}
    return Output("\n".join(lines), data)
