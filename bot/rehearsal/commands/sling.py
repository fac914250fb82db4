"""Command `sling`, which starts an agent.

In 0.11.0 it waits for the whole first turn, in 0.5.8 it leaves the agent in "tmux".
"""

import json
from pathlib import Path

from bot.rehearsal import sling as engine
from bot.rehearsal.answers import Answer
from bot.rehearsal.call import Call
from bot.rehearsal.errors import EngineError, HierarchyViolation, InvalidRequest
from bot.rehearsal.project import refuse_root
from bot.rehearsal.sessions import Session
from bot.rehearsal.sling import Assignment


def sling(call: Call) -> Answer:
    """Start a worker."""
    wanted = _assignment(call)
    refuse_root(call.dialect)
    _check_hierarchy(call, wanted)
    manifest = call.project.manifest()
    if wanted.capability not in manifest:
        raise EngineError(f'Unknown capability "{wanted.capability}". Available: {", ".join(manifest)}')
    with call.project.sessions() as sessions:
        _check_limits(call, wanted, sessions.active())
    _check_task(call, wanted.task)
    started = engine.start(call.project, wanted)
    row = started.session
    fields: dict[str, object] = {
        "agentName": row.agent_name,
        "capability": row.capability,
        "taskId": row.task_id,
        "branch": row.branch_name,
        "worktree": row.worktree_path,
        "tmuxSession": row.tmux_session,
        "pid": None if call.dialect.headless else started.process.pid,
    }
    if call.dialect.headless:
        fields["initialTurnFinalState"] = engine.final_state(call.project, started)
        fields["claudeSessionId"] = row.claude_session_id
    return Answer("sling", fields, f"Agent launched: {row.agent_name} (rehearsal)\n   Branch: {row.branch_name}")


def _assignment(call: Call) -> Assignment:
    """Return the requested assignment after checking its own fields."""
    task = call.first
    if not task:
        raise InvalidRequest(f"Task ID is required: {call.dialect.program} sling <task-id>")
    capability, name, mode = call.get("--capability") or "builder", (call.get("--name") or "").strip(), call.get("--mode")
    if mode and not call.dialect.strict_flags and mode not in ("plan", "execute"):
        raise InvalidRequest("--mode must be 'plan' or 'execute'")
    if not name and not call.dialect.headless:
        raise InvalidRequest("--name is required for sling")
    spec = call.get("--spec")
    if spec and not Path(spec).exists():
        raise InvalidRequest(f"Spec file not found: {spec}")
    written = Path(spec or call.project.state / "specs" / f"{task}.md")
    with call.project.sessions() as sessions:
        taken = {one.agent_name for one in sessions.active()}
        before = sessions.get(name) if name else None
    return Assignment(
        task=task,
        capability=capability,
        name=name or _free_name(f"{capability}-{task}", taken),
        parent=call.get("--parent") or (before.parent_agent if before else None),
        depth=call.arguments.number("--depth", 0),
        asked=written.read_text(encoding="utf-8") if written.exists() else "",
        mode=mode,
        base=call.get("--base-branch"),
    )


def _free_name(stem: str, taken: set[str]) -> str:
    """Return the first unused name of `stem`, `stem-2`, …."""
    name, number = stem, 2
    while name in taken:
        name, number = f"{stem}-{number}", number + 1
    return name


def _check_hierarchy(call: Call, wanted: Assignment) -> None:
    limit = int(call.project.setting("agents.maxDepth", 2))
    if wanted.depth > limit:
        raise EngineError(f"Depth limit exceeded: depth {wanted.depth} > maxDepth {limit}")
    if wanted.parent or call.has("--force-hierarchy") or wanted.capability in call.dialect.direct_capabilities:
        return
    allowed = "Only lead, scout, and builder are" if call.dialect.headless else 'Only "lead" is'
    raise HierarchyViolation(
        f'Coordinator cannot spawn "{wanted.capability}" directly. {allowed} allowed without --parent. '
        "Use a lead as intermediary, or pass --force-hierarchy to bypass."
    )


def _check_limits(call: Call, wanted: Assignment, active: list[Session]) -> None:
    limit = int(call.project.setting("agents.maxConcurrent", 25))
    if len(active) >= limit:
        raise EngineError(f"Max concurrent agent limit reached: {len(active)}/{limit} active agents")
    if same := [one for one in active if one.agent_name == wanted.name]:
        raise EngineError(f'Agent name "{wanted.name}" is already in use (state: {same[0].state})')
    holder = next((one.agent_name for one in active if one.task_id == wanted.task), None)
    if holder and holder != wanted.parent:
        raise EngineError(
            f'Task "{wanted.task}" is already being worked by agent "{holder}". '
            "Concurrent work on the same task causes duplicate issues and wasted tokens."
        )
    per_lead = call.arguments.number("--max-agents", int(call.project.setting("agents.maxAgentsPerLead", 5)))
    children = sum(one.parent_agent == wanted.parent for one in active) if wanted.parent else 0
    if children >= per_lead:
        raise EngineError(
            f'Per-lead agent limit reached: "{wanted.parent}" has {children}/{per_lead} active children. '
            "Increase agents.maxAgentsPerLead in config.yaml or pass --max-agents <n>."
        )


def _check_task(call: Call, task: str) -> None:
    """Check that the task is in the tracker, unless that is off or skipped.

    0.5.8's tracker is never installed here."""
    section = "taskTracker" if call.dialect.headless else "beads"
    if not call.project.setting(f"{section}.enabled", True) or (call.dialect.headless and call.has("--skip-task-check")):
        return
    issues = call.project.root / ".seeds" / "issues.jsonl"
    known = issues.read_text(encoding="utf-8").splitlines() if issues.exists() and call.dialect.headless else []
    if not any(json.loads(line).get("id") == task for line in known if line.startswith("{")):
        label = "Task" if call.dialect.headless else "Bead task"
        raise EngineError(f'{label} "{task}" not found or inaccessible')
