"""The state of the fleet's parts, for the start-up report and for `/readyz`."""

from collections.abc import Mapping
from dataclasses import dataclass

from bot.conversation.platform import Part
from bot.fleet import Fleet
from bot.text.wording import count


@dataclass(frozen=True, slots=True)
class Line:
    """One part in the start-up report, with details or the reason why it is off."""

    name: str
    on: bool
    words: str


@dataclass(frozen=True, slots=True)
class Report:
    """The start-up report.

    `url` is the page's address with its token, `seconds` the start-up time."""

    version: str
    lines: tuple[Line, ...]
    url: str
    seconds: float


def readiness(fleet: Fleet, model: str | None, platforms: Mapping[str, Part]) -> dict[str, Part]:
    """Return the state of each part.

    `model` is the name of the agent's model, if there is one."""
    problems, runtimes, down = fleet.registry_problems, fleet.engine.runtimes(), fleet.down
    reached = ", ".join(f"{each.name}: {each.engine or 'no engine'}" for each in runtimes)
    unreached = "; ".join(f"{name}: {reason}" for name, (reason, _) in down.items())
    stale = f"{count(len(problems), 'problem')} in the file; an earlier version is in use" if problems else ""
    return {
        "store": Part("ok"),
        "registry": Part("ok", stale),
        "engine": Part("ok", reached) if reached and not down else Part("down", unreached or "not connected yet"),
        "claude": Part("ok") if model else Part("off", "ANTHROPIC_API_KEY is not set; commands work"),
        **platforms,
        "web": Part("ok"),
    }


def lines(fleet: Fleet, model: str | None, platforms: Mapping[str, Part], *, chosen: str) -> tuple[Line, ...]:
    """Return the lines of the start-up report.

    `chosen` says why this engine is used."""
    registry, runtimes = fleet.registry, fleet.engine.runtimes()
    engine = ", ".join(each.engine or "no engine found" for each in runtimes) or "not connected yet"
    return (
        Line("products", bool(registry.products), f"{len(registry.products)} in {registry.file}"),
        Line("engine", bool(runtimes), f"{engine} · {chosen}"),
        Line("claude", model is not None, model or "set ANTHROPIC_API_KEY to talk in plain language; commands work"),
        *(_platform(name, part) for name, part in platforms.items()),
    )


def _platform(name: str, part: Part) -> Line:
    words = {"ok": part.why or "connected", "down": f"down: {part.why}"}.get(part.state, part.why)
    return Line(name, part.state != "off", words)
