"""Check of a fleet that runs on the state folder."""

import json
from pathlib import Path

from bot import running
from bot.domain.checks import Check
from bot.domain.errors import FleetError
from bot.running import RunningFleet


def check(folder: Path) -> tuple[RunningFleet | None, list[Check]]:
    """Return the running fleet, if there is one, and a check for leftovers of one that has ended."""
    path = folder / "bot.json"
    if not path.exists():
        return None, [Check("fleet", "ok", "not running")]
    try:
        pid = int(json.loads(path.read_text())["pid"])
        found = running.find(folder)
    except FleetError as error:
        return None, [Check("fleet", "fail", error.message, error.hint)]
    except (OSError, ValueError, KeyError, TypeError) as error:
        return None, [Check("fleet", "warn", f"{path} cannot be read: {error}.", "Run `fleet doctor --fix` to remove it.")]
    if found is None:
        message = f"{path} was left over by process {pid}, which has ended."
        return None, [Check("fleet", "warn", message, "Run `fleet doctor --fix` to remove it, or start the fleet.")]
    return found, [Check("fleet", "ok", f"running at {found.url} (process {found.pid})")]
