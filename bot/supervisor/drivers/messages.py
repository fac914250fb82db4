"""Translation of overstory's mail into the fleet's words, the same for every version of overstory.

Overstory has mail types and addresses (`plan_ready`, `operator`, …). The fleet knows neither: it decides by `kind`, `author`,
`to_people` and the fields beside them, which the module docstring of `bot.supervisor.protocol` defines. The fleet calls
`translate` itself for mail of protocol 1 and for mail that version 0.1.0 stored.
"""

from collections.abc import Mapping
from typing import Any, Final

LEAD: Final = "coordinator"
"""Address of the agent that plans and distributes a product's work."""
OPERATOR: Final = "operator"
"""Address of the person who runs the product. The fleet writes as this person."""
UNSIGNED: Final = "orchestrator"
"""Default address of overstory's commands.

Agents that forget `--from` or `--to` use it, and people read it."""
PEOPLE: Final = frozenset({OPERATOR, UNSIGNED})

KINDS: Final[Mapping[str, str]] = {
    "status": "progress",
    "result": "finished",
    "worker_done": "worker_finished",
    "error": "failed",
    "worker_died": "died",
}
"""Kinds of the mail types that report. A type that is not listed is a plain `message`."""
AUTHORS: Final[Mapping[str, str]] = {LEAD: "lead", OPERATOR: "operator", UNSIGNED: "unsigned"}
"""Authors by sender. Any other sender is a `worker`."""
MOST_OPTIONS: Final = 20
"""Options of one decision that people are offered."""


def translate(mail: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mail, given in the shape of protocol 1, in the shape of protocol 2."""
    payload = mail.get("payload") or {}
    kept = {key: value for key, value in mail.items() if key not in {"type", "payload"}}
    return {
        **kept,
        "label": mail["type"],
        "kind": kind_of(mail),
        "author": author_of(mail["sender"]),
        "to_people": mail["recipient"] in PEOPLE,
        "inherited": _inherited(mail),
        "options": _options(payload),
        "revision": _revision(payload),
        "task": str(payload.get("taskId") or payload.get("beadId") or ""),
        "plan": str(payload.get("plan") or ""),
    }


def author_of(sender: str) -> str:
    """Return the author behind an address."""
    return AUTHORS.get(sender, "worker")


def kind_of(mail: Mapping[str, Any]) -> str:
    """Return the kind of a mail in the fleet's words."""
    if mail["sender"] == OPERATOR:
        return "question" if mail["type"] == "question" else "message"
    return _asked(mail) or KINDS.get(mail["type"], "message")


def _asked(mail: Mapping[str, Any]) -> str | None:
    """Return what a mail asks people to decide, or None.

    It asks people directly, or a worker asks the lead agent. A worker's reply to the lead agent asks nothing, because replies
    inherit the type of the mail they answer."""
    type_, payload = mail["type"], mail.get("payload") or {}
    to_people = mail["recipient"] in PEOPLE
    from_worker = author_of(mail["sender"]) == "worker"
    if type_ == "plan_ready":
        return "plan" if to_people or (from_worker and not _inherited(mail)) else None
    if not to_people and not (from_worker and mail["recipient"] == LEAD and mail.get("thread") is None):
        return None
    if type_ == "decision_gate":
        options = _options(payload)
        return "plan" if not options or "approve" in map(str.lower, options) else "decision"
    if type_ == "question":
        return "question"
    return "escalation" if type_ == "escalation" and to_people and payload.get("severity") == "critical" else None


def _inherited(mail: Mapping[str, Any]) -> bool:
    """Return True for a reply without a payload, which has the type of the mail it answers."""
    return mail.get("thread") is not None and not mail.get("payload")


def _options(payload: Mapping[str, Any]) -> list[str]:
    options = payload.get("options")
    if not isinstance(options, list):
        return []
    return [name for each in options[:MOST_OPTIONS] if (name := " ".join(str(each).split()))]


def _revision(payload: Mapping[str, Any]) -> int:
    said = payload.get("revision")
    return said if isinstance(said, int) and 0 < said < 10_000 else 0
