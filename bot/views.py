"""Gates, work and posts as every program sees them: the JSON of the web, of `--json`, and of a skill's data."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from bot import gates, raising, reminding
from bot.domain import Card, Decision, Gate, GateState, Post, Work
from bot.markdown import to_html

if TYPE_CHECKING:
    from bot.fleet import Fleet


def gate_json(gate: Gate, fleet: "Fleet") -> dict[str, Any]:
    """A gate, with what a person needs to decide on it. `cost_usd_today` is its product's."""
    product = fleet.products.get(gate.product)
    work = fleet.store.work.get(gate.work) if gate.work else None
    previous = fleet.store.gates.get(gate.previous) if gate.previous else None
    snapshot = fleet.snapshots.get(gate.product)
    rules = product.approvals if product else fleet.registry.approvals
    return {
        "id": gate.id,
        "product": gate.product,
        "kind": gate.kind.value,
        "state": gate.state.value,
        "revision": gate.revision,
        "title": gate.title,
        "body": gate.body,
        "html": to_html(gate.body),
        "options": list(gate.options),
        "digest": gate.digest,
        "decision": decision_json(gate.decision) if gate.decision else None,
        "answers": [decision_json(answer) for answer in gate.answers],
        "required": rules.required if gate.action is None else 1,
        "outcome": gates.outcome(gate),
        "may_decide": list(may_decide := raising.deciders(fleet, gate)),
        "needs": raising.needs(product, gate, may_decide) if product or gate.action else "its product back in the registry",
        "reminded": list(may_decide) if gate.reminders else [],
        "reminders": gate.reminders,
        "reminds_at": _time(reminding.reminds_at(gate, rules, fleet.registry.loud)),
        "escalates_at": _time(reminding.escalates_at(gate, rules, fleet.registry.loud)),
        "escalated_at": _time(gate.escalated_at),
        "action": {"skill": gate.action.skill, "arguments": gate.action.arguments} if gate.action else None,
        "sender": gate.sender,
        "asked_by": gate.action.person.name if gate.action else work.asked_by if work else "",
        "work": gate.work,
        "objective": work.objective if work else "",
        "conversation": gate.conversation,
        "previous": gate.previous,
        "diff": gates.changes(previous, gate) if previous else "",
        "created_at": gate.created_at.isoformat(),
        "updated_at": gate.updated_at.isoformat(),
        "age_seconds": int((_end(gate, fleet) - gate.created_at).total_seconds()),
        "cost_usd_today": round(snapshot.cost_usd_today, 4) if snapshot else 0.0,
    }


def decision_json(decision: Decision) -> dict[str, Any]:
    """One person's answer to a gate."""
    return {
        "choice": decision.choice,
        "note": decision.note,
        "by": decision.by,
        "at": decision.at.isoformat(),
        "platform": decision.platform,
    }


def work_json(work: Work) -> dict[str, Any]:
    """A piece of work."""
    return {
        "id": work.id,
        "product": work.product,
        "state": work.state.value,
        "objective": work.objective,
        "capability": work.capability,
        "reason": work.reason,
        "result": work.result,
        "html": to_html(work.result),
        "asked_by": work.asked_by,
        "conversation": work.conversation,
        "agent": work.agent,
        "attempt": work.attempt,
        "created_at": work.created_at.isoformat(),
        "updated_at": work.updated_at.isoformat(),
        "started_at": _time(work.started_at),
        "ended_at": _time(work.ended_at),
    }


def post_json(post: Post, fleet: "Fleet") -> dict[str, Any]:
    """Something said, with its cards as they are now."""
    return {
        "id": post.id,
        "conversation": post.conversation,
        "author": post.author,
        "kind": post.kind,
        "product": post.product,
        "at": post.at.isoformat(),
        "text": post.text,
        "html": to_html(post.text),
        "cards": [card_json(card, fleet) for card in post.cards],
        "suggestions": [{"label": each.label, "command": each.command} for each in post.suggestions],
    }


def card_json(card: Card, fleet: "Fleet") -> dict[str, Any]:
    """A card: the id of its gate or work, and the whole of it under `detail`."""
    gate = fleet.store.gates.get(card.gate) if card.gate else None
    work = fleet.store.work.get(card.work) if card.work else None
    detail = gate_json(gate, fleet) if gate else work_json(work) if work else None
    return {"kind": card.kind, "gate": card.gate, "work": card.work, "detail": detail}


def _time(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _end(gate: Gate, fleet: "Fleet") -> datetime:
    return fleet.now() if gate.state is GateState.OPEN else gate.updated_at
