"""Show how much of each limit is used: slots, weight, CPU, memory and money, by product and by runtime.

Use it for questions about capacity: whether more work fits, what uses the memory, how much a product's work usually needs,
whether the machine itself is full. For what waits for capacity, use `queue`.
"""

from typing import TYPE_CHECKING, Any

from bot.commands.skill import Role, SkillArgs, SkillContext, SkillResult, Table, skill
from bot.domain import access
from bot.text.wording import count
from bot.work import estimates, limits, queue_view, slots

if TYPE_CHECKING:
    from bot.fleet import Fleet


class Args(SkillArgs):
    """No arguments."""


@skill(
    reads=True,
    role=Role.VIEWER,
    summary="Show the use of slots, CPU, memory and money.",
    examples=["resources"],
    synonyms="capacity memory cpu room machine",
    hints="full load",
)
async def resources(args: Args, context: SkillContext) -> SkillResult:
    """Return the limits, the runtimes, this machine, and each product that uses anything."""
    fleet = context.fleet
    picture = queue_view.picture(fleet, context.person)
    machine, runtimes = _machine(), [_runtime(each) for each in fleet.engine.runtimes()]
    products = [_product(name, fleet) for name in fleet.products if access.may(context.person, Role.VIEWER, name) is None]
    busy = [each for each in products if each["memory_gb"] or each["slots"] or each["cost_usd_today"]]
    lines = [f"**Capacity:** {queue_view.usage(picture.capacity)}", "", _machine_line(machine)]
    lines += [_runtime_line(each) for each in runtimes]
    lines += [f"- {_line(each)}" for each in busy] or ["- no product uses any"]
    rows = tuple(
        (
            each["name"],
            str(each["slots"] or ""),
            str(each["sessions"] or ""),
            f"{each['cpu_percent']:.0f}",
            f"{each['memory_gb']:.1f}",
            f"{each['expected_gb']:.1f}",
            f"${each['cost_usd_today']:.2f}",
        )
        for each in busy
    )
    table = Table(("product", "slots", "sessions", "CPU %", "GB", "GB per work", "today"), rows) if rows else None
    capacity = queue_view.capacity_json(picture.capacity)
    data = {"capacity": capacity, "machine": machine, "runtimes": runtimes, "products": products}
    return SkillResult("\n".join(lines), data=data, table=table)


def _machine() -> dict[str, Any]:
    """Return the load of the fleet's machine."""
    import psutil

    memory = psutil.virtual_memory()
    return {
        "cpu_percent": psutil.cpu_percent(interval=None),
        "cpus": psutil.cpu_count() or 1,
        "memory_gb": round((memory.total - memory.available) / 2**30, 2),
        "memory_total_gb": round(memory.total / 2**30, 2),
    }


def _machine_line(machine: dict[str, Any]) -> str:
    used = f"{machine['memory_gb']:.1f} of {machine['memory_total_gb']:.1f} GB in use"
    return f"- this machine: CPU {machine['cpu_percent']:.0f} % of {count(machine['cpus'], 'core')}, {used}"


def _runtime(info: Any) -> dict[str, Any]:
    limit = info.memory_limit_mib
    return {
        "name": info.name,
        "kind": info.kind,
        "cpus": info.cpus,
        "cpu_percent": round(info.cpu_percent / max(info.cpus, 1), 1),
        "memory_gb": round(info.memory_mib / 1024, 2),
        "memory_limit_gb": None if limit is None else round(limit / 1024, 2),
    }


def _runtime_line(runtime: dict[str, Any]) -> str:
    limit = runtime["memory_limit_gb"]
    most = f" of {limit:.1f}" if limit is not None else ""
    used = f"CPU {runtime['cpu_percent']:.0f} %, {runtime['memory_gb']:.1f}{most} GB"
    return f"- runtime {runtime['name']} ({runtime['kind']}): {used}"


def _product(name: str, fleet: "Fleet") -> dict[str, Any]:
    snapshot = fleet.snapshots.get(name)
    expected, used = estimates.expected(fleet, name, None), slots.by_product(fleet)[name]
    return {
        "name": name,
        "slots": used,
        "places": used,
        "sessions": len(snapshot.active) if snapshot else 0,
        "cpu_percent": snapshot.cpu_percent if snapshot else 0.0,
        "memory_gb": round(snapshot.memory_mib / 1024, 2) if snapshot else 0.0,
        "expected_gb": round(expected.memory_gb, 2),
        "learned_from": expected.runs,
        "cost_usd_today": round(limits.spent_today(fleet).get(name, 0.0), 4),
        "budget_usd": limits.daily_limit(fleet, name),
    }


def _line(each: dict[str, Any]) -> str:
    learned = f"learned from {count(each['learned_from'], 'run')}" if each["learned_from"] else "no runs yet"
    used = f"{count(each['slots'], 'slot')} · {count(each['sessions'], 'session')}"
    return (
        f"**{each['name']}** {used} · CPU {each['cpu_percent']:.0f} % of a core · "
        f"{each['memory_gb']:.1f} GB · a piece of work is expected to use {each['expected_gb']:.1f} GB ({learned})"
    )
