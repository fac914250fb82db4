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
from bot.text.wording import count, headline, money, shortened, since
from bot.work import capacity
from bot.work.admission import Capacity

Owned = TypeVar("Owned", Work, Gate)

MARKS = {"trouble": "✖", "waiting": "●", "working": "▶", "queued": "◌", "paused": "‖", "idle": "○"}
"""A product's states, most urgent first, each with its mark; colour never stands alone."""
SAID = {"trouble": "in trouble", "waiting": "waits for you"}


@dataclass(frozen=True, slots=True)
class ProductStatus:
    """One product at a glance."""

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
    """What stops nothing and should yet be known."""


@dataclass(frozen=True, slots=True)
class FleetStatus:
    """Every product, most urgent first, and what is in use."""

    at: datetime
    products: tuple[ProductStatus, ...]
    capacity: Capacity
    registry_problems: tuple[str, ...] = ()
    inbox: tuple[str, ...] = ()
    """Ids of the open gates, what hurts most first."""


def status(fleet: Fleet, names: Sequence[str] = (), person: Person | None = None) -> FleetStatus:
    """Return the status of the fleet, or of the products named, as far as a person may see it. Asks no engine."""
    names = [fleet.product(name).name for name in names]
    unfinished = fleet.store.work.open()
    found = fleet.store.gates.in_states(GateState.OPEN)
    assessed = inbox.assess(fleet, found, {work.id: (work.product, work.state) for work in unfinished})
    gates = [each.gate for each in inbox.by_urgency(assessed)]
    work, waiting = _by_product(unfinished), _by_product(gates)
    last, paused = fleet.store.work.last_ended(), capacity.paused_products(fleet)
    known, spent = capacity.products(fleet), capacity.spent_today(fleet)
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
        )
        for product in known.values()
        if (not names or product.name in names) and (person is None or access.may(person, Role.VIEWER, product.name) is None)
    ]
    shown = {each.name for each in products}
    return FleetStatus(
        fleet.now(),
        urgent_first(products),
        capacity.capacity(fleet),
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
) -> ProductStatus:
    """What one product is doing, from the engine's snapshot and our own records."""
    sessions = snapshot.active if snapshot else ()
    running = tuple(each for each in work if each.state in {WorkState.STARTING, WorkState.RUNNING, WorkState.WAITING})
    queued = tuple(each for each in work if each.state is WorkState.QUEUED)
    busy = any(session.state in {"working", "in_turn", "booting"} for session in sessions if not session.lead)
    trouble = trouble or (snapshot.trouble if snapshot else None)
    since_then: datetime | None
    if trouble is not None:
        state, doing, since_then = "trouble", trouble.message, None
    elif paused:
        state, doing, since_then = "paused", f"{count(len(running), 'piece')} of work kept" if running else "", None
    elif gates:
        state, doing, since_then = "waiting", named(gates[0], 60), gates[0].created_at
        doing += f", revision {gates[0].revision}" if gates[0].revision > 1 else ""
    elif running or busy:
        names = Counter(session.capability for session in sessions if not session.lead)
        who = " + ".join(f"{number} {name}s" if number > 1 else name for name, number in sorted(names.items())) or LEAD
        what = f" on “{shortened(running[0].objective, 60)}”" if running else ""
        state, doing = "working", who + what
        since_then = running[0].started_at if running else min((s.started_at for s in sessions if s.started_at), default=None)
    elif queued:
        state, doing, since_then = "queued", queued[0].reason, queued[0].created_at
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
    )


def urgent_first(products: Sequence[ProductStatus]) -> tuple[ProductStatus, ...]:
    """Most urgent first; in one state, as the registry lists them."""
    order = list(MARKS)
    return tuple(sorted(products, key=lambda each: order.index(each.state)))


def as_json(status: FleetStatus) -> dict[str, Any]:
    """The fleet as every program sees it."""
    capacity = status.capacity
    return {
        "at": status.at.isoformat(),
        "products": [product_json(each) for each in status.products],
        "capacity": {
            "sessions": {"used": capacity.running, "max": capacity.max_sessions},
            "cpu_percent": {"used": round(capacity.cpu_percent, 1), "max": capacity.max_cpu_percent},
            "memory_gb": {"used": round(capacity.memory_gb, 2), "max": capacity.max_memory_gb},
            "cost_usd_today": {"used": round(capacity.spent_usd, 4), "max": capacity.budget_usd},
        },
        "registry_problems": list(status.registry_problems),
    }


def product_json(status: ProductStatus) -> dict[str, Any]:
    """One product as every program sees it."""
    trouble = status.trouble
    return {
        "name": status.name,
        "type": status.type,
        "priority": status.priority,
        "state": status.state,
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
    """The fleet in Markdown: a line of totals, then a line for each product."""
    lines = [totals(status), ""]
    lines += [f"- {product_line(each, status.at)}" for each in status.products]
    lines += [f"- ⚠ {each.name}: {each.notice.message} {each.notice.hint}" for each in status.products if each.notice]
    if not status.products:
        lines.append("No product yet: add one to products.yaml, or run `fleet init`.")
    lines += [f"- ⚠ {problem}" for problem in status.registry_problems]
    return "\n".join(lines)


def totals(status: FleetStatus) -> str:
    """How many products are in each state, and what is in use."""
    states = Counter(each.state for each in status.products)
    said = [f"{states[state]} {SAID.get(state, state)}" for state in MARKS if states[state]]
    capacity = status.capacity
    use = [f"{capacity.running} of {capacity.max_sessions} sessions"]
    if capacity.max_cpu_percent is not None:
        use.append(f"CPU {capacity.cpu_percent:.0f} %")
    if capacity.max_memory_gb is not None:
        use.append(f"memory {capacity.memory_gb:.1f} of {capacity.max_memory_gb:g} GB")
    spent = money(capacity.spent_usd) + (f" of {money(capacity.budget_usd)}" if capacity.budget_usd is not None else "")
    return f"**Fleet:** {' · '.join(said) or 'no products'} — {', '.join(use)}, {spent} today"


def product_line(status: ProductStatus, now: datetime) -> str:
    """One product on one line."""
    parts = [f"{MARKS[status.state]} **{status.name}** {SAID.get(status.state, status.state)}"]
    if status.doing:
        parts.append(status.doing)
    if status.since and status.state != "idle":
        parts.append(since(status.since, now))
    if status.queued and status.state != "queued":
        parts.append(f"{len(status.queued)} queued")
    if status.cost_usd_today:
        parts.append(money(status.cost_usd_today))
    line = " · ".join(parts)
    if status.trouble and status.trouble.hint:
        line += f" {status.trouble.hint}"
    if status.state == "waiting":
        line += f" (`{status.gates[0].id}`)"
    return line


def _last_words(last: Work | None) -> str:
    if last is None:
        return ""
    return f"last: {last.id} {last.state} “{headline(last.result or last.objective, 60)}”"
