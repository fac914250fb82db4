"""The checks of `fleet doctor`, each with a fix for what is wrong.

Whatever is broken, the remaining checks run: a check that fails itself is reported like any other problem. Exit code 0 means
fine, 1 that there are problems, 2 that the fleet cannot start before they are fixed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from bot.doctor import clock, fleet, ports, python, repair, state
from bot.domain.checks import Check
from bot.text.wording import count

if TYPE_CHECKING:
    from bot.registry import Registry
    from bot.settings import Settings

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Findings:
    """Results of all checks, and what was fixed."""

    checks: tuple[Check, ...]
    fixed: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """Exit code.

        0 is fine, 1 means problems, 2 means that the fleet cannot start."""
        failed = [check for check in self.checks if check.status == "fail"]
        return 2 if any(check.fatal for check in failed) else 1 if failed else 0

    @property
    def summary(self) -> str:
        """Outcome in a sentence."""
        failed = sum(check.status == "fail" for check in self.checks)
        warned = sum(check.status == "warn" for check in self.checks)
        if not failed + warned:
            return "No problems found."
        parts = [count(failed, "problem")] if failed else []
        parts += [count(warned, "warning")] if warned else []
        end = {0: "The fleet can run.", 1: "The fleet can start, but some of it will not work.", 2: "The fleet cannot start."}
        return f"{', '.join(parts)}. {end[self.exit_code]}"

    def as_json(self) -> dict[str, Any]:
        """Return the findings as JSON values."""
        rows = [{key: value for key, value in asdict(check).items() if key != "fatal"} for check in self.checks]
        return {"exit_code": self.exit_code, "summary": self.summary, "checks": rows, "fixed": list(self.fixed)}


async def examine(environ: Mapping[str, str], directory: Path, *, fix: bool = False, online: bool = False) -> Findings:
    """Run every check, with the variables and the folder that the fleet would start with."""
    found: list[Check] = list(_guarded("python", python.check))
    given = _with(found, "settings", lambda: _settings(environ, directory))
    if given is None:
        return Findings(tuple(found))
    folder = given.state
    fixed = _guarded("repair", lambda: repair.repair(folder)) if fix else []
    found += [each for each in fixed if isinstance(each, Check)]
    registry = _with(found, "registry", lambda: _registry(given))
    found += _guarded("state", lambda: state.check(folder))
    found += _guarded("store", lambda: _store(folder))
    if found[-1].status == "ok":
        found += _guarded("audit", lambda: _audit(folder))
    running = _with(found, "fleet", lambda: fleet.check(folder))
    found += _guarded("ports", lambda: ports.check(given, running))
    found += _guarded("token", lambda: _token(given))
    found += await _awaited("engine", lambda: _engine(given, registry))
    found += await asyncio.to_thread(_guarded, "claude", lambda: _claude(given, online))
    found += await _awaited("platforms", lambda: _platforms(given, registry))
    found += _guarded("clock", lambda: clock.check(folder))
    return Findings(tuple(found), tuple(each for each in fixed if isinstance(each, str)))


# Checks that need installed packages are imported when they run, so that a missing package is one finding among others.


def _settings(environ: Mapping[str, str], directory: Path) -> "tuple[Settings, list[Check]]":
    from bot.doctor.settings import check

    return check(environ, directory)


def _registry(given: "Settings") -> "tuple[Registry | None, list[Check]]":
    from bot.doctor.registry import check

    return check(given)


def _store(folder: Path) -> list[Check]:
    from bot.doctor.store import check

    return check(folder)


def _audit(folder: Path) -> list[Check]:
    from bot.doctor.audit import check

    return check(folder)


def _token(given: "Settings") -> list[Check]:
    from bot.doctor.token import check

    return check(given)


def _claude(given: "Settings", online: bool) -> list[Check]:
    from bot.doctor.claude import check

    return check(given, online=online)


async def _engine(given: "Settings", registry: "Registry | None") -> list[Check]:
    from bot.doctor.engine import check

    return await check(given, registry)


async def _platforms(given: "Settings", registry: "Registry | None") -> list[Check]:
    from bot.platforms import PLATFORMS, Platform

    def check(platform: Platform) -> Callable[[], Awaitable[list[Check]]]:
        return lambda: platform.check(given, registry)

    return [each for platform in PLATFORMS for each in await _awaited(platform.name, check(platform))]


def _guarded(name: str, check: Callable[[], list[T]]) -> "list[T | Check]":
    try:
        return list(check())
    except Exception as error:  # noqa: BLE001  a broken installation is what a doctor is for
        return [_broke(name, error)]


def _with(found: list[Check], name: str, check: Callable[[], tuple[T, list[Check]]]) -> T | None:
    """Add a check's results to the others and return the value it hands on, or None if it broke."""
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
    message = f"The check itself failed: {type(error).__name__}: {error}."
    return Check(name, "fail", message, "Install meta-coordinator again. If that does not help, report it.")
