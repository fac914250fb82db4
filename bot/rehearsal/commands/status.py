"""Command `status`."""

from typing import Any

from bot.rehearsal import health, worktrees
from bot.rehearsal.answers import Answer
from bot.rehearsal.call import Call
from bot.rehearsal.sessions import Session
from bot.rehearsal.times import duration, seconds_since

RULE = "─" * 70


def status(call: Call) -> Answer:
    """Show an overview. As a side effect an agent without a process becomes a zombie."""
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
