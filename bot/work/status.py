"""The status of the whole fleet as one value, most urgent first, with its JSON and its text."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from bot.domain import LEAD, Gate, GateState, Person, Product, Role, Session, Snapshot, Trouble, Work, WorkState, access
from bot.fleet import Fleet
from bot.gates import inbox
from bot.gates.lifecycle import named
from bot.text.wording import STATE_LABELS, count, headline, money, shortened, since
from bot.work import priorities
from bot.work.admission import Capacity
from bot.work.capacity import capacity
from bot.work.limits import spent_today
from bot.work.slots import paused_products, using

Owned = TypeVar("Owned", Work, Gate)

MARKS = {"unreachable": "⊘", "failed": "✖", "waiting": "●", "running": "▶", "paused": "‖", "idle": "○"}
"""States of a product, the most urgent first, each with its symbol. Colour is never the only sign of a state."""


@dataclass(frozen=True, slots=True)
class ProductStatus:
    """Status of one product."""

    name: str
    type: str
    priority: str
    state: str
    doing: str
    since: datetime | None
    sessions: tuple[Session, ...]
    gates: tuple[Gate, ...]
    running: tuple[Work, ...]
    queued: tuple[Work, ...]
    cost_usd_today: float
    trouble: Trouble | None
    last: Work | None
    notice: Trouble | None = None
    """Something that stops no work but that people should know."""
    slots: int = 0
    """Slots that its work uses."""


@dataclass(frozen=True, slots=True)
class FleetStatus:
    """Status of every product, the most urgent first, and the capacity in use."""

    at: datetime
    products: tuple[ProductStatus, ...]
    capacity: Capacity
    registry_problems: tuple[str, ...] = ()
    inbox: tuple[str, ...] = ()
    """Ids of the open gates, the most urgent first."""


def status(fleet: Fleet, names: Sequence[str] = (), person: Person | None = None) -> FleetStatus:
    """Return the status of the fleet, or of the products named, as far as a person may see it. Asks no engine."""
    names = [fleet.product(name).name for name in names]
    unfinished = fleet.store.work.open()
    found = fleet.store.gates.in_states(GateState.OPEN)
    assessed = inbox.assess(fleet, found, {work.id: (work.product, work.state) for work in unfinished})
    gates = [each.gate for each in inbox.by_urgency(assessed)]
    work, waiting = _by_product(unfinished), _by_product(gates)
    last, paused = fleet.store.work.last_ended(), paused_products(fleet)
    known, spent = priorities.products(fleet), spent_today(fleet)
    slots = Counter(each.product for each in using(fleet, unfinished, paused))
    products = [
        product_status(
            product,
            fleet.snapshots.get(product.name),
            work[product.name],
            waiting[product.name],
            last.get(product.name),
            paused=product.name in paused,
            trouble=fleet.trouble(product),
            spent=spent.get(product.name, 0.0),
            slots=slots[product.name],
        )
        for product in known.values()
        if (not names or product.name in names) and (person is None or access.may(person, Role.VIEWER, product.name) is None)
    ]
    shown = {each.name for each in products}
    return FleetStatus(
        fleet.now(),
        urgent_first(products),
        capacity(fleet),
        fleet.registry_problems,
        inbox=tuple(gate.id for gate in gates if gate.product in shown or (person is None and not names)),
    )


def _by_product(found: Sequence[Owned]) -> defaultdict[str, list[Owned]]:
    """Group work or gates by product, in the order given."""
    grouped: defaultdict[str, list[Owned]] = defaultdict(list)
    for each in found:
        grouped[each.product].append(each)
    return grouped


def product_status(
    product: Product,
    snapshot: Snapshot | None,
    work: Sequence[Work],
    gates: Sequence[Gate],
    last: Work | None,
    *,
    paused: bool,
    trouble: Trouble | None,
    spent: float = 0.0,
    slots: int = 0,
) -> ProductStatus:
    """Return the status of one product from the engine's snapshot and our records."""
    sessions = snapshot.active if snapshot else ()
    running = tuple(each for each in work if each.state in {WorkState.STARTING, WorkState.RUNNING, WorkState.WAITING})
    queued = tuple(each for each in work if each.state is WorkState.QUEUED)
    busy = any(session.state in {"working", "in_turn", "booting"} for session in sessions if not session.lead)
    trouble = trouble or (snapshot.trouble if snapshot else None)
    since_then: datetime | None
    if trouble is not None:
        state = "unreachable" if trouble.code == "unreachable" else "failed"
        doing, since_then = trouble.message, None
    elif paused:
        state, doing, since_then = "paused", _paused_words(len(running), len(gates)), None
    elif gates:
        state, doing, since_then = "waiting", named(gates[0], 60), gates[0].created_at
        doing += f", revision {gates[0].revision}" if gates[0].revision > 1 else ""
    elif running or busy:
        names = Counter(session.capability for session in sessions if not session.lead)
        who = " + ".join(f"{number} {name}s" if number > 1 else name for name, number in sorted(names.items())) or LEAD
        what = f" on “{shortened(running[0].objective, 60)}”" if running else ""
        state, doing = "running", who + what
        since_then = running[0].started_at if running else min((s.started_at for s in sessions if s.started_at), default=None)
    elif queued:
        state, doing, since_then = "idle", f"{queued[0].id} queued: {queued[0].reason}", queued[0].created_at
    else:
        state, doing, since_then = "idle", _last_words(last), last.ended_at if last else None
    return ProductStatus(
        name=product.name,
        type=product.type,
        priority=product.priority,
        state=state,
        doing=doing,
        since=since_then,
        sessions=sessions,
        gates=tuple(gates),
        running=running,
        queued=queued,
        cost_usd_today=spent,
        trouble=trouble,
        last=last,
        notice=snapshot.notice if snapshot and trouble is None else None,
        slots=slots,
    )


