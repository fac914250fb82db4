"""Own time of commands: what a person waits for `/fleet …` when no model is asked."""

import time
from collections.abc import Sequence
from statistics import median

from tests.bench.bench import Bench
from tests.bench.coordinator import Coordinator
from tests.bench.figures import Figure, Goal, Section, middle

COUNTS = (4, 50)
TIMES = 30
COMMANDS = ("status", "status {one}", "products", "gates", "mail {one}", "inspect {one} coordinator", "help", "help spawn")


async def measure(bench: Bench) -> Section:
    """Every command with four and with fifty working products."""
    runtime, all_of_them = await bench.working()
    few = list(runtime.products)[: COUNTS[0]]
    place = bench.place("commands")
    figures: list[Figure] = []
    async with Coordinator(place, runtime.registry(place / "products.yaml", few)) as fleet:
        figures += await _commands(fleet, few)
    figures += await _commands(all_of_them, list(runtime.products))
    method = (
        f"`POST /api/messages` with the command, over one connection, until the reply is read; {TIMES} times each, one by one. "
        "All of that is own time: the store keeps what was said and what was answered before it is sent (two commits "
        "to disk). The products work in a container; `inspect` asks there, the others answer from what is known."
    )
    return Section("Own time of commands", method, tuple(figures))


async def _commands(fleet: Coordinator, names: Sequence[str]) -> list[Figure]:
    every: list[float] = []
    figures: list[Figure] = []
    for command in COMMANDS:
        text = "/fleet " + command.format(one=names[0])
        times = [await _one(fleet, text) for _ in range(TIMES)]
        every += times
        figures.append(middle(f"`/fleet {command.format(one='PRODUCT')}`, {len(names)} products", times))
    typical = Figure(f"median of all, {len(names)} products", median(every) * 1000, "ms", Goal(20), spread=f"n = {len(every)}")
    return [typical, *figures]


async def _one(fleet: Coordinator, text: str) -> float:
    began = time.perf_counter()
    replies = await fleet.say(text)
    took = time.perf_counter() - began
    if [reply["kind"] for reply in replies] != ["reply"]:
        raise RuntimeError(f"{text} was answered with {replies}")
    return took
