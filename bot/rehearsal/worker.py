"""Worker process with a single turn.

A scout reads, the others commit one small file. Then the worker reports and is completed.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bot.rehearsal import product, sling, worktrees
from bot.rehearsal.mail import Message
from bot.rehearsal.objective import Objective, plan
from bot.rehearsal.project import Project
from bot.rehearsal.sessions import Session
from bot.rehearsal.sling import Assignment

FOLDERS = {"marketing": "content", "support": "replies"}
"""Folder of the committed file, by capability. The others write under `rehearsal/`."""
READERS = ("scout", "reviewer")
"""Capabilities that only read."""
BEAT_SECONDS = 1.0
"""Seconds between two records of activity."""


def run(project: Project, agent: str) -> int:
    """Run a worker."""
    with project.sessions() as sessions:
        session = sessions.get(agent)
        if session is None:
            return 1
        sessions.move(agent, "in_turn" if project.dialect.headless else "working")
    assignment = sling.brief_of(project, agent)
    about = {"task": assignment.task, "rehearsal": True}
    project.record("session_start", agent, session_id=session.claude_session_id, data=about)
    work(project, agent, assignment.seconds or 0.0)
    report, files = act(project, session, assignment)
    if assignment.hold:
        print("ready", flush=True)
        sys.stdin.readline()
    mail_report(project, session, assignment, report, files)
    project.record("session_end", agent, session_id=session.claude_session_id, data=about)
    with project.sessions() as sessions:
        sessions.touch(agent)
        sessions.move(agent, "completed")
    project.turn_pid(agent).unlink(missing_ok=True)
    return 0


def work(project: Project, agent: str, seconds: float, beat: Callable[[float], None] | None = None) -> None:
    """Let time pass while recording activity. `beat` gets the elapsed part, from 0 to 1."""
    begun = time.monotonic()
    while (left := begun + seconds - time.monotonic()) > 0:
        time.sleep(min(BEAT_SECONDS, max(seconds / 10, 0.01), left))
        with project.sessions() as sessions:
            sessions.touch(agent)
        if beat:
            beat(min(1.0, (time.monotonic() - begun) / seconds))


def act(project: Project, session: Session, assignment: Assignment) -> tuple[str, list[str]]:
    """Do the work and return the report in Markdown with the changed files."""
    seen = product.survey(project.root)
    if assignment.mode == "plan":
        return write_plan(project, session, assignment, seen), []
    if session.capability in READERS:
        return product.findings(seen, assignment.task, assignment.title or first_line(assignment.asked)), []
    key = assignment.task.rpartition("-")[2]
    stem = session.agent_name if key in session.agent_name else f"{assignment.task}-{session.agent_name}"
    file = f"{FOLDERS.get(session.capability, 'rehearsal')}/{stem}.md"
    title = assignment.title or first_line(assignment.asked) or assignment.task
    text = f"# {title} (rehearsal)\n\n{session.capability} {session.agent_name} simulated task {assignment.task}.\n"
    if assignment.asked:
        quoted = "\n".join(f"> {line}".rstrip() for line in assignment.asked.splitlines())
        text += f"\nIt was asked:\n\n{quoted}\n"
    subject = f"rehearsal: {title}"
    tree = Path(session.worktree_path)
    sha = worktrees.commit(tree, file, text, subject, session.agent_name)
    took = {"command": f"git commit -m {json.dumps(subject)}"}
    project.record("tool_start", session.agent_name, tool=("Bash", json.dumps(took), 10))
    return f"Rehearsal: {session.capability} {session.agent_name} committed `{file}` as {sha}.", [file]


def write_plan(project: Project, session: Session, assignment: Assignment, seen: product.Survey) -> str:
    """Write the plan into the worktree, where a plan-mode lead of 0.5.8 can."""
    stand_in = Message("", "operator", "coordinator", assignment.title, "")
    objective = Objective(stand_in, assignment.task, assignment.title, frozenset(), 0.0)
    text = plan(objective, seen, assignment.revision, assignment.notes)
    path = Path(session.worktree_path) / ".overstory" / "plans" / f"{assignment.task}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return text


def mail_report(project: Project, session: Session, assignment: Assignment, report: str, files: list[str]) -> None:
    """Mail the result to the parent, else the coordinator, or the operator if that one has ended."""
    me, task = session.agent_name, assignment.task
    to = assignment.parent or "coordinator"
    with project.sessions() as sessions:
        above = sessions.get(to)
    if above and not above.active:
        to = "operator"
    if assignment.mode == "plan":
        place = f".overstory/plans/{task}.md"
        details: dict[str, object] = {"planPath": place, "revision": assignment.revision, "summary": assignment.title}
        subject, kind = f"Plan ready: {task}", "plan_ready"
        report = f"Rehearsal plan for {task}, revision {assignment.revision}: {place} in {session.worktree_path}"
    else:
        details = {"branch": session.branch_name, "exitCode": 0, "filesModified": files}
        known = session.capability in ("builder", *READERS)
        subject, kind = (f"Worker done: {task}", "worker_done") if known else (f"Result: {task} (rehearsal)", "result")
    payload = json.dumps({project.dialect.task_key: task, **details})
    project.post(Message("", me, to, subject, report, kind, thread_id=assignment.thread, payload=payload))
    if assignment.reports_to:
        title = f"Result of {me} (rehearsal)"
        project.post(Message("", me, assignment.reports_to, title, report, "result", thread_id=assignment.thread))


def first_line(text: str) -> str:
    """Return the first line that is not empty."""
    return next((line.strip("# ").strip()[:80] for line in text.splitlines() if line.strip("# ").strip()), "")
