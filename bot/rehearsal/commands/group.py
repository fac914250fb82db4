"""`group …`: named sets of tasks, kept in `.overstory/groups.json`."""

import json
import secrets
from pathlib import Path
from typing import Any

from bot.rehearsal.answers import Answer
from bot.rehearsal.call import Call
from bot.rehearsal.errors import InvalidRequest, NotInitialised
from bot.rehearsal.times import now


def _path(call: Call) -> Path:
    if not call.project.state.is_dir():
        raise NotInitialised
    return call.project.state / "groups.json"


def _read(call: Call) -> list[dict[str, Any]]:
    path = _path(call)
    return list(json.loads(path.read_text())) if path.exists() else []


def list_groups(call: Call) -> Answer:
    """All groups; a bare `[]` when there is none."""
    groups = _read(call)
    text = "\n".join(one["name"] for one in groups) or "No groups (rehearsal)"
    return Answer("group list", {"groups": groups}, text, bare="groups", bare_when_empty=True)


def create(call: Call) -> Answer:
    """Make a group."""
    name, *tasks = call.arguments.positionals
    made = {
        "id": f"group-{secrets.token_hex(4)}",
        "name": name,
        "memberIssueIds": tasks,
        "status": "active",
        "createdAt": now(),
        "completedAt": None,
    }
    _path(call).write_text(json.dumps([*_read(call), made], indent="\t") + "\n", encoding="utf-8")
    return Answer("group create", made, f"Created {made['id']} (rehearsal)")


def status(call: Call) -> Answer:
    """How far a group's tasks are, or all groups."""
    groups = _read(call)
    if not call.first:
        return Answer("group status", {"groups": [_progress(call, one) for one in groups]}, "", bare="groups")
    found = next((one for one in groups if call.first in (one["name"], one["id"])), None)
    if found is None:
        raise InvalidRequest(f'Group "{call.first}" not found')
    return Answer("group status", _progress(call, found), found["name"])


def _progress(call: Call, group: dict[str, Any]) -> dict[str, Any]:
    with call.project.sessions() as sessions:
        states = {one.task_id: one.state for one in sessions.all()}
    members = group["memberIssueIds"]
    done = sum(states.get(task) == "completed" for task in members)
    busy = sum(states.get(task) in ("booting", "working", "in_turn") for task in members)
    left = len(members) - done - busy
    return {"group": group, "total": len(members), "completed": done, "inProgress": busy, "blocked": 0, "open": left}
