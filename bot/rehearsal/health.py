"""Whether agents live: what `status` finds out and, as the real one does, writes down."""

from dataclasses import replace

from bot.rehearsal import processes
from bot.rehearsal.project import Project
from bot.rehearsal.sessions import Session
from bot.rehearsal.times import seconds_since

STALE_SECONDS = 300
ZOMBIE_SECONDS = 600
"""The real engine's thresholds of inactivity."""
PERSISTENT = ("coordinator", "orchestrator", "monitor")
"""Capabilities that may be idle for as long as they like."""


def worker_alive(project: Project, agent: str) -> bool:
    """Whether a worker's turn has a process."""
    if project.dialect.headless:
        return processes.alive(project.turn_process(agent))
    with project.sessions() as sessions:
        row = sessions.get(agent)
    return bool(row and processes.alive(row.pid))


def found_state(session: Session) -> str:
    """The state that a look at process and clock shows."""
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
    """Write what was found (finding 3: asking for the status changes it) and return the sessions as they are now."""
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
