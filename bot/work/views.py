"""Gates, work and posts as JSON, for the web, for `--json` and for the data of a skill."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from bot.domain import Card, Decision, Gate, GateState, Post, Work
from bot.fleet import Fleet
from bot.gates import lifecycle, reminders
from bot.gates.inbox import Waiting, assess
from bot.gates.notify import Deciders
from bot.text.markdown import to_html
from bot.text.wording import summary
from bot.work.states import shown_state

LONGEST_SUMMARY = 280
"""Most characters of a plan that are shown in a list."""


def gate_json(gate: Gate, fleet: Fleet) -> dict[str, Any]:
    """Return a gate with everything needed to decide it: its rendered plan, and what its revision changed."""
    previous = fleet.store.gates.get(gate.previous) if gate.previous else None
    (brief,) = gates_json(assess(fleet, [gate]), fleet)
    return {**brief, "html": to_html(gate.body), "diff": lifecycle.changes(previous, gate) if previous else ""}


def gates_json(found: Sequence[Waiting], fleet: Fleet) -> list[dict[str, Any]]:
    """Return gates for a list, in the order given, with a summary instead of the rendered plan."""
    asked = fleet.store.work.asked({each.gate.work for each in found if each.gate.work})
    deciders, now = Deciders(fleet), fleet.now()
    return [_gate_json(each, fleet, deciders, asked.get(each.gate.work or "", ("", "")), now) for each in found]


def _gate_json(waiting: Waiting, fleet: Fleet, deciders: Deciders, asked: tuple[str, str], now: datetime) -> dict[str, Any]:
    """Return one gate. `asked` is who asked for its work, and the objective. `cost_usd_today` is the product's."""
    gate, (asked_by, objective) = waiting.gate, asked
    registry, snapshot = fleet.registry, fleet.snapshots.get(gate.product)
    product, loud = registry.by_name.get(gate.product), registry.after_quiet_hours
    rules = product.approvals if product else registry.approvals
    may_decide, needs = deciders.of(gate)
    end = now if gate.state is GateState.OPEN else gate.updated_at
    return {
        "id": gate.id,
        "product": gate.product,
        "kind": gate.kind.value,
        "state": gate.state.value,
        "revision": gate.revision,
        "title": gate.title,
        "body": gate.body,
        "summary": summary(gate.body, LONGEST_SUMMARY),
        "lines": gate.body.strip().count("\n") + 1,
        "options": list(gate.options),
        "digest": gate.digest,
        "decision": decision_json(gate.decision) if gate.decision else None,
        "answers": [decision_json(answer) for answer in gate.answers],
        "required": rules.required if gate.action is None else 1,
        "outcome": lifecycle.outcome(gate),
        "reason": gate.reason,
        "may_decide": list(may_decide),
        "needs": needs,
        "reminded": list(may_decide) if gate.reminders else [],
        "reminders": gate.reminders,
        "reminds_at": _time(reminders.reminds_at(gate, rules, loud)),
        "escalates_at": _time(reminders.escalates_at(gate, rules, loud)),
        "escalated_at": _time(gate.escalated_at),
        "action": {"skill": gate.action.skill, "arguments": gate.action.arguments} if gate.action else None,
        "sender": gate.sender,
        "asked_by": gate.action.person.name if gate.action else asked_by,
        "work": gate.work,
        "objective": objective,
        "blocks": list(waiting.blocks),
        "holds": waiting.holds,
        "why": list(waiting.why),
        "conversation": gate.conversation,
        "previous": gate.previous,
        "created_at": gate.created_at.isoformat(),
        "updated_at": gate.updated_at.isoformat(),
        "age_seconds": int((end - gate.created_at).total_seconds()),
        "cost_usd_today": round(snapshot.cost_usd_today, 4) if snapshot else 0.0,
    }


def decision_json(decision: Decision) -> dict[str, Any]:
    """Return one person's answer to a gate."""
    return {
        "choice": decision.choice,
        "note": decision.note,
        "by": decision.by,
        "at": decision.at.isoformat(),
        "platform": decision.platform,
    }


def work_json(work: Work, fleet: Fleet, paused: set[str] | None = None) -> dict[str, Any]:
    """Return a piece of work with the state to show. `paused` are the paused products, looked up if left out."""
    return {
        "id": work.id,
        "product": work.product,
        "state": shown_state(fleet, work, paused),
        "objective": work.objective,
        "capability": work.capability,
        "reason": work.reason,
        "result": work.result,
        "html": to_html(work.result),
        "asked_by": work.asked_by,
        "conversation": work.conversation,
        "agent": work.agent,
        "attempt": work.attempt,
        "source": work.source,
        "schedule": work.schedule,
        "priority": work.priority,
        "depends_on": list(work.depends_on),
        "deadline": _time(work.deadline),
        "cost_usd": round(work.cost_usd, 4),
        "created_at": work.created_at.isoformat(),
        "updated_at": work.updated_at.isoformat(),
        "started_at": _time(work.started_at),
        "ended_at": _time(work.ended_at),
    }


def post_json(post: Post, fleet: Fleet) -> dict[str, Any]:
    """Return a post with its cards as they are now."""
    return posts_json([post], fleet)[0]


def posts_json(posts: Sequence[Post], fleet: Fleet) -> list[dict[str, Any]]:
    """Return posts with their cards as they are now."""
    cards = iter(cards_json([card for post in posts for card in post.cards], fleet))
    return [
        {
            "id": post.id,
            "conversation": post.conversation,
            "author": post.author,
            "kind": post.kind,
            "product": post.product,
            "at": post.at.isoformat(),
            "text": post.text,
            "html": to_html(post.text),
            "cards": [next(cards) for _ in post.cards],
            "suggestions": [{"label": each.label, "command": each.command} for each in post.suggestions],
        }
        for post in posts
    ]


def cards_json(cards: Sequence[Card], fleet: Fleet) -> list[dict[str, Any]]:
    """Return cards with the id of the gate or work, and its current state under `detail`."""
    found = fleet.store.gates.some({card.gate for card in cards if card.gate})
    shown = {each["id"]: each for each in gates_json(assess(fleet, list(found.values())), fleet)}
    work = fleet.store.work.some({card.work for card in cards if card.work})
    shown |= {id: work_json(each, fleet) for id, each in work.items()}
    return [
        {"kind": card.kind, "gate": card.gate, "work": card.work, "detail": shown.get(card.gate or card.work or "")}
        for card in cards
    ]


def _time(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
