"""Reminders of open gates, and the escalation to the backups. Time never decides a gate.

The first reminder comes `remind_after` minutes after the gate, each further one after twice the previous delay, at most a day.
After `escalate_after` minutes the backups are asked once, and may decide from then on. A reminder that falls into quiet hours
is sent when they end.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from bot.domain import Approvals, Card, Gate, GateState, Product, Role, WorkState, access
from bot.fleet import Fleet
from bot.gates import lifecycle, notify
from bot.text.backoff import Backoff
from bot.text.wording import count, listed, since

LONGEST_DELAY = timedelta(days=1)
"""Longest time between two reminders."""
Loud = Callable[[datetime], datetime]
"""Function that returns the first instant, from the given one on, outside quiet hours."""


def reminds_at(gate: Gate, rules: Approvals, loud: Loud) -> datetime | None:
    """Return the time of a gate's next reminder, or None if it is not open."""
    if gate.state is not GateState.OPEN:
        return None
    delay = Backoff(rules.remind_after * 60, longest=LONGEST_DELAY.total_seconds()).pause(gate.reminders + 1)
    return loud((gate.reminded_at or gate.created_at) + timedelta(seconds=delay))


def escalates_at(gate: Gate, rules: Approvals, loud: Loud) -> datetime | None:
    """Return the time at which a gate's backups are asked, or None if they have been or the gate is not open."""
    if gate.state is not GateState.OPEN or gate.escalated_at is not None:
        return None
    return loud(gate.created_at + timedelta(minutes=rules.escalate_after))


def send_due(fleet: Fleet) -> None:
    """Send a reminder of every open gate that is due, and escalate those whose time has come."""
    for gate in fleet.store.gates.in_states(GateState.OPEN):
        product = fleet.products.get(gate.product)
        if product is None:
            continue
        rules, now = product.approvals, fleet.now()
        at = escalates_at(gate, rules, fleet.registry.after_quiet_hours)
        if at is not None and at <= now:
            _escalate(fleet, gate, product)
            continue
        at = reminds_at(gate, rules, fleet.registry.after_quiet_hours)
        if at is not None and at <= now:
            _remind(fleet, gate, product)


def _remind(fleet: Fleet, gate: Gate, product: Product) -> None:
    """Post a reminder that names the people whose answer is missing."""
    gate = lifecycle.reminded(gate, fleet.now())
    missing = [name for name in notify.deciders(fleet, gate) if name not in {each.by for each in gate.answers}]
    text = f"{_still(fleet, gate, product)} Needs {notify.needs(product, gate, missing)}."
    with fleet.transaction():
        fleet.record("gate", "fleet", gate.product, gate.id, {"reminded": missing, "times": gate.reminders})
        _say(fleet, gate, text, f"reminder:{gate.id}:{gate.reminders}")
        notify.message(fleet, gate, missing, text, f":reminder {gate.reminders}")
        fleet.save_gate(gate)


def _escalate(fleet: Fleet, gate: Gate, product: Product) -> None:
    """Ask the product's backups, or notify every admin if it has none."""
    gate = lifecycle.escalated(lifecycle.reminded(gate, fleet.now()), fleet.now())
    admins = [each.name for each in fleet.registry.people if access.may(each, Role.ADMIN, gate.product) is None]
    asked = product.approvals.backups or admins
    ask = f"I ask {listed(asked)}, too." if product.approvals.backups else "Nobody has answered yet."
    with fleet.transaction():
        fleet.record("gate", "fleet", gate.product, gate.id, {"escalated": list(asked)})
        deciders = notify.deciders(fleet, gate)
        text = f"{_still(fleet, gate, product)} {ask} Needs {notify.needs(product, gate, deciders)}."
        _say(fleet, gate, text, f"escalated:{gate.id}")
        notify.message(fleet, gate, dict.fromkeys((*asked, *deciders)), text, ":escalated")
        fleet.save_gate(gate)


def _still(fleet: Fleet, gate: Gate, product: Product) -> str:
    revision = f", revision {gate.revision}" if gate.revision > 1 else ""
    waits = f"**{gate.product}** still waits: {lifecycle.named(gate)}{revision} (`{gate.id}`)"
    held = len(fleet.store.work.open(gate.product, states=(WorkState.QUEUED,))) if product.approvals.hold_new_work else 0
    blocks = f" It holds {count(held, 'piece')} of queued work." if held else ""
    return f"{waits}, {since(gate.created_at, fleet.now())}.{blocks}"


def _say(fleet: Fleet, gate: Gate, text: str, key: str) -> None:
    for target in fleet.targets(gate.product, gate.conversation):
        card = (Card("gate", gate=gate.id),)
        fleet.say(target, text, key=f"{key}:{target}", kind="reminder", product=gate.product, cards=card)
