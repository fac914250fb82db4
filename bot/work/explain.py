"""Answers to “why?” from records: admission decisions with their numbers, actions of people, and the state of the product."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from bot.domain import Gate, GateState, Work, WorkState
from bot.fleet import Fleet
from bot.gates import lifecycle
from bot.text.wording import count, money, shortened, since
from bot.work import forecast, holds, limits, slots
from bot.work.admission import Admission
from bot.work.admission_input import admissions
from bot.work.forecast import ordinal
from bot.work.states import ENDED, label, shown_label

EXPLAINING = {"pause", "resume", "stop", "brake", "budget", "schedule", "adopt", "priority", "refused"}
"""Kinds of journal rows that explain the state of a product."""
SEARCHED = 60
"""Number of the newest journal rows of a product that are searched."""


def of_product(fleet: Fleet, product: str) -> list[str]:
    """Return why a product does what it does, a line for each reason, its holds first."""
    lines = _held(fleet, product)
    open_work = fleet.store.work.open(product)
    made = {each.work.id: each for each in _queue(fleet)}
    waiting = forecast.waits(fleet, list(made.values()))
    for work in open_work:
        lines.append(of_open_work(fleet, work, made.get(work.id), waiting.get(work.id)))
    if not open_work and not lines:
        last = fleet.store.work.last_ended().get(product)
        ended = f" The last task, `{last.id}`, {ENDED[last.state]} {_ago(last.ended_at, fleet)}." if last else ""
        lines.append(f"No unfinished work.{ended}")
    return lines + history(fleet, product)


def of_work(fleet: Fleet, work: Work) -> list[str]:
    """Return why one piece of work is in its state, and how it got there."""
    if work.state.open:
        made = _queue(fleet)
        mine = next((each for each in made if each.work.id == work.id), None)
        head = of_open_work(fleet, work, mine, forecast.waits(fleet, made).get(work.id))
    else:
        head = (
            f"`{work.id}` {ENDED[work.state]} {_ago(work.ended_at, fleet)}{f': {work.reason}' if work.reason else ''}".rstrip(
                ".…"
            )
            + ("…" if work.reason.endswith("…") else ".")
        )
    asked = f"Requested by {work.asked_by or 'an unknown person'} {_ago(work.created_at, fleet)}" + _source(work) + "."
    return [head, asked, *_terms(work), *_rulings(fleet, work), *history(fleet, work.id)]


def of_gate(fleet: Fleet, gate: Gate) -> list[str]:
    """Return why a gate is open, or what its outcome was."""
    lines = [f"`{gate.id}` {lifecycle.named(gate, 80)} of **{gate.product}**: {lifecycle.outcome(gate)}"]
    lines.append(
        f"Raised by {gate.sender or 'the fleet'} {_ago(gate.created_at, fleet)}"
        + (f" for `{gate.work}`." if gate.work else ".")
    )
    if gate.state is GateState.DECIDED and gate.work:
        work = fleet.work(gate.work)
        lines.append(f"Being delivered: `{work.id}` is {label(work)}{f', {work.reason}' if work.reason else ''}.")
    return [*lines, *history(fleet, gate.id)]


def of_queue(fleet: Fleet, products: Sequence[str]) -> list[str]:
    """Return why the queued work of these products waits, the brake of the whole fleet first."""
    made = _queue(fleet)
    waiting = forecast.waits(fleet, made)
    mine = [each for each in made if each.work.product in products]
    lines = [of_open_work(fleet, each.work, each, waiting.get(each.work.id)) for each in mine]
    return [*_braked(fleet), *(lines or ["The queue is empty."])]


def of_open_work(fleet: Fleet, work: Work, made: Admission | None, wait: forecast.Wait | None) -> str:
    """Return one line: `w12` waits: 0.6 GB short of memory; 2nd by priority, age and weight; about 14 min (last 9 runs)."""
    name = f"`{work.id}` of **{work.product}**"
    if work.state is WorkState.QUEUED and made is not None and not made.start:
        reason = made.reason if made.reason.startswith("waits ") else f"waits: {made.reason}"
        parts = [reason, f"{ordinal(made.position)} in the queue by priority, age and weight", *([str(wait)] if wait else [])]
        return f"{name} {'; '.join(parts)}."
    if work.state is WorkState.QUEUED:
        return f"{name} starts at the next check: there is capacity."
    if work.state is WorkState.WAITING:
        slot = "it keeps its slot" if fleet.registry.scheduling.waiting_keeps_slot else "it uses no slot"
        return f"{name} {work.reason or 'waits for a decision'}; {slot}."
    started = next((each for each in fleet.store.admissions.of(work.id) if each.verdict != "wait"), None)
    why = f": {started.reason}, {started.chosen or 'there was capacity'}" if started else ""
    since_then = _ago(started.at if started else work.updated_at, fleet)
    return f"{name} is {shown_label(fleet, work)}, admitted {since_then}{why}."


def history(fleet: Fleet, subject: str, most: int = 5) -> list[str]:
    """Return the recent actions on a product, work or gate: pauses, resumptions, refusals, budgets."""
    found = fleet.store.audit.found(limit=most, subject=subject)
    if subject in fleet.products:
        found += [row for row in fleet.store.audit.found(limit=SEARCHED, product=subject) if row["kind"] in EXPLAINING]
    rows = sorted({row["n"]: row for row in found}.values(), key=lambda row: -int(row["n"]))
    return [_row(row, fleet) for row in rows[:most]]


def _queue(fleet: Fleet) -> list[Admission]:
    queue = fleet.store.work.open(states=(WorkState.QUEUED,))
    return [each for each in admissions(fleet, queue) if each.work.state is WorkState.QUEUED] if queue else []


def _held(fleet: Fleet, product: str) -> list[str]:
    """Return what keeps all work of a product from starting."""
    held = holds.holds(fleet, slots.by_product(fleet)).get(product)
    lines = [f"Nothing starts on **{product}**: {held.reason}."] if held else []
    if not (held and held.code == "brake"):
        lines += _braked(fleet)
    most, spent = limits.daily_limit(fleet, product), limits.spent_today(fleet).get(product, 0.0)
    if most is not None and spent >= most:
        lines.append(f"**{product}** has spent {money(spent)} of {money(most)} today.")
    return lines


def _braked(fleet: Fleet) -> list[str]:
    """Return that the brake of the whole fleet is on, or nothing."""
    frozen = holds.brake_reason(limits.WHOLE_FLEET, fleet.store.brakes.get(limits.WHOLE_FLEET))
    return [f"Nothing starts on any product: {frozen}."] if frozen else []


def _source(work: Work) -> str:
    return {"agent": " through the agent", "schedule": f", by the schedule {work.schedule}"}.get(work.source, "")


def _terms(work: Work) -> list[str]:
    said = [
        f"priority {work.priority}" if work.priority else "",
        f"after {', '.join(work.depends_on)}" if work.depends_on else "",
        f"deadline {work.deadline:%Y-%m-%d %H:%M} UTC" if work.deadline else "",
        f"moved in the queue by {work.boost:+.1f} steps" if work.boost else "",
        f"estimated at {money(work.estimate_usd)}" if work.estimate_usd is not None else "",
        f"its session was lost {count(work.lost, 'time')}" if work.lost else "",
    ]
    return [f"Its terms: {', '.join(filter(None, said))}."] if any(said) else []


def _rulings(fleet: Fleet, work: Work) -> list[str]:
    """Return the admission decisions on work, newest first, with the numbers of that time."""
    verdicts = {"start": "admitted", "wait": "held back", "resume": "resumed"}
    lines = []
    for ruling in fleet.store.admissions.of(work.id, 8):
        chosen = f"; {ruling.chosen}" if ruling.chosen else ""
        lines.append(f"{ruling.at:%H:%M:%S} UTC {verdicts[ruling.verdict]}: {ruling.reason}{chosen}{_figures(ruling.numbers)}")
    return lines


def _figures(numbers: dict[str, Any]) -> str:
    # Rows of version 0.1.0 name the slots "sessions".
    names = {"slots": "slots", "sessions": "slots", "memory_gb": "GB", "cpu_percent": "% CPU", "weight": "weight"}
    said = [
        f"{used:g} of {most:g} {names[name]}" for name, (used, most) in _pairs(numbers) if name in names and most is not None
    ]
    return f" ({', '.join(said)})" if said else ""


def _pairs(numbers: dict[str, Any]) -> Sequence[tuple[str, tuple[float, float | None]]]:
    return [(name, (value[0], value[1])) for name, value in numbers.items() if isinstance(value, list)]


def _row(row: dict[str, Any], fleet: Fleet) -> str:
    at, detail = datetime.fromisoformat(row["at"]), _detail(row["detail"])
    return f"{_ago(at, fleet)} {row['person']}: {row['kind']}{f' ({detail})' if detail else ''}"


def _detail(detail: dict[str, Any]) -> str:
    """Return the names and values of a journal row's detail, without empty values."""
    return ", ".join(
        f"{name} {_short(value)}".strip() for name, value in detail.items() if value not in (None, "", [], {}, False)
    )


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return _detail(value)
    return shortened(", ".join(map(str, value)) if isinstance(value, list) else str(value), 100)


def _ago(at: datetime | None, fleet: Fleet) -> str:
    return f"{since(at, fleet.now())} ago" if at else "some time ago"
