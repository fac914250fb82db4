"""JSON of posts, cards, the status, mail and registry entries."""

from collections.abc import Sequence
from typing import Any

from bot.chat.web.channels import to_name
from bot.chat.web.context import Context
from bot.domain import Gate, Mail, Post, Product, Work, access
from bot.work import views
from bot.work.status import as_json
from bot.work.status import status as fleet_status

LONGEST_MAIL = 2000
"""Characters shown of a mail's body."""


def posts_json(posts: Sequence[Post], context: Context) -> list[dict[str, Any]]:
    """Return posts with the web's names of their conversations."""
    return [{**each, "conversation": to_name(each["conversation"])} for each in views.posts_json(posts, context.fleet)]


def gate_event(gate: Gate, context: Context) -> dict[str, Any]:
    """Return the `card` message that shows a gate in its current state."""
    detail = views.gate_json(gate, context.fleet)
    return {"type": "card", "kind": "gate", "conversation": to_name(gate.conversation), "gate": gate.id, "detail": detail}


def work_event(work: Work, context: Context) -> dict[str, Any]:
    """Return the `card` message that shows work in its current state."""
    detail = views.work_json(work, context.fleet)
    return {"type": "card", "kind": "work", "conversation": to_name(work.conversation), "work": work.id, "detail": detail}


def status_json(context: Context) -> dict[str, Any]:
    """Return the status of the fleet, with its runtimes and which of them are unreachable."""
    fleet = context.fleet
    runtimes, status = fleet.engine.runtimes(), fleet_status(fleet)
    return {
        **as_json(status),
        "inbox": list(status.inbox),
        "runtimes": [
            {"name": each.name, "kind": each.kind, "engine": each.engine, "rehearsal": each.rehearsal} for each in runtimes
        ],
        "unreachable": [
            {"runtime": name, "reason": reason, "since": since.isoformat()} for name, (reason, since) in fleet.down.items()
        ],
    }


def mail_json(mail: Mail) -> dict[str, Any]:
    """Return a mail of the engine."""
    return {
        "id": mail.id,
        "from": mail.sender,
        "to": mail.recipient,
        "type": mail.label,
        "subject": mail.subject,
        "body": mail.body[:LONGEST_MAIL],
        "at": mail.created_at.isoformat(),
    }


def registry_json(product: Product, context: Context) -> dict[str, Any]:
    """Return a product's entry in the registry, with its file and line."""
    rules, registry = product.approvals, context.fleet.registry
    return {
        "file": str(registry.file),
        "line": product.line,
        "path": product.path,
        "overstory": product.overstory,
        "resource_weight": product.resource_weight,
        "channels": [str(each) for each in product.channels],
        "runtime": product.runtime,
        "budget_per_day_usd": product.budget.per_day_usd,
        "approvals": {"required": rules.required, "deciders": list(access.deciders(product, registry.people))},
    }
