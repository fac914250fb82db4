"""Check of the machine's clock."""

import time
from pathlib import Path

from bot.domain.checks import Check


def check(folder: Path) -> list[Check]:
    """Check that the clock was not set back, which would upset schedules, reminders and the audit journal."""
    path = folder / "fleet.db"
    ahead = (path.stat().st_mtime - time.time()) / 60 if path.exists() else 0
    if ahead > 5:
        message = f"The clock shows {time.strftime('%Y-%m-%d %H:%M')}, {ahead:.0f} minutes before the store was last written."
        return [Check("clock", "warn", message, "Set the clock, or synchronize it with NTP.")]
    return [Check("clock", "ok", time.strftime("%Y-%m-%d %H:%M %Z"))]
