"""`status`, `inspect`, `agents discover`: who works on what."""

from typing import Any

from bot.rehearsal import health, worktrees
from bot.rehearsal.answers import Answer
from bot.rehearsal.call import Call
from bot.rehearsal.errors import InvalidRequest
from bot.rehearsal.sessions import Session
from bot.rehearsal.times import duration, seconds_since

CAPABILITIES = "scout, builder, reviewer, lead, merger, orchestrator, coordinator, supervisor, monitor"
RULE = "─" * 70


def status(call: Call) -> Answer:
    """Everything at a glance. Looking changes it: an agent without a process becomes a zombie."""
    project, scope = call.project, call.get("--agent") or "orchestrator"
    run_id = None if call.has("--all") else project.current_run()
    with project.sessions() as store:
        found = [session for session in store.all() if run_id is None or session.run_id in (run_id, None)]
    agents = health.reconcile(project, found)
    trees = worktrees.listed(project.root)
    with project.mail() as mail:
        unread = len(mail.find(to_agent=scope, read=0))
    with project.metrics() as metrics:
        recorded = metrics.count()
    fields: dict[str, Any] = {} if call.has("--all") else {"currentRunId": run_id}
    fields |= {
        "agents": [agent.shape(call.dialect) for agent in agents],
        "worktrees": [{"path": tree.path, "head": tree.head, "branch": tree.branch} for tree in trees],
        "tmuxSessions": [{"name": one.tmux_session, "pid": one.pid} for one in agents if one.tmux_session],
        "unreadMailCount": unread,
        **({"unreadMailScope": scope} if call.dialect.headless else {}),
        "mergeQueueCount": 0,
        "recentMetricsCount": recorded,
    }
    if call.has("--verbose") and agents:
        fields["verboseDetails"] = {agent.agent_name: _details(call, agent) for agent in agents}
    return Answer("status", fields, text=_text(agents, trees, fields, scope), indent="\t")


def _details(call: Call, agent: Session) -> dict[str, Any]:
    with call.project.mail() as mail:
        sent = mail.find(from_agent=agent.agent_name)
        received = mail.find(to_agent=agent.agent_name)
    return {
        "worktreePath": agent.worktree_path,
        "logsDir": str(call.project.state / "logs" / agent.agent_name),
        "lastMailSent": sent[0].created_at if sent else None,
        "lastMailReceived": received[0].created_at if received else None,
        "capability": agent.capability,
    }


def _text(agents: list[Session], trees: list[worktrees.Worktree], fields: dict[str, Any], scope: str) -> str:
    active = [agent for agent in agents if agent.active]
    lines = ["Overstory Status (rehearsal)", RULE, "", f"Agents: {len(active)} active"]
    lines += [
        f"   {one.agent_name} [{one.capability}] {one.state} | {one.task_id} | {duration(seconds_since(one.started_at))}"
        for one in active
    ] or ["   No active agents"]
    own = [tree.branch for tree in trees if tree.branch.startswith("overstory/")]
    lines += ["", f"Worktrees: {len(own)}", *([f"   {branch}" for branch in own] or ["   No agent worktrees"]), ""]
    lines += [f"Mail: {fields['unreadMailCount']} unread (to {scope})", "Merge queue: 0 pending"]
    return "\n".join([*lines, f"Sessions recorded: {fields['recentMetricsCount']}"])


def inspect(call: Call) -> Answer:
    """One agent with its last tool calls and costs."""
    project, name = call.project, call.first
    with project.sessions() as store:
        session = store.get(name)
    if session is None:
        raise InvalidRequest(f"Agent not found: {name}")
    with project.events() as events:
        tools = events.find(agent_name=name, event_type="tool_start", limit=20, newest=True)
    with project.metrics() as metrics:
        spent = next(iter(metrics.sessions(agent_name=name)), None)
    counts = ("inputTokens", "outputTokens", "cacheReadTokens", "cacheCreationTokens", "estimatedCostUsd", "modelUsed")
    fields = {
        "session": session.shape(call.dialect),
        "timeSinceLastActivity": int(seconds_since(session.last_activity) * 1000),
        "recentToolCalls": [
            {
                "toolName": tool["toolName"],
                "args": tool["toolArgs"],
                "durationMs": tool["toolDurationMs"],
                "timestamp": tool["createdAt"],
            }
            for tool in tools[::-1]
        ],
        "currentFile": None,
        "toolStats": [{"toolName": "Bash", "count": len(tools), "avgDurationMs": 10, "maxDurationMs": 10}] if tools else [],
        "tokenUsage": {key: spent[key] for key in counts} if spent else None,
        "tmuxOutput": None,
        "headlessTurnInfo": None,
    }
    text = f"Agent: {name} [{session.capability}] {session.state} (rehearsal)\nTask: {session.task_id}"
    return Answer("inspect", fields, text=text, indent="\t")


def discover(call: Call) -> Answer:
    """Agents by capability."""
    wanted = call.get("--capability")
    if wanted and wanted not in CAPABILITIES.split(", "):
        known = CAPABILITIES if call.dialect.headless else CAPABILITIES.replace("orchestrator, ", "")
        raise InvalidRequest(f"Invalid capability: {wanted}. Must be one of: {known}")
    with call.project.sessions() as store:
        found = [one for one in store.all() if (call.has("--all") or one.active) and wanted in (None, one.capability)]
    agents: list[dict[str, Any]] = [
        {
            "agentName": one.agent_name,
            "capability": one.capability,
            "state": one.state,
            call.dialect.task_key: one.task_id,
            "branchName": one.branch_name,
            "parentAgent": one.parent_agent,
            "depth": one.depth,
            "fileScope": [],
            "startedAt": one.started_at,
            "lastActivity": one.last_activity,
        }
        for one in found
    ]
    lines = [f"{one.agent_name} [{one.capability}] {one.state}" for one in found]
    return Answer("agents discover", {"agents": agents}, "\n".join(lines) or "No agents found", bare="agents", indent="\t")
