"""Start of an agent, with its worktree, branch, session row and process."""

import json
import subprocess
import time
import uuid
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bot.rehearsal import processes, worktrees
from bot.rehearsal.mail import Message
from bot.rehearsal.project import Project
from bot.rehearsal.sessions import Session
from bot.rehearsal.times import now, work_seconds


@dataclass(frozen=True)
class Assignment:
    """Assignment of one worker."""

    task: str
    capability: str
    name: str
    parent: str | None = None
    depth: int = 0
    title: str = ""
    asked: str = ""
    thread: str | None = None
    """Thread of its mail. None starts a new thread."""
    mode: str | None = None
    """Mode `plan` writes a plan and mails `plan_ready` instead of doing the work (0.5.8)."""
    revision: int = 1
    notes: list[str] = field(default_factory=list)
    seconds: float | None = None
    """Duration of the work. None means REHEARSAL_SECONDS."""
    hold: bool = False
    """True to finish only when told to on stdin, so that several can finish at once."""
    reports_to: str | None = None
    """Agent that gets a `result` beside the parent's mail."""
    base: str | None = None


@dataclass(frozen=True)
class Started:
    """Running worker."""

    session: Session
    process: subprocess.Popen[bytes]


def brief_path(project: Project, agent: str) -> Path:
    """Return the file with a worker's assignment."""
    return project.state / "agents" / agent / "brief.json"


def brief_of(project: Project, agent: str) -> Assignment:
    """Return the assignment of a worker."""
    return Assignment(**json.loads(brief_path(project, agent).read_text(encoding="utf-8")))


def run_for(project: Project, parent: str | None) -> str:
    """Return the run of a new worker, which is its parent's, else the current one, else a new one."""
    with project.sessions() as sessions:
        above = sessions.get(parent) if parent else None
        run_id = (above.run_id if above else None) or project.current_run()
        if run_id is None:
            run_id = f"run-{now().replace(':', '-').replace('.', '-')}"
            sessions.start_run(run_id, None, None)
            project.set_current_run(run_id)
    return run_id


def start(project: Project, assignment: Assignment) -> Started:
    """Create the worktree, record the session and start the process."""
    tree, branch = worktrees.add(project, assignment.name, assignment.task, assignment.base)
    with project.mail() as mail:
        waiting = mail.take_unread(assignment.name)
    asked = "\n\n".join([*([assignment.asked] if assignment.asked else []), *(message.body for message in waiting)])
    brief = brief_path(project, assignment.name)
    brief.parent.mkdir(parents=True, exist_ok=True)
    seconds = work_seconds() if assignment.seconds is None else assignment.seconds
    brief.write_text(json.dumps({**asdict(assignment), "asked": asked, "seconds": seconds}), encoding="utf-8")
    _announce(project, assignment)
    session = Session(
        id=f"session-{int(time.time() * 1000)}-{assignment.name}",
        agent_name=assignment.name,
        capability=assignment.capability,
        worktree_path=str(tree),
        branch_name=branch,
        task_id=assignment.task,
        tmux_session="" if project.dialect.headless else project.tmux_name(assignment.name),
        state="booting",
        pid=None,
        parent_agent=assignment.parent,
        depth=assignment.depth,
        run_id=run_for(project, assignment.parent),
        started_at=now(),
        last_activity=now(),
        claude_session_id=str(uuid.uuid4()) if project.dialect.headless else None,
    )
    with project.sessions() as sessions:
        sessions.put(session)
    process = processes.spawn(
        "worker",
        ["--project", str(project.root), assignment.name],
        tree,
        log=project.log(assignment.name),
        stdin=subprocess.PIPE if assignment.hold else subprocess.DEVNULL,
        stdout=subprocess.PIPE if assignment.hold else None,
        environment=project.environment(),
    )
    if project.dialect.headless:
        project.turn_pid(assignment.name).write_text(str(process.pid))
    else:
        with project.sessions() as sessions:
            sessions.set_pid(assignment.name, process.pid)
    return Started(session, process)


def _announce(project: Project, assignment: Assignment) -> None:
    """Send the dispatch mail that every new agent gets. It is already read when the agent starts."""
    text = f"You have been assigned task {assignment.task} as a {assignment.capability} agent (rehearsal)."
    sender = assignment.parent or "orchestrator"
    sent = project.post(Message("", sender, assignment.name, f"Dispatch: {assignment.task}", text, "dispatch"))
    with project.mail() as mail:
        mail.mark_read([sent.id])


def final_state(project: Project, started: Started) -> str:
    """Wait for the end of a worker's turn and return its state. A worker that died early is a zombie."""
    started.process.wait()
    agent = started.session.agent_name
    project.turn_pid(agent).unlink(missing_ok=True)
    with project.sessions() as sessions:
        session = sessions.get(agent)
        if session and session.active and session.id == started.session.id:
            sessions.move(agent, "zombie")
            return "zombie"
        return session.state if session else "completed"
