"""Check of the engine, of each runtime, and of each product.

Nothing is started for a check: a supervisor on this machine that is not running yet is not a problem.
"""

import sqlite3
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from bot.doctor import runtime
from bot.domain.checks import Check
from bot.domain.errors import FleetError
from bot.engine.locate import find
from bot.registry import Registry
from bot.settings import Settings


async def check(settings: Settings, registry: Registry | None) -> list[Check]:
    """Check the engine, each runtime and each product."""
    if registry is None:
        registry = Registry(products=(), file=settings.products, loaded_at=datetime.now(UTC))
    try:
        place = await find(settings, registry)
    except FleetError as error:
        return [Check("engine", "fail", error.message, error.hint, fatal=True)]
    found = [Check("engine", "ok", f"{place.kind} ({place.why})")]
    products = [product for product in registry.products if product.overstory]
    for number, transport in enumerate(place.transports):
        mine = [each for each in products if each.runtime == transport.name or (number == 0 and each.runtime is None)]
        found += await runtime.check(transport, mine, _cursors(settings.state))
    return found


def _cursors(folder: Path) -> dict[str, str]:
    """Return where the fleet is in each mailbox, so that a supervisor replays nothing old for this check."""
    path = folder / "fleet.db"
    with suppress(sqlite3.Error):
        if path.exists():
            database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
            try:
                return dict(database.execute("SELECT name, value FROM cursors").fetchall())
            finally:
                database.close()
    return {}
