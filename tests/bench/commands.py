"""Response time of commands that ask no model."""

import time
from collections.abc import Sequence
from statistics import median

from tests.bench.bench import Bench
from tests.bench.figures import Figure, Goal, Section, middle
from tests.bench.running_fleet import RunningFleet

COUNTS = (4, 50)
TIMES = 30
COMMANDS = ("status", "status {one}", "products", "gates", "mail {one}", "inspect {one} coordinator", "help", "help spawn")


async def measure(bench: Bench) -> Section:
    """Measure every command with four and with fifty working products."""
    runtime, all_of_them = await bench.working()
    few = list(runtime.products)[: COUNTS[0]]
    place = bench.place("commands")
    figures: list[Figure] = []
    async with RunningFleet(place, runtime.registry(place / "products.yaml", few)) as fleet:
        figures += await _commands(fleet, few)
    figures += await _commands(all_of_them, list(runtime.products))
    method = (
        f"`POST /api/messages` with the command, over one connection, until the reply is read, {TIMES} times each, one by one. "
        "Message and answer are durable before the reply is sent. The products run in a container; `inspect` asks the "
        "runtime, the other commands answer from the fleet's own records."
    )
    return Section("Response time of commands", method, tuple(figures))


async def _commands(fleet: RunningFleet, names: Sequence[str]) -> list[Figure]:
    every: list[float] = []
    figures: list[Figure] = []
    for command in COMMANDS:
        text = "/fleet " + command.format(one=names[0])
        times = [await _one(fleet, text) for _ in range(TIMES)]
        every += times
        figures.append(middle(f"`/fleet {command.format(one='PRODUCT')}`, {len(names)} products", times))
    typical = Figure(f"median of all, {len(names)} products", median(every) * 1000, "ms", Goal(20), spread=f"n = {len(every)}")
    return [typical, *figures]


async def _one(fleet: RunningFleet, text: str) -> float:
    began = time.perf_counter()
    replies = await fleet.say(text)
    took = time.perf_counter() - began
    if [reply["kind"] for reply in replies] != ["reply"]:
        raise RuntimeError(f"{text} was answered with {replies}")
    return took
