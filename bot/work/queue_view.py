"""Queue and capacity as one picture: who has a place, who waits for what and about how long, and what is left of each limit."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bot.domain import Person, Role, Work, WorkState, access
from bot.text.wording import count, money
from bot.work import capacity as room
from bot.work import estimates, forecast
from bot.work.admission import Admission, Capacity

if TYPE_CHECKING:
    from bot.fleet import Fleet


@dataclass(frozen=True, slots=True)
class Queued:
    """One piece of work in line. `wait` says about how long in words; `starts` whether it starts at the next look."""

    work: Work
    place: int
    reason: str
    code: str
    wait: str = ""
    wait_seconds: int | None = None
    starts: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """All of it. `hidden` counts what waits or runs in products that the person may not see."""

    capacity: Capacity
    running: tuple[Work, ...]
    """Work that has a place, the oldest first."""
    waiting: tuple[Work, ...]
    """Work under way that has given its place away: it waits for a person, or stands still with its product."""
    queue: tuple[Queued, ...]
    hidden: int = 0


def picture(fleet: "Fleet", person: Person | None = None) -> Picture:
    """Queue and capacity, as far as a person may see them; asks nobody and changes nothing."""
    queue = fleet.store.work.open(states=(WorkState.QUEUED,))
    made = [each for each in room.decisions(fleet, queue) if each.work.state is WorkState.QUEUED] if queue else []
    waits, having = forecast.waits(fleet, made), room.holding(fleet)
    held = {work.id for work in having}
    under_way = fleet.store.work.open(states=(*room.HOLDING, WorkState.WAITING))
    line = [_queued(each, place, waits.get(each.work.id)) for place, each in enumerate(made, 1)]
    shown = {name for name in fleet.products if person is None or access.may(person, Role.VIEWER, name) is None}
    mine = tuple(each for each in line if each.work.product in shown)
    running = tuple(work for work in having if work.product in shown)
    return Picture(
        capacity=room.capacity(fleet),
        running=running,
        waiting=tuple(work for work in under_way if work.id not in held and work.product in shown),
        queue=mine,
        hidden=len(line) - len(mine) + len(having) - len(running),
    )


def _queued(each: Admission, place: int, wait: forecast.Wait | None) -> Queued:
    reason = "starts at the next look" if each.start else each.reason
    seconds = int(wait.span.total_seconds()) if wait else None
    return Queued(each.work, place, reason, each.code, str(wait) if wait else "", seconds, each.start)


def headline(found: Picture) -> str:
    """What is in use, on one line."""
    capacity = found.capacity
    parts = [f"{capacity.running} of {count(capacity.max_sessions, 'session')}"]
    if capacity.max_memory_gb is not None:
        promised = f" and {capacity.reserved_gb:.1f} promised" if capacity.reserved_gb >= 0.05 else ""
        parts.append(f"memory {capacity.memory_gb:.1f}{promised} of {capacity.max_memory_gb:g} GB")
    if capacity.max_cpu_percent is not None:
        parts.append(f"CPU {capacity.cpu_percent:.0f} of {capacity.max_cpu_percent:g} %")
    if capacity.max_weight is not None:
        parts.append(f"weight {capacity.weight:g} of {capacity.max_weight:g}")
    limit = f" of {money(capacity.budget_usd)}" if capacity.budget_usd is not None else ""
    parts.append(f"{money(capacity.spent_usd)}{limit} today")
    brake = f" · ⚠ {capacity.frozen}" if capacity.frozen else ""
    return f"**Queue**: {count(len(found.queue), 'piece')} of work · {' · '.join(parts)}{brake}"


def as_json(found: Picture, fleet: "Fleet", product: str | None = None) -> dict[str, Any]:
    """The picture as every program sees it; of one product, if named, with the capacity of all."""
    return {
        "at": fleet.now().isoformat(),
        "capacity": capacity_json(found.capacity),
        "running": [_running(work, fleet) for work in found.running if product in (None, work.product)],
        "waiting": [_running(work, fleet) for work in found.waiting if product in (None, work.product)],
        "queue": [_in_line(each) for each in found.queue if product in (None, each.work.product)],
        "hidden": found.hidden,
    }


def capacity_json(capacity: Capacity) -> dict[str, Any]:
    """What is in use of each limit, what is promised to what has just started, and the limit (null: none)."""
    return {
        "sessions": {"used": capacity.running, "reserved": 0, "max": capacity.max_sessions},
        "weight": {"used": capacity.weight, "reserved": 0, "max": capacity.max_weight},
        "cpu_percent": {"used": round(capacity.cpu_percent, 1), "reserved": 0, "max": capacity.max_cpu_percent},
        "memory_gb": {
            "used": round(capacity.memory_gb, 2),
            "reserved": round(capacity.reserved_gb, 2),
            "max": capacity.max_memory_gb,
        },
        "cost_usd_today": {
            "used": round(capacity.spent_usd, 4),
            "reserved": round(capacity.reserved_usd, 4),
            "max": capacity.budget_usd,
        },
        "frozen": capacity.frozen,
    }


def _running(work: Work, fleet: "Fleet") -> dict[str, Any]:
    known = estimates.expected(fleet, work.product, work.capability)
    return {
        "id": work.id,
        "product": work.product,
        "objective": work.objective,
        "capability": work.capability,
        "state": work.state.value,
        "reason": work.reason,
        "started_at": work.started_at.isoformat() if work.started_at else None,
        "usually_seconds": known.seconds,
        "cost_usd": round(work.cost_usd, 4),
        "memory_gb": round(work.peak_mib / 1024, 2),
        "expected_gb": round(known.memory_gb, 2),
    }


def _in_line(each: Queued) -> dict[str, Any]:
    work = each.work
    return {
        "place": each.place,
        "id": work.id,
        "product": work.product,
        "objective": work.objective,
        "capability": work.capability,
        "priority": work.priority,
        "asked_by": work.asked_by,
        "source": work.source,
        "created_at": work.created_at.isoformat(),
        "deadline": work.deadline.isoformat() if work.deadline else None,
        "depends_on": list(work.depends_on),
        "code": "starts" if each.starts else each.code,
        "reason": each.reason,
        "wait": each.wait,
        "wait_seconds": each.wait_seconds,
    }
