"""Large fleets with many queued pieces of work and an inbox of a thousand gates."""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from statistics import median

from bot.domain import Gate, GateKind, GateState, Product, Work, WorkState
from bot.fleet import Fleet
from bot.jobs.table import Jobs
from bot.registry import PRIORITIES, RegistryFile
from bot.store import Store
from bot.work import admission
from bot.work.admission import NOTHING, Capacity, Hold, Requirements
from bot.work.status import status
from tests.bench import machine
from tests.bench.bench import Bench
from tests.bench.figures import Figure, Goal, Section, amount, middle
from tests.bench.running_fleet import RunningFleet, end_supervisors, write_registry
from tests.fakes.engine import FakeEngine

PRODUCTS, WAITING, GATES = 200, 2000, 1000
HISTORIES = (1_000, 200_000)
"""Numbers of ended pieces of work between which the status is compared."""
TIMES = 15
STATIC = files("bot.chat.web") / "static"
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
    """Measure admission and the views of the queue."""
    figures = [*_admit(), await _step(bench.place("queue")), *_history(bench), *await _inbox(bench.place("inbox"))]
    method = (
        f"`admit` is the pure function that decides about all queued work, here {WAITING:,} pieces for {PRODUCTS} products: "
        "once while 40 of them can start, and in the worst case, when each one is considered and refused. The job step reads "
        "the queue, decides, and stores the rulings that changed, while no slot is free. These figures are CPU of this "
        "process, and so are those of `status`, which is compared between a short and a long history. The "
        f"inbox is requested over HTTP from a fleet whose store holds {GATES:,} open plans, each with its own work; those "
        "figures are CPU of the fleet's process (from /proc), so other programs do not affect them."
    )
    return Section("Large fleets", method, tuple(figures))


def _admit() -> list[Figure]:
    products = {
        name: Product(name, where, priority=PRIORITIES[number % 4], resource_weight=1 + number % 3)
        for number, (name, where) in enumerate(_paths(PRODUCTS).items())
    }
    queue = [_queued(number, name) for number, name in enumerate(_spread(products, WAITING), 1)]
    held = {name: Hold("paused", f"{name} is paused") for name in list(products)[::10]}
    free = Capacity(running=10, max_sessions=50, max_memory_gb=500, free_gb={"": 500.0}, max_weight=500, max_cpu_percent=80)
    short = replace(free, spent_usd=99.5, budget_usd=100)
    question = replace(NOTHING, products=products, held=held, needs={name: Requirements(2.0, 1.0) for name in products})

    def figure(what: str, capacity: Capacity, starts: int) -> Figure:
        def job() -> None:
            decisions = admission.admit(queue, capacity, question, NOW)
            if len(decisions) != WAITING or sum(each.start for each in decisions) != starts:
                raise RuntimeError("admit did not decide as it must")

        return middle(what, [_timed(job) for _ in range(TIMES)], goal=10.0)

    scale = f"`admit`: {WAITING:,} queued, {PRODUCTS} products"
    return [figure(f"{scale}, 40 start", free, 40), figure(f"{scale}, no budget left", short, 0)]


async def _step(place: Path) -> Figure:
    """Run the scheduling job on a real store and a fake engine, which it never calls."""
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
        jobs.loop.step()
        times = [_timed(jobs.loop.step) for _ in range(TIMES)]
    finally:
        store.close()
    return middle(f"scheduling job: {WAITING:,} queued, {PRODUCTS} products", times, goal=30.0)


def _history(bench: Bench) -> list[Figure]:
    """Compare the status of the same fleet after few and after many ended pieces of work."""
    figures = [_status_after(bench.place(f"history-{ended}"), ended) for ended in HISTORIES]
    few, many = (figure.value for figure in figures)
    ratio = Figure(f"`status`: {HISTORIES[1]:,} against {HISTORIES[0]:,} ended pieces of work", many / few, "times", Goal(1.2))
    return [*figures, ratio]


