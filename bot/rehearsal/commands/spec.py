"""Command `spec write`, which writes `.overstory/specs/<task>.md`."""

import sys

from bot.rehearsal.answers import Answer
from bot.rehearsal.call import Call
from bot.rehearsal.errors import InvalidRequest, NotInitialised


def write(call: Call) -> Answer:
    """Write a task's specification from --body, else from stdin."""
    if not call.project.state.is_dir():
        raise NotInitialised
    body = call.get("--body") or ("" if sys.stdin.isatty() else sys.stdin.read())
    if not body.strip():
        raise InvalidRequest("Spec body is required: use --body or pipe via stdin")
    who = call.get("--agent")
    path = call.project.state / "specs" / f"{call.first}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text((f"<!-- written-by: {who} -->\n" if who else "") + body.rstrip("\n") + "\n", encoding="utf-8")
    return Answer("spec-write", {"taskId": call.first, "path": str(path)}, str(path), bare="path")
