"""Command `nudge`. The exit code is 0 even without delivery, only `delivered` tells."""

import os
import stat
from pathlib import Path

from bot.rehearsal import processes
from bot.rehearsal.answers import Answer
from bot.rehearsal.call import Call
from bot.rehearsal.errors import EngineError
from bot.rehearsal.project import Project


def nudge(call: Call) -> Answer:
    """Wake an agent. The exit code does not show the result."""
    agent, words = call.first, " ".join(call.arguments.positionals[1:])
    text = f"[NUDGE from {call.get('--from') or 'orchestrator'}] {words or 'Check your mail inbox for new messages.'}"
    refused = deliver(call.project, agent, text)
    call.project.record("custom", agent, data={"type": "nudge", "message": text, "delivered": refused is None})
    fields: dict[str, object] = {"agentName": agent, "delivered": refused is None}
    if refused is None:
        return Answer("nudge", fields, f"Nudge delivered: {agent} (rehearsal)")
    if not call.as_json:
        raise EngineError(f"Nudge failed: {refused}")
    return Answer("nudge", {**fields, "reason": refused})


def deliver(project: Project, agent: str, text: str) -> str | None:
    """Wake a detached coordinator. Return None, or the reason for a failure."""
    with project.sessions() as sessions:
        row = sessions.get(agent)
    if row is None or (not row.active and not project.dialect.headless) or (row.agent_name == "coordinator" and not row.active):
        return f'No active session for agent "{agent}"'
    if not row.active:
        again = f"'ov sling {row.task_id} --capability {row.capability} --recover'"
        state = f"(state: {row.state})"
        return f'No active session for agent "{agent}" {state}. The agent has exited; re-dispatch with {again}.'
    if not row.tmux_session and row.pid is None:
        return f"Agent {agent} is mid-turn, and a rehearsal's worker has only one turn"
    if not row.tmux_session or not processes.alive(row.pid):
        return f'Tmux session "{row.tmux_session}" is not alive'
    if row.capability != "coordinator" or not write(project.nudge_pipe(agent), text):
        return "Agent is mid-think — nudge deferred"
    return None


def write(pipe: Path, text: str) -> bool:
    """Write a line into a named pipe. Return False if no process reads it."""
    try:
        handle = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        return stat.S_ISFIFO(os.fstat(handle).st_mode) and os.write(handle, f"{' '.join(text.split())}\n".encode()) > 0
    except OSError:
        return False
    finally:
        os.close(handle)
