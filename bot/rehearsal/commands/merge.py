"""Command `merge`."""

from typing import Any

from bot.rehearsal import worktrees
from bot.rehearsal.answers import Answer
from bot.rehearsal.call import Call
from bot.rehearsal.errors import EngineError, InvalidRequest
from bot.rehearsal.times import now


def merge(call: Call) -> Answer:
    """Merge one branch, or with --all the merge queue, which is always empty in a rehearsal."""
    branch, into = call.get("--branch"), call.get("--into") or call.project.branch
    if call.has("--all"):
        return Answer("merge", {"results": [], "count": 0}, "No pending branches to merge (rehearsal)")
    if branch is None:
        raise InvalidRequest("Either --branch <name> or --all is required for ov merge")
    if worktrees.git(call.project.root, "rev-parse", "--quiet", "--verify", branch).returncode:
        raise InvalidRequest(f'Branch "{branch}" not found')
    parts = branch.split("/")
    entry: dict[str, Any] = {
        "branchName": branch,
        "taskId": parts[-1],
        "agentName": parts[1] if len(parts) > 2 else "unknown",
        "filesModified": worktrees.changed_files(call.project.root, into, branch),
        "enqueuedAt": now(),
        "status": "pending",
        "resolvedTier": None,
    }
    if call.has("--dry-run"):
        prediction = {"predictedTier": "clean-merge", "conflictFiles": [], "wouldRequireAgent": False, "reason": "rehearsal"}
        return Answer("merge", {**entry, "prediction": prediction}, f"{branch} would be merged (rehearsal)")
    refused = worktrees.merge(call.project, branch, "orchestrator", into)
    if refused:
        raise EngineError(f"Merge failed for {branch}: {refused}")
    done = {**entry, "status": "merged", "resolvedTier": "clean-merge"}
    fields: dict[str, Any] = {"entry": done, "tier": "clean-merge", "conflictFiles": [], "errorMessage": None, "warnings": []}
    return Answer("merge", fields, f"Merged {branch} into {into} (rehearsal)")
