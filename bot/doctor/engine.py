"""What `fleet doctor` looks at in the engine: where it is, whether its supervisor answers, and every product in it.

Nothing is started for it: a supervisor beside the bot that does not run yet is no fault.
"""

import asyncio
import os
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bot.doctor.machine import Check
from bot.domain import Product
from bot.domain.errors import EngineError, FleetError
from bot.engine.channel import Channel
from bot.engine.local import LocalTransport, engine_on_path
from bot.engine.locate import find
from bot.engine.transport import Line, Transport
from bot.engine.unix import UnixTransport
from bot.registry import Registry
from bot.settings import Settings
from bot.supervisor.adoption import records
from bot.supervisor.protocol import ChannelError
from bot.text.wording import count

PATIENCE = 20.0
"""Seconds for each answer of a supervisor."""


async def look(settings: Settings, registry: Registry | None, folder: Path) -> list[Check]:
    """The engine that would be used and why, each runtime, each product."""
    if registry is None:
        registry = Registry(products=(), file=settings.products, loaded_at=datetime.now(UTC))
    try:
        place = await find(settings, registry)
    except FleetError as error:
        return [Check("engine", "fail", error.message, error.hint, fatal=True)]
    found = [Check("engine", "ok", f"{place.kind}, because: {place.why}")]
    products = [product for product in registry.products if product.overstory]
    for number, transport in enumerate(place.transports):
        mine = [each for each in products if each.runtime == transport.name or (number == 0 and each.runtime is None)]
        found += await _runtime(transport, mine, _cursors(folder))
    return found


async def _runtime(transport: Transport, products: Sequence[Product], cursors: dict[str, str]) -> list[Check]:
    if isinstance(transport, LocalTransport):
        return _local(transport) or await _beside(transport, products, cursors)
    try:
        return await _reached(transport, transport, products, cursors)
    except (EngineError, ChannelError) as error:
        return [Check("runtime", "fail", f"{transport.name}: {error.message}", error.hint)]
    except (OSError, TimeoutError) as error:
        said = f"{transport.name}: its supervisor does not answer ({error or 'too slow'})."
        cure = f"docker restart {transport.name}" if transport.kind == "docker" else "Start the runtime that owns it again."
        return [Check("runtime", "fail", said, cure)]


async def _beside(transport: LocalTransport, products: Sequence[Product], cursors: dict[str, str]) -> list[Check]:
    """A supervisor on this machine: one that does not run starts with the fleet, whatever it left behind."""
    files = [_on_this_machine(product) for product in products]
    if not transport.socket.exists():
        return [Check("runtime", "ok", f"{transport.name}: its supervisor starts with the fleet"), *files]
    try:
        return await _reached(transport, UnixTransport(transport.socket), products, cursors)
    except (EngineError, ChannelError, OSError, TimeoutError) as error:
        said = f"{transport.name}: its supervisor does not answer; it is started anew with the fleet. {error}"
        return [Check("runtime", "warn", said, "`fleet doctor --fix` removes a socket on which nobody answers."), *files]


async def _reached(transport: Transport, way: Transport, products: Sequence[Product], cursors: dict[str, str]) -> list[Check]:
    async with asyncio.timeout(3 * PATIENCE):
        line = await way.open()
        try:
            return await _inside(transport, line, products, cursors)
        finally:
            await line.close()


async def _inside(transport: Transport, line: Line, products: Sequence[Product], cursors: dict[str, str]) -> list[Check]:
    """What a supervisor says of itself and of the products."""
    channel = Channel(line)
    info = await channel.greet("doctor")
    engine = str(info.get("engine") or "")
    said = f"{transport.name}: supervisor answers, protocol {channel.protocol}, engine {engine or 'none'}"
    found = [Check("runtime", "ok", said)]
    user = getattr(getattr(transport, "place", None), "user", "")
    if user == "root":
        said = f"{transport.name}: the engine would run as root, which it refuses."
        found.append(Check("runtime", "fail", said, "Set `user` of that runtime to the agents' user."))
    if not engine:
        said = f"{transport.name} has no engine (ov, overstory)."
        found.append(Check("runtime", "fail", said, "Install overstory there, or choose FLEET_ENGINE=rehearsal."))
    watched = [{"name": each.name, "path": each.path, "cursor": cursors.get(each.name, "")} for each in products]
    await channel.ask("watch", {"products": watched, "deadline": PATIENCE})
    snapshots = await channel.ask("snapshot", {"products": [], "deadline": PATIENCE}) if products else []
    return [*found, *(_product(each) for each in snapshots)]


def _product(snapshot: dict[str, Any]) -> Check:
    name, trouble = str(snapshot["product"]), snapshot.get("trouble")
    if trouble:
        return Check("product", "fail", f"{name}: {trouble['message']}", str(trouble.get("hint", "")))
    if notice := snapshot.get("notice"):
        return Check("product", "warn", f"{name}: {notice['message']}", f"fleet adopt {name}")
    sessions = sum(1 for each in snapshot["sessions"] if each.get("alive"))
    return Check("product", "ok", f"{name}: initialised, {count(sessions, 'session')}")


def _local(transport: LocalTransport) -> list[Check]:
    """What keeps an engine on this machine from running."""
    if transport.kind == "rehearsal":
        return []
    if engine_on_path() is None:
        return [Check("runtime", "fail", "There is no ov on the PATH.", "Install overstory, or choose FLEET_ENGINE=rehearsal.")]
    if os.geteuid() == 0:
        said = "The engine refuses to run as root, and this is root."
        return [Check("runtime", "fail", said, "Run the fleet as another user, or the engine in its container.")]
    if shutil.which("claude") is None:
        return [Check("runtime", "fail", "There is no claude on the PATH; the engine needs it.", "Install Claude Code.")]
    return []


def _on_this_machine(product: Product) -> Check:
    """A product whose supervisor does not run yet, by its files."""
    folder = Path(product.path)
    if not folder.is_dir():
        return Check("product", "fail", f"{product.name}: there is no folder {folder}.", "Mend `path` in the registry.")
    if not (folder / ".git").exists():
        return Check("product", "fail", f"{product.name}: {folder} is no git repository.", f"git init {folder}")
    config = folder / ".overstory" / "config.yaml"
    if not config.exists():
        return Check("product", "fail", f"{product.name} is not initialised for the engine.", f"fleet adopt {product.name}")
    import yaml

    try:
        yaml.safe_load(config.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        where = getattr(error, "problem_mark", None)
        place = f":{where.line + 1}:{where.column + 1}" if where else ""
        why = getattr(error, "problem", None) or error
        return Check("product", "fail", f"{product.name}: {config}{place} cannot be read: {why}.", "Correct that file.")
    if notice := records.notice(config.parent):
        return Check("product", "warn", f"{product.name}: {notice.message}", f"fleet adopt {product.name}")
    return Check("product", "ok", f"{product.name}: initialised")


def _cursors(folder: Path) -> dict[str, str]:
    """Where the bot is in each mailbox, so that nothing old is replayed for us."""
    path = folder / "fleet.db"
    with suppress(sqlite3.Error):
        if path.exists():
            database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
            try:
                return dict(database.execute("SELECT name, value FROM cursors").fetchall())
            finally:
                database.close()
    return {}
