"""Command `stop`, which ends one agent and optionally removes its worktree and branch."""

from bot.rehearsal import lifecycle, processes
from bot.rehearsal.answers import Answer
from bot.rehearsal.call import Call
from bot.rehearsal.errors import EngineError


def stop(call: Call) -> Answer:
    """End an agent."""
    project, name = call.project, call.first
    with project.sessions() as sessions:
        row = sessions.get(name)
    if row is None:
        raise EngineError(f'Agent "{name}" not found')
    completed = row.state == "completed"
    if completed and not call.has("--clean-worktree"):
        raise EngineError(f'Agent "{name}" is already completed. Use --clean-worktree to remove its worktree.')
    killed = False
    if not completed:
        turn = project.turn_process(name)
        with project.sessions() as sessions:  # before the process ends, or a waiting `sling` takes it for a zombie
            sessions.move(name, "completed")
            sessions.touch(name)
        killed = processes.end(turn or row.pid)
        project.turn_pid(name).unlink(missing_ok=True)
    removed = deleted = False
    if call.has("--clean-worktree"):
        removed, deleted = lifecycle.remove_worker(project, row, force=call.has("--force"))
    fields = {
        "stopped": True,
        "agentName": name,
        "sessionId": row.id,
        "capability": row.capability,
        "tmuxKilled": killed and bool(row.tmux_session),
        "pidKilled": killed and not row.tmux_session,
        "worktreeRemoved": removed,
        "branchDeleted": deleted,
        "force": call.has("--force"),
        "wasZombie": row.state == "zombie",
        "wasCompleted": completed,
    }
    return Answer("stop", fields, f"Agent stopped: {name} (rehearsal)")
