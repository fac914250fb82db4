"""Check of the page's token."""

from bot.domain.checks import Check
from bot.settings import Settings

SHORT = 16
"""Characters below which a token can be guessed."""


def check(settings: Settings) -> list[Check]:
    """Check that the web token cannot be guessed."""
    if settings.web_token is None:
        stored = settings.state / "web-token"
        return [Check("token", "ok", f"stored in {stored}" if stored.exists() else "created at the first start")]
    text = settings.web_token.get_secret_value()
    if len(text) < SHORT or len(set(text)) < 6:
        message = f"FLEET_WEB_TOKEN is easy to guess: {len(text)} characters, {len(set(text))} different."
        fix = "Remove it, so that one is created, or use the output of: openssl rand -base64 24"
        return [Check("token", "warn", message, fix)]
    return [Check("token", "ok", "FLEET_WEB_TOKEN")]
