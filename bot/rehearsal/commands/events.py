"""`feed`, `errors`, `trace`, `replay`, `logs`: what happened."""

import json
import time
from typing import Any

from bot.rehearsal import answers
from bot.rehearsal.answers import Answer
from bot.rehearsal.call import Call
from bot.rehearsal.times import iso

FEED_SECONDS = 300
"""Without --since the feed shows the last five minutes."""


def _find(call: Call, **more: Any) -> list[dict[str, Any]]:
    limit = call.arguments.number("--limit", 100)
    with call.project.events() as events:
        return events.find(limit=limit, newest=True, **{"agent_name": call.get("--agent"), "run_id": call.get("--run"), **more})


def _answer(name: str, found: list[dict[str, Any]]) -> Answer:
    lines = [f"{one['createdAt']} {one['agentName']} {one['eventType']} {one['data'] or ''}" for one in found]
    return Answer(name, {"events": found}, "\n".join(lines) or "No events found (rehearsal)", bare="events")


def feed(call: Call) -> Answer | int:
    """The last events, or all that come."""
    since = call.get("--since") or iso(time.time() - FEED_SECONDS)
    if not (call.has("--follow") or call.has("-f")):
        return _answer("feed", _find(call, since=since))
    last = 0
    while True:
        for event in _find(call, since=since, after_id=last):
            last = event["id"]
            shown = {"success": True, "command": "feed", "event": event} if call.dialect.envelope else event
            print(answers.compact(shown) if call.as_json else json.dumps(event), flush=True)
        time.sleep(call.arguments.number("--interval", 1000) / 1000)


def errors(call: Call) -> Answer:
    """Events of level error."""
    return _answer("errors", _find(call, level="error"))


def trace(call: Call) -> Answer:
    """One agent's events; of an unknown agent none."""
    return _answer("trace", _find(call, agent_name=call.first))


def replay(call: Call) -> Answer:
    """Events in the order they happened."""
    return _answer("replay", _find(call))


def logs(call: Call) -> Answer:
    """Log entries; a bare `[]` when there is none."""
    entries = [
        {
            "timestamp": f"{one['createdAt']}Z",
            "level": one["level"],
            "event": one["eventType"].replace("_", "."),
            "agentName": one["agentName"],
            "data": json.loads(one["data"] or "{}"),
        }
        for one in _find(call, level=call.get("--level"))
    ]
    text = "\n".join(f"{one['timestamp']} {one['agentName']} {one['event']}" for one in entries)
    return Answer("logs", {"entries": entries}, text or "No log entries (rehearsal)", bare="entries", bare_when_empty=True)
