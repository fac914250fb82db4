"""Check of git, which an engine on this machine needs."""

import shutil

from bot.domain.checks import Check


def check() -> list[Check]:
    """Check that git is installed."""
    if shutil.which("git") is not None:
        return []
    fix = "Install git, or run products in a container."
    return [Check("git", "warn", "git is not installed; an engine on this machine needs it.", fix)]
