"""Liveness of agents, which `status` determines and, like the real one, writes down."""

from dataclasses import replace

from bot.rehearsal import processes
from bot.rehearsal.project import Project
from bot.rehearsal.sessions import Session
from bot.rehearsal.times import seconds_since

STALE_SECONDS = 300
ZOMBIE_SECONDS = 600
"""Inactivity thresholds of the real engine."""
PERSISTENT = ("coordinator", "orchestrator", "monitor")
"""Capabilities that may be idle for any time."""


def worker_alive(project: Project, agent: str) -> bool:
    """Return True if a worker's turn has a process."""
    if project.dialect.headless:
        return processes.alive(project.turn_process(agent))
    with project.sessions() as sessions:
        row = sessions.get(agent)
    return bool(row and processes.alive(row.pid))


def found_state(session: Session) -> str:
    """Return the state that process and clock imply."""
    idle = seconds_since(session.last_activity)
    per_turn = not session.tmux_session and session.pid is None
    if not per_turn and not processes.alive(session.pid):
        missed_its_end = idle > STALE_SECONDS and session.state in ("working", "booting", "stalled")
        return "completed" if missed_its_end else "zombie"
    if session.state == "zombie" and not per_turn:
        return "zombie"
    if session.capability not in PERSISTENT:
        if idle > ZOMBIE_SECONDS:
            return "zombie"
        if idle > STALE_SECONDS:
            return "stalled"
    if session.state in ("in_turn", "between_turns"):
        return session.state
    return "between_turns" if per_turn else "working"


def reconcile(project: Project, sessions: list[Session]) -> list[Session]:
    """Write the determined states and return the sessions (finding 3, `status` changes them)."""
    shown = []
    with project.sessions() as store:
        for session in sessions:
            state = session.state if session.state == "completed" else found_state(session)
            if state != session.state:
                store.set_state(session.agent_name, state)
                ended = state in ("completed", "zombie")
                session = replace(session, state=state, tmux_session="" if ended else session.tmux_session)
            shown.append(session)
    return shown