def urgent_first(products: Sequence[ProductStatus]) -> tuple[ProductStatus, ...]:
    """Return these products with the most urgent state first, within one state in the registry's order."""
    order = list(MARKS)
    return tuple(sorted(products, key=lambda each: (order.index(each.state), not each.queued)))


def as_json(status: FleetStatus) -> dict[str, Any]:
    """Return the status of the fleet as JSON."""
    capacity = status.capacity
    return {
        "at": status.at.isoformat(),
        "products": [product_json(each) for each in status.products],
        "capacity": {
            "slots": {"used": capacity.running, "max": capacity.max_sessions},
            "sessions_running": capacity.sessions,
            "sessions": {"used": capacity.running, "max": capacity.max_sessions},  # former name of `slots`
            "cpu_percent": {"used": round(capacity.cpu_percent, 1), "max": capacity.max_cpu_percent},
            "memory_gb": {"used": round(capacity.memory_gb, 2), "max": capacity.max_memory_gb},
            "cost_usd_today": {"used": round(capacity.spent_usd, 4), "max": capacity.budget_usd},
        },
        "registry_problems": list(status.registry_problems),
    }


def product_json(status: ProductStatus) -> dict[str, Any]:
    """Return the status of one product as JSON."""
    trouble = status.trouble
    return {
        "name": status.name,
        "type": status.type,
        "priority": status.priority,
        "state": status.state,
        "label": STATE_LABELS[status.state],
        "doing": status.doing,
        "since": status.since.isoformat() if status.since else None,
        "sessions": [
            {
                "agent": session.agent,
                "capability": session.capability,
                "state": session.state,
                "task": session.task,
                "since": session.started_at.isoformat() if session.started_at else None,
                "last_activity": session.last_activity.isoformat() if session.last_activity else None,
            }
            for session in status.sessions
        ],
        "slots": status.slots,
        "sessions_by_capability": dict(Counter(session.capability for session in status.sessions)),
        "open_gates": len(status.gates),
        "gates": [gate.id for gate in status.gates],
        "working": [work.id for work in status.running],
        "queued": len(status.queued),
        "cost_usd_today": round(status.cost_usd_today, 4),
        "last": {
            "id": status.last.id,
            "state": status.last.state.value,
            "result": headline(status.last.result, 200),
            "at": status.last.updated_at.isoformat(),
        }
        if status.last
        else None,
        "problem": f"{trouble.message} {trouble.hint}".strip() if trouble else None,
        "problem_code": trouble.code if trouble else None,
        "notice": f"{status.notice.message} {status.notice.hint}".strip() if status.notice else None,
        "notice_code": status.notice.code if status.notice else None,
    }


def as_text(status: FleetStatus) -> str:
    """Return the status in Markdown: a line of totals, then a line for each product."""
    lines = [totals(status), ""]
    lines += [f"- {product_line(each, status.at)}" for each in status.products]
    lines += [f"- ⚠ {each.name}: {each.notice.message} {each.notice.hint}" for each in status.products if each.notice]
    if not status.products:
        lines.append("No product yet: add one to products.yaml, or run `fleet init`.")
    lines += [f"- ⚠ {problem}" for problem in status.registry_problems]
    return "\n".join(lines)


def totals(status: FleetStatus) -> str:
    """Return the number of products in each state, and the capacity in use, on one line."""
    states = Counter(each.state for each in status.products)
    said = [f"{states[state]} {STATE_LABELS[state].lower()}" for state in MARKS if states[state]]
    capacity = status.capacity
    use = [f"{capacity.running} of {count(capacity.max_sessions, 'slot')}", count(capacity.sessions, "session")]
    if capacity.max_cpu_percent is not None:
        use.append(f"CPU {capacity.cpu_percent:.0f} %")
    if capacity.max_memory_gb is not None:
        use.append(f"memory {capacity.memory_gb:.1f} of {capacity.max_memory_gb:g} GB")
    spent = money(capacity.spent_usd) + (f" of {money(capacity.budget_usd)}" if capacity.budget_usd is not None else "")
    brake = f" · ⚠ {capacity.frozen}" if capacity.frozen else ""
    return f"**Fleet:** {' · '.join(said) or 'no products'} — {', '.join(use)}, {spent} today{brake}"


def product_line(status: ProductStatus, now: datetime) -> str:
    """Return the status of one product on one line."""
    parts = [f"{MARKS[status.state]} **{status.name}** {STATE_LABELS[status.state]}"]
    if status.doing:
        parts.append(status.doing)
    if status.since and (status.state != "idle" or status.queued):
        parts.append(since(status.since, now))
    if status.queued and (status.state != "idle" or len(status.queued) > 1):
        parts.append(f"{len(status.queued)} queued")
    if status.cost_usd_today:
        parts.append(money(status.cost_usd_today))
    line = " · ".join(parts)
    if status.trouble and status.trouble.hint:
        line += f" {status.trouble.hint}"
    if status.state == "waiting":
        line += f" (`{status.gates[0].id}`)"
    return line


def _paused_words(work: int, gates: int) -> str:
    said = [f"{count(work, 'piece')} of work paused"] if work else []
    return ", ".join([*said, *([count(gates, "open gate")] if gates else [])])


def _last_words(last: Work | None) -> str:
    if last is None:
        return ""
    return f"last: {last.id} {STATE_LABELS[last.state].lower()} “{headline(last.result or last.objective, 60)}”"
