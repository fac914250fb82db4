"""Resource use of an idle fleet."""

import asyncio

from bot import demo
from tests.bench import machine
from tests.bench.bench import Bench
from tests.bench.figures import Figure, Goal, Section
from tests.bench.running_fleet import RunningFleet, end_supervisors, supervisors

SETTLE = 3.0
"""Seconds after which the fleet counts as idle."""
SPAN = 30.0
"""Seconds over which CPU is measured. /proc counts in hundredths of a second."""


async def measure(bench: Bench) -> Section:
    """Measure a fleet with an API key and its supervisor, with four idle products."""
    place = bench.place("idle")
    keys = {"FLEET_ENGINE": "rehearsal", "ANTHROPIC_API_KEY": "sk-ant-bench", "ANTHROPIC_BASE_URL": "http://127.0.0.1:9"}
    fleet = RunningFleet(place, demo.prepare(place / "state"), keys)
    try:
        async with fleet, fleet.listen() as page:
            await page.receive()
            await asyncio.sleep(SETTLE)
            (supervisor,) = supervisors(fleet.state)
            pids = (fleet.pid, supervisor)
            before = [machine.cpu_seconds(pid) for pid in pids]
            await asyncio.sleep(SPAN)
            used = [100 * (machine.cpu_seconds(pid) - cpu) / SPAN for pid, cpu in zip(pids, before, strict=True)]
            memory = [machine.resident_mib(pid) for pid in pids]
    finally:
        end_supervisors(fleet.state)
    method = (
        f"`fleet up` with an API key, four products on the rehearsal and the page open, {SPAN:.0f} s without activity. Memory "
        "is the process's resident memory (with the page connected, before the first turn, so without Claude's SDK)."
    )
    return Section(
        "Idle",
        method,
        (
            Figure("memory of the fleet", memory[0], "MiB", Goal(90), "950 MiB (3 processes)"),
            Figure("CPU of the fleet", used[0], "% of a core", Goal(0.5), "0.7 to 1.1 % of a core"),
            Figure("memory of the supervisor", memory[1], "MiB"),
            Figure("CPU of the supervisor", used[1], "% of a core"),
        ),
    )
