"""Run all measurements and write `docs/performance.md`, or run the named ones and only print."""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime

from tests.bench import commands, discord, footprint, idle, machine, mail, scale, simulation, slack, start, status, turns
from tests.bench.bench import Bench
from tests.bench.figures import Section, Unavailable
from tests.bench.page import Run, page, summary
from tests.e2e.bed import ROOT

PAGE = ROOT / "docs" / "performance.md"
MEASUREMENTS: Mapping[str, Callable[[Bench], Awaitable[Section]]] = {
    "start": start.measure,
    "idle": idle.measure,
    "turns": turns.measure,
    "discord": discord.measure,
    "slack": slack.measure,
    "scale": scale.measure,
    "simulation": simulation.measure,
    "footprint": footprint.measure,
    "status": status.measure,
    "mail": mail.measure,
    "commands": commands.measure,
}
"""Measurements in running order. Those that need a quiet machine come before those that load it."""
TITLES = {"status": "Status of working products", "mail": "Mail to page", "commands": "Response time of commands"}
"""Titles of the measurements that need Docker."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print. The exit code is 0 even if a goal was missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"what to measure: {', '.join(MEASUREMENTS)}")
    names = parser.parse_args(arguments).names
    if unknown := [name for name in names if name not in MEASUREMENTS]:
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(MEASUREMENTS)}")
    if sys.platform != "linux":
        parser.error("it reads /proc, so it runs on Linux only")
    return asyncio.run(_run(names))


async def _run(names: Sequence[str]) -> int:
    began, load = time.monotonic(), machine.load()
    sections = []
    async with Bench() as bench:
        for name in names or MEASUREMENTS:
            sections.append(await _measured(name, bench))
            _print(sections[-1], time.monotonic() - began)
    now, cores = datetime.now(UTC), os.cpu_count() or 1
    run = Run(machine.described(), f"{now:%Y-%m-%d %H:%M} UTC", time.monotonic() - began, (load, machine.load()), cores)
    print(f"\n{summary(sections)} ({run.seconds:.0f} s; load {run.load[0]:.1f} before, {run.load[1]:.1f} after)")
    if not names:
        PAGE.write_text(page(run, sections))
        print(f"wrote {PAGE.relative_to(ROOT)}")
    return 0


async def _measured(name: str, bench: Bench) -> Section:
    try:
        return await MEASUREMENTS[name](bench)
    except Unavailable as lack:
        return Section(TITLES[name], "Requires a Docker engine.", unmeasured=str(lack))


def _print(section: Section, seconds: float) -> None:
    print(f"\n{section.title} (after {seconds:.0f} s)")
    if section.unmeasured:
        print(f"  not measured: {section.unmeasured}")
    for each in section.figures:
        mark = "MISSED" if each.missed else "ok" if each.goal else ""
        print(f"  {mark:6} {each.what:66} {each.measured}{f'; goal {each.aim}' if each.goal else ''}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
