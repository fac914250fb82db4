"""The queue and the capacity as one picture: who uses a slot, who waits for what and about how long."""

from dataclasses import dataclass
from typing import Any

from bot.domain import Person, Role, Work, WorkState, access
from bot.fleet import Fleet
from bot.text.wording import count, money
from bot.work import estimates, forecast, slots
from bot.work.admission import Admission, Capacity
from bot.work.admission_input import admissions
from bot.work.capacity import capacity
from bot.work.states import shown_state


@dataclass(frozen=True, slots=True)
class Queued:
    """One piece of queued work. `wait` is the expected waiting time in words."""

    work: Work
    position: int
    reason: str
    code: str
    wait: str = ""
    wait_seconds: int | None = None
    starts: bool = False
    """True if it starts at the next check."""


@dataclass(frozen=True, slots=True)
class Picture:
    """Queue and capacity, as far as a person may see them."""

    capacity: Capacity
    running: tuple[Work, ...]
    """Work that uses a slot, the oldest first."""
    waiting: tuple[Work, ...]
    """Started work that uses no slot: it waits for a decision, or its product is paused."""
    queue: tuple[Queued, ...]
    hidden: int = 0
    """Number of pieces of work that the person may not see."""


def picture(fleet: Fleet, person: Person | None = None) -> Picture:
    """Return the queue and the capacity, as far as a person may see them. Asks no engine and changes nothing."""
    queue = fleet.store.work.open(states=(WorkState.QUEUED,))
    made = [each for each in admissions(fleet, queue) if each.work.state is WorkState.QUEUED] if queue else []
    waits, having = forecast.waits(fleet, made), slots.in_use(fleet)
    held = {work.id for work in having}
    started = fleet.store.work.open(states=(*slots.SLOT_STATES, WorkState.WAITING))
    line = [_queued(each, position, waits.get(each.work.id)) for position, each in enumerate(made, 1)]
    shown = {name for name in fleet.products if person is None or access.may(person, Role.VIEWER, name) is None}
    mine = tuple(each for each in line if each.work.product in shown)
    running = tuple(work for work in having if work.product in shown)
    return Picture(
        capacity=capacity(fleet),
        running=running,
        waiting=tuple(work for work in started if work.id not in held and work.product in shown),
        queue=mine,
        hidden=len(line) - len(mine) + len(having) - len(running),
    )


def headline(found: Picture) -> str:
    """Return the length of the queue and the capacity in use, on one line."""
    return f"**Queue:** {len(found.queue)} queued · {usage(found.capacity)}"


def usage(capacity: Capacity) -> str:
    """Return the capacity in use, and the brake if it is on, on one line."""
    parts = [f"{capacity.running} of {count(capacity.max_sessions, 'slot')}", count(capacity.sessions, "session")]
    if capacity.max_memory_gb is not None:
        reserved = f" ({capacity.reserved_gb:.1f} GB more reserved)" if capacity.reserved_gb >= 0.05 else ""
        parts.append(f"memory {capacity.memory_gb:.1f} of {capacity.max_memory_gb:g} GB{reserved}")
    if capacity.max_cpu_percent is not None:
        parts.append(f"CPU {capacity.cpu_percent:.0f} of {capacity.max_cpu_percent:g} %")
    if capacity.max_weight is not None:
        parts.append(f"weight {capacity.weight:g} of {capacity.max_weight:g}")
    limit = f" of {money(capacity.budget_usd)}" if capacity.budget_usd is not None else ""
    parts.append(f"{money(capacity.spent_usd)}{limit} today")
    brake = f" · ⚠ {capacity.frozen}" if capacity.frozen else ""
    return " · ".join(parts) + brake


def as_json(found: Picture, fleet: Fleet, product: str | None = None) -> dict[str, Any]:
    """Return the picture as JSON. If a product is named, its work with the capacity of the whole fleet."""
    return {
        "at": fleet.now().isoformat(),
        "capacity": capacity_json(found.capacity),
        "running": [_started(work, fleet) for work in found.running if product in (None, work.product)],
        "waiting": [_started(work, fleet) for work in found.waiting if product in (None, work.product)],
        "queue": [_in_line(each) for each in found.queue if product in (None, each.work.product)],
        "hidden": found.hidden,
    }


def capacity_json(capacity: Capacity) -> dict[str, Any]:
    """Return each limit with what is used and reserved of it. A `max` of null means unlimited.

    `sessions_running` counts agent processes, and `sessions` is the former name of `slots`."""
    used = {"used": capacity.running, "reserved": 0, "max": capacity.max_sessions}
    return {
        "slots": used,
        "sessions_running": capacity.sessions,
        "sessions": used,
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


def _queued(each: Admission, position: int, wait: forecast.Wait | None) -> Queued:
    reason = "starts at the next check" if each.start else each.reason
    seconds = int(wait.span.total_seconds()) if wait else None
    return Queued(each.work, position, reason, each.code, str(wait) if wait else "", seconds, each.start)


def _started(work: Work, fleet: Fleet) -> dict[str, Any]:
    known = estimates.expected(fleet, work.product, work.capability)
    return {
        "id": work.id,
        "product": work.product,
        "objective": work.objective,
        "capability": work.capability,
        "state": shown_state(fleet, work),
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
        "position": each.position,
        "place": each.position,
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
