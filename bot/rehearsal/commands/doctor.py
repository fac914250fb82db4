"""`doctor`: checks the set-up. Exit code 1 with `success: true` when something fails."""

import shutil
from typing import Any

from bot.rehearsal.answers import Answer
from bot.rehearsal.call import Call
from bot.rehearsal.errors import EngineError
from bot.rehearsal.worktrees import git


def doctor(call: Call) -> Answer:
    """All checks, or those of one category."""
    found = [_git(call), _structure(call), _manifest(call), _rehearsal()]
    wanted = call.get("--category")
    checks = [one for one in found if wanted in (None, one["category"])]
    summary = {status: sum(one["status"] == status for one in checks) for status in ("pass", "warn", "fail")}
    text = "\n".join(f"{one['status']:5} {one['name']}: {one['message']}" for one in checks)
    return Answer("doctor", {"checks": checks, "summary": summary}, text, indent=2, code=1 if summary["fail"] else 0)


def _check(name: str, category: str, status: str, message: str, *details: str) -> dict[str, Any]:
    found = {"name": name, "category": category, "status": status, "message": message}
    return {**found, **({"details": list(details)} if details else {}), "fixable": False}


def _git(call: Call) -> dict[str, Any]:
    if not shutil.which("git"):
        return _check("git availability", "dependencies", "fail", "git is not available")
    return _check(
        "git availability", "dependencies", "pass", "git is available", git(call.project.root, "--version").stdout.strip()
    )


def _structure(call: Call) -> dict[str, Any]:
    if not (call.project.state / "config.yaml").exists():
        return _check(".overstory/ directory", "structure", "fail", "Directory .overstory/ or its config.yaml is missing")
    return _check(".overstory/ directory", "structure", "pass", "Directory exists")


def _manifest(call: Call) -> dict[str, Any]:
    try:
        call.project.manifest()
    except EngineError as refused:
        return _check("Manifest parsing", "agents", "fail", refused.message)
    return _check("Manifest parsing", "agents", "pass", "JSON parses successfully")


def _rehearsal() -> dict[str, Any]:
    return _check("rehearsal", "version", "warn", "This is the rehearsal engine: no model works here")
