"""Start and stop of the coordinator, for the command line and for `serve`."""

import json
import subprocess
import time
from dataclasses import dataclass

from bot.rehearsal import processes, worktrees
from bot.rehearsal.coordinator import ABANDONED
from bot.rehearsal.correspondence import COORDINATOR, OBJECTIVES, about
from bot.rehearsal.errors import EngineError
from bot.rehearsal.objective import read
from bot.rehearsal.project import Project, refuse_root
from bot.rehearsal.sessions import Session
from bot.rehearsal.times import now


@dataclass(frozen=True)
class Stopped:
    """Result of a stop."""

    session: Session
    run_completed: bool


def active(project: Project) -> Session | None:
    """Return the coordinator's row unless it has ended. Its process is not checked (finding 8)."""
    with project.sessions() as sessions:
        row = sessions.get(COORDINATOR)
    return row if row and row.active else None


def start(project: Project, *, served: bool) -> tuple[Session, subprocess.Popen[bytes]]:
    """Start a coordinator. Served ones listen on stdin, detached ones on a named pipe."""
    refuse_root(project.dialect)
    process = processes.spawn(
        "coordinator",
        ["--project", str(project.root), *(["--served"] if served else [])],
        project.root,
        log=project.log(COORDINATOR),
        stdin=subprocess.PIPE if served else subprocess.DEVNULL,
        environment=project.environment(),
    )
    moment = now()
    run_id = f"run-{moment.replace(':', '-').replace('.', '-').replace('Z', '')}Z"
    session = Session(
        id=f"session-{int(time.time() * 1000)}-{COORDINATOR}",
        agent_name=COORDINATOR,
        capability=COORDINATOR,
        worktree_path=str(project.root),
        branch_name=project.branch,
        task_id="",
        tmux_session="" if served else project.tmux_name(COORDINATOR),
        state="booting",
        pid=process.pid,
        parent_agent=None,
        depth=0,
        run_id=run_id if project.dialect.headless else None,
        started_at=moment,
        last_activity=moment,
    )
    with project.sessions() as sessions:
        if session.run_id:
            sessions.start_run(run_id, session.id, COORDINATOR)
            project.set_current_run(run_id)
        sessions.put(session)
    return session, process


def stop(project: Project) -> Stopped:
    """Stop the coordinator, not its workers. Its unfinished objectives are abandoned if it was alive."""
    row = active(project)
    if row is None:
        raise EngineError("No active coordinator session found")
    if processes.alive(row.pid):
        _abandon(project)
        processes.end(row.pid)
    run_id = project.current_run()
    with project.sessions() as sessions:
        sessions.set_state(COORDINATOR, "completed")
        sessions.touch(COORDINATOR)
        if run_id:
            sessions.end_run(run_id)
    project.set_current_run(None)
    return Stopped(row, bool(run_id) and project.dialect.headless)


def _abandon(project: Project) -> None:
    """Record the objectives that the coordinator had started and not finished."""
    with project.mail() as mail, project.sessions() as sessions:
        everything = mail.find(newest_first=False)
        agents = frozenset(session.agent_name for session in sessions.all())
    mine = [
        one for one in everything if one.to_agent == COORDINATOR and one.read and one.type in OBJECTIVES and not one.thread_id
    ]
    given_up = {one.id: now() for one in mine if not about(read(one), everything, agents).finished}
    path = project.state / "agents" / COORDINATOR / ABANDONED
    path.parent.mkdir(parents=True, exist_ok=True)
    before = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**given_up, **before, **given_up}), encoding="utf-8")


def remove_worker(project: Project, session: Session, *, force: bool) -> tuple[bool, bool]:
    """Remove a worker's worktree and branch and return a pair of success flags."""
    return worktrees.remove(project, session.worktree_path, session.branch_name, force=force)
