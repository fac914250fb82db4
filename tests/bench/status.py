"""Benchmark of the status of working products.

Compares the channel with one `docker exec … overstory status --json` for each product.
"""

import asyncio
import json
import resource
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median
from typing import Any

from bot import registry
from bot.domain import Snapshot
from bot.engine.docker import DockerTransport, client_for
from bot.engine.supervised import SupervisedEngine
from tests.bench import machine
from tests.bench.bench import Bench
from tests.bench.figures import Figure, Goal, Section, amount
from tests.bench.runtime import Runtime

COUNTS = (4, 20, 50)
AT_ONCE = 8
"""Number of parallel execs. A sensible program would not run them one by one."""
ARGV = ("overstory", "status", "--json")
BURST, LEAST = 1000, 20
"""Products asked about, in all, through the channel and by each other way."""
WE = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)

Sweep = Callable[[Sequence[str]], Awaitable[dict[str, int]]]
"""Requests the status of these products and returns the number of agents of each."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Cost of a sweep. Times are in seconds, CPU in seconds of the whole machine for each product."""

    times: tuple[float, ...]
    cpu: float


async def measure(bench: Bench) -> Section:
    """Measure every way for every count in one run."""
    runtime, _ = await bench.working()
    engine = SupervisedEngine(DockerTransport(runtime.container, name="bench"))
    products = registry.load(runtime.registry(bench.folder / "status.yaml")).products
    await engine.open(lambda event: None)
    try:
        await engine.watch(products, {})
        with Execs(runtime) as execs:
            ways: dict[str, Sweep] = {"channel": through(engine), "CLI": execs.by_command, "SDK": execs.by_sdk}
            costs = {(way, count): await _cost(ways[way], runtime, count, way) for count in COUNTS for way in ways}
    finally:
        await engine.close()
    return _section(costs)


def through(engine: SupervisedEngine) -> Sweep:
    """Return a sweep that sends one request over the open stream."""

    async def sweep(names: Sequence[str]) -> dict[str, int]:
        found: tuple[Snapshot, ...] = await engine.snapshot(names)
        return {each.product: len(each.sessions) for each in found}

    return sweep


class Execs:
    """Sweeps without a channel, by Docker's command and by its SDK."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._threads = ThreadPoolExecutor(AT_ONCE)
        self._client = client_for(None)
        self._places = asyncio.Semaphore(AT_ONCE)

    def __enter__(self) -> "Execs":
        return self

    def __exit__(self, *error: object) -> None:
        self._threads.shutdown()
        self._client.close()

    async def by_command(self, names: Sequence[str]) -> dict[str, int]:
        """Run one `docker exec` for each product."""
        return dict(await asyncio.gather(*map(self._command, names)))

    async def by_sdk(self, names: Sequence[str]) -> dict[str, int]:
        """Run one `exec_run` for each product."""
        loop = asyncio.get_running_loop()
        return dict(await asyncio.gather(*(loop.run_in_executor(self._threads, self._exec_run, name) for name in names)))

    async def _command(self, name: str) -> tuple[str, int]:
        words = ("exec", "--user", "agent", "--workdir", self._runtime.products[name], self._runtime.container, *ARGV)
        async with self._places:
            process = await asyncio.create_subprocess_exec("docker", *words, stdout=asyncio.subprocess.PIPE)
            out, _ = await process.communicate()
        return name, _agents(out)

    def _exec_run(self, name: str) -> tuple[str, int]:
        container = self._client.containers.get(self._runtime.container)
        _, out = container.exec_run(list(ARGV), user="agent", workdir=self._runtime.products[name])
        return name, _agents(out)


def _agents(printed: bytes) -> int:
    found: dict[str, Any] = json.loads(printed)
    return len(found["agents"])


@dataclass(frozen=True, slots=True)
class Parties:
    """The processes that take part in a sweep beside this one and the commands that it runs."""

    docker: tuple[int, ...]
    keeper: int
    """Docker's process that runs commands in the container. Their CPU time is added to it when they end."""
    supervisor: tuple[int, ...]
    """The supervisor and the streams to it, empty for the ways without a channel."""

    @classmethod
    async def of(cls, runtime: Runtime, way: str) -> "Parties":
        """Return the current processes of a runtime."""
        inside = await runtime.processes("-m", "bot.supervisor") if way == "channel" else []
        return cls(tuple(machine.named("dockerd", "containerd")), await runtime.keeper(), tuple(inside))

    def used(self) -> float:
        """Return the CPU seconds that all of them have used."""
        own = sum(resource.getrusage(who).ru_utime + resource.getrusage(who).ru_stime for who in WE)
        others = sum(machine.cpu_seconds(pid) for pid in (*self.docker, *self.supervisor))
        return own + others + machine.cpu_seconds(self.keeper, children=True)


async def _cost(sweep: Sweep, runtime: Runtime, count: int, way: str) -> Cost:
    names = list(runtime.products)[:count]
    parties = await Parties.of(runtime, way)
    times: list[float] = []
    least = BURST if way == "channel" else LEAST
    cpu = parties.used()
    while len(times) * count < least:
        started = time.perf_counter()
        told = await sweep(names)
        times.append(time.perf_counter() - started)
        if wrong := [name for name in names if told.get(name) != 2]:
            raise RuntimeError(f"{way} did not report two agents in {', '.join(wrong)}")
    return Cost(tuple(times), (parties.used() - cpu) / len(times) / count)


def _section(costs: dict[tuple[str, int], Cost]) -> Section:
    figures: list[Figure] = []
    for count in COUNTS:
        channel, command, sdk = (costs[way, count] for way in ("channel", "CLI", "SDK"))
        largest = count == COUNTS[-1]
        ours = median(channel.times)
        openclaw = "110 ms for each engine call" if count == 4 else ""
        spread = f"n = {len(channel.times)}"
        figures += [
            Figure(f"{count} products through the channel", ours * 1000, "ms", None, openclaw, spread),
            Figure(f"{count} products, `docker exec` each", median(command.times) * 1000, "ms"),
            Figure(f"{count} products, SDK's `exec_run` each", median(sdk.times) * 1000, "ms"),
            Figure(
                f"{count} products: speed-up over the faster of the two",
                min(median(command.times), median(sdk.times)) / ours,
                "times",
                Goal(50, at_least=True) if largest else None,
                "",
                f"{amount(median(command.times) / ours, 'times')} for `docker exec`, "
                f"{amount(median(sdk.times) / ours, 'times')} for `exec_run`",
            ),
            Figure(f"{count} products: CPU per product, channel", channel.cpu * 1000, "ms", Goal(5) if largest else None),
            Figure(f"{count} products: CPU per product, `docker exec`", command.cpu * 1000, "ms"),
            Figure(f"{count} products: CPU per product, `exec_run`", sdk.cpu * 1000, "ms"),
        ]
    method = (
        "Real Docker with a container of the rehearsal image, in which a coordinator and a builder are running in each of 50 "
        "products. The channel sends one request over the fleet's open `docker exec -i`, answered with the current state of "
        f"every product. The other ways run `{' '.join(ARGV)}` once in each product, {AT_ONCE} at a time. All must report the "
        "same agents. CPU is what the kernel accounts to all processes involved: the caller, Docker's, and the commands, "
        "or for the channel the supervisor including everything else it does meanwhile."
    )
    return Section("Status of working products", method, tuple(figures))
