"""Capacity: how much of the slots, weight, memory, CPU and money is in use, and how much there is."""

from collections.abc import Mapping
from dataclasses import dataclass

from bot.domain import Work
from bot.engine.base import RuntimeInfo
from bot.fleet import Fleet
from bot.work import estimates, limits, priorities, slots
from bot.work.admission import Capacity, Requirements
from bot.work.holds import brake_reason


@dataclass
class CpuLoad:
    """CPU use of all sessions, percent of their machines, smoothed so that no start waits for a peak."""

    percent: float = 0.0


def measure_cpu(fleet: Fleet) -> None:
    """Update the smoothed CPU load: half the previous value, half the newest snapshots."""
    cores = sum(runtime.cpus for runtime in fleet.engine.runtimes()) or 1
    used = sum(snapshot.cpu_percent for snapshot in fleet.snapshots.values()) / cores
    load = fleet.state(CpuLoad)
    load.percent = (load.percent + used) / 2


def sessions(fleet: Fleet) -> int:
    """Return the number of agent processes that are running in all products."""
    return sum(len(snapshot.active) for snapshot in fleet.snapshots.values())


def capacity(fleet: Fleet) -> Capacity:
    """Return how much of each shared limit is in use."""
    scheduling, known, having = fleet.registry.scheduling, priorities.products(fleet), slots.in_use(fleet)
    expected = {work.id: estimates.requirements(fleet, work) for work in having}
    by_product: dict[str, float] = {}
    for work in having:
        by_product[work.product] = by_product.get(work.product, 0.0) + expected[work.id].memory_gb
    replying = slots.replying(fleet) - by_product.keys()
    by_product |= {name: estimates.default_requirements(fleet, name).memory_gb for name in replying}
    used = {name: snapshot.memory_mib / 1024 for name, snapshot in fleet.snapshots.items()}
    reserved = {name: max(0.0, gb - used.get(name, 0.0)) for name, gb in by_product.items()}
    free_gb, most_gb = _of_runtimes(fleet, reserved)
    return Capacity(
        running=len(having) + len(replying),
        max_sessions=scheduling.max_concurrent_sessions,
        sessions=sessions(fleet),
        memory_gb=sum(used.values()),
        max_memory_gb=scheduling.max_memory_gb,
        cpu_percent=fleet.state(CpuLoad).percent,
        max_cpu_percent=scheduling.max_cpu_percent,
        spent_usd=limits.fleet_spent_today(fleet),
        budget_usd=limits.daily_limit(fleet, limits.WHOLE_FLEET),
        weight=sum(work.weight or known[work.product].resource_weight for work in having)
        + sum(known[name].resource_weight for name in replying),
        max_weight=scheduling.resource_budget.max_weight,
        reserved_gb=sum(reserved.values()),
        standing_gb=sum(gb for name, gb in used.items() if name not in by_product),
        free_gb=free_gb,
        most_gb=most_gb,
        reserved_usd=sum(remaining_usd(work, expected[work.id]) for work in having),
        frozen=brake_reason(limits.WHOLE_FLEET, fleet.store.brakes.get(limits.WHOLE_FLEET)),
    )


def remaining_usd(work: Work, expected: Requirements) -> float:
    """Return the US dollars that work is still expected to cost."""
    return max(0.0, expected.usd - work.cost_usd)


def _of_runtimes(fleet: Fleet, reserved: Mapping[str, float]) -> tuple[dict[str, float], dict[str, float]]:
    """Return, by runtime, the GiB that are free (less what started work will still take) and the GiB in all."""
    left, most = dict[str, float](), dict[str, float]()
    for number, info in enumerate(fleet.engine.runtimes()):
        if (memory := _memory(info)) is None:
            continue
        mine = [each for each in fleet.registry.products if each.runtime == info.name or (not each.runtime and number == 0)]
        promised = sum(reserved.get(each.name, 0.0) for each in mine)
        for name in (info.name, "") if number == 0 else (info.name,):
            left[name], most[name] = memory[0] - promised, memory[1]
    return left, most


def _memory(info: RuntimeInfo) -> tuple[float, float] | None:
    """Return the GiB that a runtime has free and in all, by its container's limit or on this machine."""
    if info.memory_limit_mib is not None:
        return max(0.0, info.memory_limit_mib - info.memory_mib) / 1024, info.memory_limit_mib / 1024
    if info.kind in {"local", "rehearsal"}:
        import psutil

        memory = psutil.virtual_memory()
        return memory.available / 2**30, memory.total / 2**30
    return None
