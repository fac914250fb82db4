"""Commands `coordinator start`, `stop`, `status`, `send`, `ask`, `output` and `check-complete`."""

import json
import time
import uuid
from typing import Any

from bot.rehearsal import lifecycle, processes
from bot.rehearsal.answers import Answer
from bot.rehearsal.call import Call
from bot.rehearsal.correspondence import COORDINATOR
from bot.rehearsal.errors import EngineError
from bot.rehearsal.mail import Message
from bot.rehearsal.sessions import Session

POLL_SECONDS = 0.2
TRIGGERS = ("allAgentsDone", "taskTrackerEmpty", "onShutdownSignal")
READY_SECONDS = 10.0


def start(call: Call) -> Answer:
    """Start a detached coordinator, which nudges wake like the real one in tmux."""
    project = call.project
    row = lifecycle.active(project)
    if row and processes.alive(row.pid):
        since = f"(tmux: {row.tmux_session}, since: {row.started_at})"
        raise EngineError(f"Coordinator is already running {since}")
    session, _ = lifecycle.start(project, served=False)
    pipe, deadline = project.nudge_pipe(COORDINATOR), time.monotonic() + READY_SECONDS
    while not _listening(pipe) and time.monotonic() < deadline:
        time.sleep(0.01)
    fields = {
        "agentName": COORDINATOR,
        "capability": COORDINATOR,
        "tmuxSession": session.tmux_session,
        "projectRoot": str(project.root),
        "pid": session.pid,
        "watchdog": False,
        **({"watchdogPreexisting": False} if call.dialect.headless else {}),
        "monitor": False,
    }
    told = f"Coordinator started (rehearsal)\n  Tmux:    {session.tmux_session} (only a name)\n  PID:     {session.pid}"
    return Answer("coordinator start", fields, told)


def _listening(pipe: Any) -> bool:
    from bot.rehearsal.commands.nudge import write

    return bool(write(pipe, "started"))


def stop(call: Call) -> Answer:
    """Stop the coordinator, not its workers."""
    stopped = lifecycle.stop(call.project)
    fields = {
        "stopped": True,
        "sessionId": stopped.session.id,
        "watchdogStopped": False,
        "monitorStopped": False,
        "runCompleted": stopped.run_completed,
    }
    return Answer("coordinator stop", fields, f"Coordinator stopped: {stopped.session.id} (rehearsal)")


def status(call: Call) -> Answer:
    """Show the coordinator's state. A row without a process becomes a zombie."""
    row = lifecycle.active(call.project)
    idle = {"running": False, "watchdogRunning": False, "monitorRunning": False}
    if row is None:
        return Answer("coordinator status", idle, "Coordinator is not running (rehearsal)")
    running = processes.alive(row.pid)
    if not running:
        with call.project.sessions() as sessions:
            sessions.set_state(COORDINATOR, "zombie")
            sessions.touch(COORDINATOR)
    fields = {
        "running": running,
        "sessionId": row.id,
        "state": row.state if running else "zombie",
        "tmuxSession": row.tmux_session,
        "pid": row.pid,
        "startedAt": row.started_at,
        "lastActivity": row.last_activity,
        "watchdogRunning": False,
        "monitorRunning": False,
    }
    return Answer("coordinator status", fields, f"Coordinator {row.state if running else 'zombie'} (rehearsal)")


def _active(call: Call) -> Session:
    row = lifecycle.active(call.project)
    if row is None:
        raise EngineError("No active coordinator session found")
    return row


def send(call: Call) -> Answer:
    """Mail an objective, and nudge a detached coordinator."""
    from bot.rehearsal.commands.nudge import deliver

    row = _active(call)
    sender, subject = call.get("--from") or "operator", call.get("--subject") or "Objective"
    sent = call.project.post(Message("", sender, COORDINATOR, subject, call.get("--body") or "", "dispatch"))
    nudged = bool(row.tmux_session) and deliver(call.project, COORDINATOR, subject) is None
    return Answer("coordinator send", {"id": sent.id, "nudged": nudged}, f"Sent {sent.id} (rehearsal)")


def ask(call: Call) -> Answer:
    """Mail a question and wait for the answer in its thread."""
    from bot.rehearsal.commands.nudge import deliver

    row = _active(call)
    wait, correlation = call.arguments.number("--timeout", 120), str(uuid.uuid4())
    sender = call.get("--from") or "operator"
    payload = json.dumps({"correlationId": correlation}, separators=(",", ":"))
    subject, body = call.get("--subject") or "Ask", call.get("--body") or ""
    sent = call.project.post(Message("", sender, COORDINATOR, subject, body, "dispatch", payload=payload))
    if row.tmux_session:
        deliver(call.project, COORDINATOR, subject)
    deadline = time.monotonic() + wait
    while time.monotonic() < deadline:
        with call.project.mail() as mail:
            replies = [one for one in mail.in_thread(sent.id) if one.from_agent == COORDINATOR]
        if replies:
            reply = replies[0]
            fields = {"correlationId": correlation, "sentId": sent.id, "replyId": reply.id, "subject": reply.subject}
            return Answer("coordinator ask", {**fields, "body": reply.body, "payload": reply.payload}, reply.body)
        time.sleep(POLL_SECONDS)
    raise EngineError(f"Timed out after {wait}s waiting for coordinator reply (correlationId: {correlation})")


def output(call: Call) -> Answer:
    """Show the output of the pane. A served coordinator has none."""
    row = _active(call)
    if not row.tmux_session:
        raise EngineError(
            "Coordinator is running headless — no tmux pane to capture. Use 'ov logs --agent coordinator' instead."
        )
    lines = call.arguments.number("--lines", 50)
    logs = sorted((call.project.state / "logs" / COORDINATOR).glob("*/stdout.log"))
    shown = [json.loads(line)["result"] for line in logs[-1].read_text().splitlines()] if logs else []
    content = "\n".join(["coordinator (rehearsal), no real pane", *"\n".join(shown).splitlines()][-lines:])
    return Answer("coordinator output", {"content": content, "lines": lines}, content)


def check_complete(call: Call) -> Answer:
    """Show the exit triggers. A rehearsal's coordinator never ends by one."""
    enabled = {name: bool(call.project.setting(f"coordinator.exitTriggers.{name}", False)) for name in TRIGGERS}
    triggers = {name: {"enabled": on, "met": False, "detail": ""} for name, on in enabled.items()}
    lines = [f"  {name}: {'enabled' if on else 'disabled'} — " for name, on in enabled.items()]
    fields = {"complete": False, "triggers": triggers}
    return Answer("coordinator check-complete", fields, "\n".join([*lines, "", "Complete: NO"]))
