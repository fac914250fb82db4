"""Table of the channel's operations on a product, with the checks of their arguments."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from bot.supervisor import actions, queries
from bot.supervisor.drivers import conventions
from bot.supervisor.product import Product
from bot.supervisor.protocol import ChannelError

Args = Mapping[str, Any]
Operation = Callable[[Product, Args], Awaitable[Any]]


def text(args: Args, name: str, default: str | None = None) -> str:
    """Return a text argument. Raises `bad_request` if it is missing and has no default."""
    found = args.get(name, default)
    if not isinstance(found, str):
        raise ChannelError("bad_request", f"`{name}` must be a string.")
    return found


def optional(args: Args, name: str) -> str | None:
    """Return a text argument that may be null or missing."""
    return None if args.get(name) is None else text(args, name)


def number(args: Args, name: str, default: int) -> int:
    """Return an integer argument."""
    found = args.get(name, default)
    if isinstance(found, bool) or not isinstance(found, int):
        raise ChannelError("bad_request", f"`{name}` must be an integer.")
    return found


def flag(args: Args, name: str) -> bool:
    """Return a boolean argument, False if it is missing."""
    found = args.get(name, False)
    if not isinstance(found, bool):
        raise ChannelError("bad_request", f"`{name}` must be true or false.")
    return found


def absolute(args: Args) -> Path:
    """Return the absolute path in `path`."""
    found = text(args, "path")
    if not Path(found).is_absolute() or "\0" in found:
        raise ChannelError(
            "bad_request", f"{found!r} is not an absolute path.", "Use the path from the registry, which is absolute."
        )
    return Path(found)


def reporting(args: Args) -> Mapping[str, str] | None:
    """Return who asked for an objective, and its marker, or None. Raises `bad_request`."""
    found = args.get("reporting")
    if found is None:
        return None
    if not isinstance(found, dict):
        raise ChannelError("bad_request", "`reporting` must be an object.")
    return {name: text(found, name) for name in ("asked_by", "marker")}


async def _start(product: Product, args: Args) -> Any:
    return await actions.start(product)


async def _send(product: Product, args: Args) -> Any:
    body = text(args, "body") + conventions.rules(reporting(args))
    kind = "question" if flag(args, "question") else "dispatch"
    return await actions.send(product, text(args, "subject"), body, text(args, "marker"), text(args, "to"), kind)


async def _reply(product: Product, args: Args) -> Any:
    context = text(args, "context", "") + conventions.rules(reporting(args))
    body = conventions.answer(text(args, "choice"), text(args, "note", ""), context)
    return await actions.reply(product, text(args, "mail"), body, text(args, "marker"), optional(args, "plan"))


async def _start_worker(product: Product, args: Args) -> Any:
    named = [text(args, name) for name in ("agent", "capability", "task", "brief", "marker")]
    return await actions.start_worker(product, *named)


async def _stop(product: Product, args: Args) -> Any:
    return await actions.stop(product, optional(args, "agent"))


async def _pause(product: Product, args: Args) -> Any:
    return await actions.pause(product)


async def _resume(product: Product, args: Args) -> Any:
    return await actions.resume(product)


async def _nudge(product: Product, args: Args) -> Any:
    return await actions.nudge(product, text(args, "agent"), text(args, "text"))


async def _mail(product: Product, args: Args) -> Any:
    return await queries.mail(product, number(args, "limit", 50), optional(args, "agent"))


async def _inspect(product: Product, args: Args) -> Any:
    return await queries.inspect(product, text(args, "agent"))


async def _receipt(product: Product, args: Args) -> Any:
    return await queries.receipt(product, text(args, "mail"))


OPERATIONS: Mapping[str, Operation] = {
    "start": _start,
    "send": _send,
    "reply": _reply,
    "start_worker": _start_worker,
    "stop": _stop,
    "pause": _pause,
    "resume": _resume,
    "nudge": _nudge,
    "mail": _mail,
    "inspect": _inspect,
    "receipt": _receipt,
}
"""Operations on one product by name."""