def _status_after(place: Path, ended: int) -> Figure:
    registry = RegistryFile(write_registry(place / "products.yaml", _paths(PRODUCTS)))
    store = Store(place / "fleet.db")
    try:
        with store.transaction():
            for number, name in enumerate(_paths(PRODUCTS), 1):
                work = replace(_queued(number, name), state=WorkState.DONE, started_at=NOW, ended_at=NOW, result="done")
                store.work.add(work, f"ended-{number}")
            _repeat_work(store, ended // PRODUCTS - 1)
            for number, name in enumerate(_spread(_paths(PRODUCTS), PRODUCTS // 10), 1):
                store.work.add(_queued(number, name), f"request-{number}")
        fleet = Fleet(registry, store, FakeEngine())
        status(fleet)
        times = [_timed(lambda: status(fleet)) for _ in range(10 * TIMES)]
    finally:
        store.close()
    return middle(f"`status`: {PRODUCTS} products, {ended:,} ended pieces of work", times)


def _repeat_work(store: Store, times: int) -> None:
    """Copy every piece of work in the store this many times, each under its own request."""
    columns = [row["name"] for row in store.database.rows("PRAGMA table_info(work)") if row["name"] not in {"n", "request"}]
    names = ", ".join(columns)
    store.database.run(
        f"INSERT INTO work ({names}, request) WITH RECURSIVE copy(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM copy WHERE i < ?)"
        f" SELECT {names}, request || '-' || i FROM work, copy ORDER BY i",
        times,
    )


async def _inbox(place: Path) -> list[Figure]:
    """Measure the inbox over HTTP. The gates' products have no folder, which the inbox does not need."""
    paths = {name: str(place / name) for name in _paths(PRODUCTS)}
    registry = write_registry(place / "products.yaml", paths, approvals={"hold_new_work": True})
    fleet = RunningFleet(place, registry, {"FLEET_ENGINE": "rehearsal"})
    store = Store(fleet.state / "fleet.db")
    try:
        with store.transaction():
            for number, name in enumerate(_spread(paths, GATES), 1):
                work, _ = store.work.add(replace(_queued(number, name), state=WorkState.WAITING), f"request-{number}")
                store.gates.add(replace(_plan(number, name), work=work.id))
    finally:
        store.close()

    async def skill() -> None:
        async with fleet.http.post("/api/skills/gates", json={}) as answer:
            answer.raise_for_status()
            if len((await answer.json())["data"]["gates"]) != GATES:
                raise RuntimeError("the skill did not list every gate")

    asked: dict[str, Callable[[], Awaitable[object]]] = {
        f"`GET /api/gates?state=open&limit={GATES}`": lambda: fleet.get(f"/api/gates?state=open&limit={GATES}"),
        "the skill `gates`, with its table and data": skill,
        "opening the page, with all its requests": lambda: _open_page(fleet),
    }
    try:
        async with fleet:
            figures = [await _own_time(fleet, f"{what}, {GATES:,} open gates", ask) for what, ask in asked.items()]
            status = [await _waited(lambda: fleet.get("/api/status")) for _ in range(TIMES)]
            figures.append(middle(f"`GET /api/status`, {PRODUCTS} products, {GATES:,} open gates", status))
            return figures
    finally:
        end_supervisors(fleet.state)


async def _open_page(fleet: RunningFleet) -> None:
    """Request everything a browser requests, from the page to the last post of the conversation."""
    async with fleet.http.get("/") as page:
        page.raise_for_status()
    for name in sorted(each.name for each in STATIC.iterdir()):
        async with fleet.http.get(f"/static/{name}") as file:
            await file.read()
    await fleet.get("/api/me")
    async with fleet.listen() as socket:
        _, status = [await socket.receive_json() for _ in range(2)]
        first = ",".join(status["status"]["inbox"][:40])
        for path in (f"gates?ids={first}", "gates?limit=40", "conversations", "conversations/main/posts?after=0"):
            await fleet.get(f"/api/{path}")


async def _own_time(fleet: RunningFleet, what: str, ask: Callable[[], Awaitable[object]]) -> Figure:
    """Return the fleet's CPU time for one answer, which other programs do not affect.

    The first answer fills caches and is reported separately.
    """
    before = machine.cpu_seconds(fleet.pid)
    await ask()
    first = machine.cpu_seconds(fleet.pid) - before
    before, waited = machine.cpu_seconds(fleet.pid), []
    for _ in range(TIMES):
        waited.append(await _waited(ask))
    each = (machine.cpu_seconds(fleet.pid) - before) / TIMES
    spread = f"CPU, mean of {TIMES}; first {amount(first * 1000, 'ms')}, elapsed {amount(median(waited) * 1000, 'ms')}"
    return Figure(what, each * 1000, "ms", Goal(50), spread=spread)


async def _waited(ask: Callable[[], Awaitable[object]]) -> float:
    began = time.perf_counter()
    await ask()
    return time.perf_counter() - began


def _paths(count: int) -> dict[str, str]:
    return {f"product-{number:03}": f"/projects/product-{number:03}" for number in range(count)}


def _spread(products: Mapping[str, object], count: int) -> list[str]:
    """Return `count` names, cycling through the products."""
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
    """Return the CPU seconds of this process."""
    began = time.process_time()
    job()
    return time.process_time() - began
