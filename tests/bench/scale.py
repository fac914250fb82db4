"""Large fleets: many products with much that waits, and an inbox of a thousand gates."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bot import admission
from bot.admission import Capacity
from bot.domain import Gate, GateKind, GateState, Product, Work, WorkState
from bot.fleet import Fleet
from bot.jobs import Jobs
from bot.registry import PRIORITIES, RegistryFile
from bot.store import Store
from tests.bench.bench import Bench
from tests.bench.coordinator import Coordinator, end_supervisors, write_registry
from tests.bench.figures import Figure, Section, middle
from tests.fakes.engine import FakeEngine

PRODUCTS, WAITING, GATES = 200, 2000, 1000
TIMES = 15
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PLAN = """# Plan: change the importer, revision 1

One builder, one branch, three of forty files.

## Steps
1. Read `importer/csv.py` and write down what it promises today.
2. Change `importer/csv.py` and `importer/rows.py` for **quoted fields**.
3. Prove it: `tests/test_csv.py` covers the new behaviour.

## Files
- `importer/csv.py`
- `importer/rows.py`

| risk | what is done about it |
| --- | --- |
| old files | both ways are read for one release |
"""


async def measure(bench: Bench) -> Section:
    """Deciding who may start, and showing who waits."""
    figures = [_admit(), await _step(bench.place("queue")), *await _inbox(bench.place("inbox"))]
    method = (
        f"`admit` is the plain function that decides for every piece of queued work, {WAITING:,} for {PRODUCTS} products. "
        "The step is the whole job: the store read, the decisions made, those kept that changed, while nothing is free. The "
        f"inbox is asked over HTTP of a coordinator in whose store {GATES:,} plans wait; each comes with its plan rendered."
    )
    return Section("Large fleets", method, tuple(figures))


def _admit() -> Figure:
    products = {
        name: Product(name, where, priority=PRIORITIES[number % 4], resource_weight=1 + number % 3)
        for number, (name, where) in enumerate(_paths(PRODUCTS).items())
    }
    queue = [_queued(number, name) for number, name in enumerate(_spread(products, WAITING), 1)]
    capacity, held = Capacity(running=10, max_sessions=50), {name: f"{name} is paused" for name in list(products)[::10]}

    def job() -> None:
        decisions = admission.admit(queue, products, capacity, held, {}, NOW)
        if len(decisions) != WAITING or sum(each.start for each in decisions) != 40:
            raise RuntimeError("admit did not decide as it must")

    return middle(f"`admit`: {WAITING:,} waiting, {PRODUCTS} products", [_timed(job) for _ in range(TIMES)])


async def _step(place: Path) -> Figure:
    """The job over a real store and a fake engine, which is never reached: nothing may start."""
    registry = RegistryFile(
        write_registry(place / "products.yaml", _paths(PRODUCTS), scheduling={"max_concurrent_sessions": 1})
    )
    store = Store(place / "fleet.db")
    try:
        with store.transaction():
            for number, name in enumerate(_spread(_paths(PRODUCTS), WAITING), 1):
                store.work.add(_queued(number, name), f"request-{number}")
            store.work.add(replace(_queued(0, "product-000"), state=WorkState.RUNNING), "runs already")
        jobs = Jobs(Fleet(registry, store, FakeEngine()))
        jobs.step()
        times = [_timed(jobs.step) for _ in range(TIMES)]
    finally:
        store.close()
    return middle(f"the whole step of the jobs: {WAITING:,} waiting, {PRODUCTS} products", times)


async def _inbox(place: Path) -> list[Figure]:
    """Over HTTP; the gates' products have no folder, which is nothing to the inbox."""
    paths = {name: str(place / name) for name in _paths(PRODUCTS)}
    fleet = Coordinator(place, write_registry(place / "products.yaml", paths), {"FLEET_ENGINE": "rehearsal"})
    store = Store(fleet.state / "fleet.db")
    try:
        with store.transaction():
            for number, name in enumerate(_spread(paths, GATES), 1):
                store.gates.add(_plan(number, name))
    finally:
        store.close()
    asked = {
        "`GET /api/gates?state=open`, as the page asks": "/api/gates?state=open",
        "`GET /api/gates?state=open&limit=500`": "/api/gates?state=open&limit=500",
        f"`GET /api/status`, {PRODUCTS} products": "/api/status",
    }
    try:
        async with fleet:
            figures = []
            for what, path in asked.items():
                times = []
                for _ in range(TIMES):
                    began = time.perf_counter()
                    await fleet.get(path)
                    times.append(time.perf_counter() - began)
                figures.append(middle(f"{what}, {GATES:,} open gates", times))
            return figures
    finally:
        end_supervisors(fleet.state)


def _paths(count: int) -> dict[str, str]:
    return {f"product-{number:03}": f"/projects/product-{number:03}" for number in range(count)}


def _spread(products: Mapping[str, object], count: int) -> list[str]:
    """`count` names, every product in turn."""
    names = list(products)
    return [names[number % len(names)] for number in range(count)]


def _queued(number: int, product: str) -> Work:
    asked = NOW - timedelta(minutes=number % 240)
    return Work(f"w{number}", product, f"objective {number}", WorkState.QUEUED, asked, asked, asked_by="ana")


def _plan(number: int, product: str) -> Gate:
    asked = NOW - timedelta(minutes=number)
    return Gate(
        "",
        product,
        GateKind.PLAN,
        f"Plan {number}",
        PLAN,
        GateState.OPEN,
        asked,
        asked,
        mail=f"msg-{number}",
        thread=str(number),
    )


def _timed(job: Callable[[], object]) -> float:
    began = time.perf_counter()
    job()
    return time.perf_counter() - began
