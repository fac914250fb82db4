"""`fleet doctor`: looks at everything the fleet needs, says what is wrong, and how to mend it.

Whatever is broken, the rest is looked at: a check that fails itself is a finding like any other. Exit code 0: fine, 1: there
are problems, 2: the fleet cannot start before they are cured.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from bot.doctor import machine, setup
from bot.doctor.machine import Check
from bot.text.wording import count

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found, and what was mended."""

    checks: tuple[Check, ...]
    mended: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 fine, 1 problems, 2 cannot run."""
        failed = [check for check in self.checks if check.status == "fail"]
        return 2 if any(check.fatal for check in failed) else 1 if failed else 0

    @property
    def summary(self) -> str:
        """The outcome in a sentence."""
        failed = sum(check.status == "fail" for check in self.checks)
        warned = sum(check.status == "warn" for check in self.checks)
        parts = [count(failed, "problem")] if failed else []
        parts += [f"{count(warned, 'thing')} worth a look"] if warned else []
        end = {0: "The fleet can run.", 1: "The fleet can start, but not do everything.", 2: "The fleet cannot start."}
        return f"{', '.join(parts) or 'All is well'}. {end[self.exit_code]}".replace("well. The fleet can run.", "well.")

    def as_json(self) -> dict[str, Any]:
        """The findings for programs."""
        rows = [{key: value for key, value in asdict(check).items() if key != "fatal"} for check in self.checks]
        return {"exit_code": self.exit_code, "summary": self.summary, "checks": rows, "mended": list(self.mended)}


async def examine(environ: Mapping[str, str], directory: Path, *, fix: bool = False, online: bool = False) -> Findings:
    """Look at everything, with the variables and the folder that the fleet would start with."""
    found: list[Check] = list(_look("python", setup.python))
    settings = _with(found, "settings", lambda: setup.settings(environ, directory))
    if settings is None:
        return Findings(tuple(found))
    folder = settings.state
    mended = _look("mending", lambda: machine.mend(folder)) if fix else []
    found += [each for each in mended if isinstance(each, Check)]
    registry = _with(found, "registry", lambda: setup.registry(settings))
    found += _look("state", lambda: machine.state(folder))
    found += _look("store", lambda: machine.store(folder))
    if found[-1].status == "ok":
        found += _look("journal", lambda: machine.records(folder))
    running = _with(found, "bot", lambda: machine.bot(folder))
    found += _look("ports", lambda: machine.ports(settings, running))
    found += _look("token", lambda: setup.token(settings, folder))
    found += await _look_at_engine(settings, registry, folder)
    found += await asyncio.to_thread(_look, "claude", lambda: setup.claude(settings, online=online))
    found += await _look_at_slack(settings, registry)
    found += await _look_at_discord(settings, registry)
    found += _look("clock", lambda: machine.clock(folder))
    return Findings(tuple(found), tuple(each for each in mended if isinstance(each, str)))


async def _look_at_engine(settings: Any, registry: Any, folder: Path) -> list[Check]:
    async def look() -> list[Check]:
        from bot.doctor import engine

        return await engine.look(settings, registry, folder)

    return await _awaited("engine", look)


async def _look_at_slack(settings: Any, registry: Any) -> list[Check]:
    async def look() -> list[Check]:
        from bot.doctor import slack

        return await slack.look(settings, registry)

    return await _awaited("slack", look)


async def _look_at_discord(settings: Any, registry: Any) -> list[Check]:
    async def look() -> list[Check]:
        if settings.discord_token is None:
            return [Check("discord", "ok", "off: no DISCORD_TOKEN")]
        from bot.doctor import discord

        return await discord.look(settings, registry)

    return await _awaited("discord", look)


def _look(name: str, check: Callable[[], list[T]]) -> "list[T | Check]":
    try:
        return list(check())
    except Exception as error:  # noqa: BLE001  a broken installation is what a doctor is for
        return [_broke(name, error)]


def _with(found: list[Check], name: str, check: Callable[[], tuple[T, list[Check]]]) -> T | None:
    """What a check hands on, its findings added to the others; None if it broke."""
    try:
        value, findings = check()
    except Exception as error:  # noqa: BLE001  as above
        found.append(_broke(name, error))
        return None
    found += findings
    return value


async def _awaited(name: str, check: Callable[[], Awaitable[list[Check]]]) -> list[Check]:
    try:
        return await check()
    except Exception as error:  # noqa: BLE001  as above
        return [_broke(name, error)]


def _broke(name: str, error: Exception) -> Check:
    said = f"It could not be looked at: {type(error).__name__}: {error}."
    return Check(name, "fail", said, "Install meta-coordinator again; report it if that does not help.")
