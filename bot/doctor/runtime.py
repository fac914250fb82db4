"""Check of a runtime's supervisor, its engine, and the products in it."""

import asyncio
import os
import shutil
from collections.abc import Sequence

from bot.doctor import git, product
from bot.domain import Product
from bot.domain.checks import Check
from bot.domain.errors import EngineError
from bot.engine.channel import Channel
from bot.engine.local import LocalTransport, engine_on_path
from bot.engine.transport import Line, Transport
from bot.engine.unix import UnixTransport
from bot.supervisor.protocol import ChannelError

PATIENCE = 20.0
"""Seconds for each answer of a supervisor."""
INSTALL = "Install overstory there, or set FLEET_ENGINE=rehearsal."


async def check(transport: Transport, products: Sequence[Product], cursors: dict[str, str]) -> list[Check]:
    """Check that a runtime's supervisor answers, and what it reports about the products."""
    if isinstance(transport, LocalTransport):
        return [*git.check(), *(_unable(transport) or await _on_this_machine(transport, products, cursors))]
    try:
        return await _reach(transport, transport, products, cursors)
    except (EngineError, ChannelError) as error:
        return [Check("runtime", "fail", f"{transport.name}: {error.message}", error.hint)]
    except (OSError, TimeoutError) as error:
        message = f"{transport.name}: its supervisor does not answer ({error or 'timed out'})."
        fix = f"docker restart {transport.name}" if transport.kind == "docker" else "Restart the runtime that owns the socket."
        return [Check("runtime", "fail", message, fix)]


async def _on_this_machine(transport: LocalTransport, products: Sequence[Product], cursors: dict[str, str]) -> list[Check]:
    """Check a supervisor on this machine, which starts with the fleet if it is not running."""
    files = [product.check_files(each) for each in products]
    if not transport.socket.exists():
        return [Check("runtime", "ok", f"{transport.name}: its supervisor starts with the fleet"), *files]
    try:
        return await _reach(transport, UnixTransport(transport.socket), products, cursors)
    except (EngineError, ChannelError, OSError, TimeoutError) as error:
        message = f"{transport.name}: its supervisor does not answer and will be restarted with the fleet. {error}"
        return [
            Check("runtime", "warn", message, "Run `fleet doctor --fix` to remove the socket that no process answers on."),
            *files,
        ]


async def _reach(transport: Transport, way: Transport, products: Sequence[Product], cursors: dict[str, str]) -> list[Check]:
    async with asyncio.timeout(3 * PATIENCE):
        line = await way.open()
        try:
            return await _ask(transport, line, products, cursors)
        finally:
            await line.close()


async def _ask(transport: Transport, line: Line, products: Sequence[Product], cursors: dict[str, str]) -> list[Check]:
    """Check what a supervisor reports about itself and the products."""
    channel = Channel(line)
    info = await channel.greet("doctor")
    engine = str(info.get("engine") or "")
    message = f"{transport.name}: supervisor answers, protocol {channel.protocol}, engine {engine or 'none'}"
    found = [Check("runtime", "ok", message)]
    user = getattr(getattr(transport, "address", None), "user", "")
    if user == "root":
        message = f"{transport.name}: the engine would run as root, which it refuses."
        found.append(Check("runtime", "fail", message, "Set `user` of that runtime in products.yaml to the agents' user."))
    if not engine:
        found.append(Check("runtime", "fail", f"{transport.name} has no engine (ov, overstory).", INSTALL))
    watched = [{"name": each.name, "path": each.path, "cursor": cursors.get(each.name, "")} for each in products]
    await channel.ask("watch", {"products": watched, "deadline": PATIENCE})
    snapshots = await channel.ask("snapshot", {"products": [], "deadline": PATIENCE}) if products else []
    return [*found, *(product.check_snapshot(each) for each in snapshots)]


def _unable(transport: LocalTransport) -> list[Check]:
    """Return what prevents an engine on this machine from running."""
    if transport.kind == "rehearsal":
        return []
    if engine_on_path() is None:
        return [Check("runtime", "fail", "ov is not on the PATH.", INSTALL.replace(" there", ""))]
    if os.geteuid() == 0:
        message = "The engine refuses to run as root, and this user is root."
        return [Check("runtime", "fail", message, "Run the fleet as another user, or the engine in its container.")]
    if shutil.which("claude") is None:
        return [Check("runtime", "fail", "claude is not on the PATH, and the engine needs it.", "Install Claude Code.")]
    return []
