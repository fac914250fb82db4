"""Coordinator process, which plays one script per objective.

A served (headless) coordinator reads one line on stdin per batch of delivered mail, and ends when stdin closes, because `ov
serve` died. A detached one, which runs in tmux in the real engine, reads nudges from a named pipe and fetches its mail itself.
It ends with `ov coordinator stop`, or when its session row is gone.
"""

import json
import os
import sys
import threading
import time
import traceback
from datetime import UTC, datetime
from pathlib import Path

from bot.rehearsal import objective, processes
from bot.rehearsal.correspondence import COORDINATOR, OBJECTIVES, Correspondence, about
from bot.rehearsal.errors import NotInitialised
from bot.rehearsal.mail import Message
from bot.rehearsal.metrics import Spent
from bot.rehearsal.project import Project
from bot.rehearsal.script import Script
from bot.rehearsal.sessions import Session

CHECK_SECONDS = 1.0
"""Seconds between two checks that the coordinator is still wanted."""
ABANDONED = "abandoned.json"


class Coordinator:
    """State that all scripts of one coordinator share."""

    def __init__(self, project: Project, session: Session, *, served: bool) -> None:
        self.project = project
        self.session = session
        self.served = served
        self.stalled = False
        self.news = threading.Condition()
        self._spent = 0.0
        self._scripts: dict[str, threading.Thread] = {}
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%S")
        self._stdout = project.state / "logs" / COORDINATOR / stamp / "stdout.log"
        self._stdout.parent.mkdir(parents=True, exist_ok=True)

    def correspondence(self, wanted: objective.Objective) -> Correspondence:
        """Return the mail about an objective."""
        with self.project.mail() as mail, self.project.sessions() as sessions:
            agents = frozenset(session.agent_name for session in sessions.all())
            return about(wanted, mail.find(newest_first=False), agents)

    def say(
        self, wanted: objective.Objective, kind: str, subject: str, body: str, priority: str, payload: str | None
    ) -> Message:
        """Mail the operator in the objective's thread."""
        line = {"type": "result", "subtype": "success", "result": body, "session_id": self.session.id}
        with self._stdout.open("a", encoding="utf-8") as out:
            out.write(json.dumps(line) + "\n")
        thread = wanted.mail.id
        return self.project.post(
            Message("", COORDINATOR, wanted.mail.from_agent, subject, body, kind, priority, thread, payload)
        )

    def spend(self, dollars: float) -> None:
        """Add simulated spending."""
        with self.news:
            self._spent += dollars
            with self.project.metrics() as metrics:
                metrics.record(self.session, Spent(self._spent))

    def alive(self) -> None:
        """Record activity, unless stalled."""
        if not self.stalled:
            with self.project.sessions() as sessions:
                sessions.touch(COORDINATOR)

    def pause(self, about_what: str) -> None:
        """Record the end of a turn."""
        self.project.record("session_end", COORDINATOR, session_id=self.session.id, data={"rehearsal": about_what})

    def take_mail(self) -> None:
        """Read new mail, unless `ov serve` delivers it."""
        if not self.served and not self.stalled:
            with self.project.mail() as mail:
                taken = mail.take_unread(COORDINATOR)
            if taken:
                self.process_mail()

    def process_mail(self) -> None:
        """Start scripts for new objectives, answer questions and wake waiting scripts."""
        if self.stalled:
            return
        self.alive()
        with self.project.mail() as mail:
            everything = mail.find(newest_first=False)
        with self.project.sessions() as sessions:
            agents = frozenset(session.agent_name for session in sessions.all())
        for one in everything:
            new = one.to_agent == COORDINATOR and one.read and one.thread_id is None and one.id not in self._scripts
            if new and one.type in (*OBJECTIVES, "question") and one.from_agent not in agents:
                self._start_script(one, everything, agents)
        with self.news:
            self.news.notify_all()

    def _start_script(self, one: Message, everything: list[Message], agents: frozenset[str]) -> None:
        wanted = objective.read(one)
        known = about(wanted, everything, agents)
        if objective.addressed_task(one) or known.finished or self._abandoned(one, known):
            return
        if one.type == "question" or "correlationId" in (one.payload or ""):
            if not known.said(one.type):
                self._answer(one)
            return
        script = threading.Thread(target=Script(self, wanted).run, name=wanted.task, daemon=True)
        self._scripts[one.id] = script
        script.start()

    def _abandoned(self, one: Message, known: Correspondence) -> bool:
        """Return True if a stop abandoned the objective and it got no mail since."""
        path = self.project.state / "agents" / COORDINATOR / ABANDONED
        given_up = json.loads(path.read_text()) if path.exists() else {}
        since = given_up.get(one.id)
        return since is not None and not any(answer.created_at > since for answer in known.answers_after(one))

    def _answer(self, one: Message) -> None:
        running = [name for name, script in self._scripts.items() if script.is_alive()]
        body = f"Rehearsal coordinator: {len(running)} objectives in progress."
        with self.project.mail() as mail:
            mail.reply(one.id, body, COORDINATOR)

    def wanted(self) -> bool:
        """Return True if its session row is still its own and not ended."""
        try:
            with self.project.sessions() as sessions:
                row = sessions.get(COORDINATOR)
        except NotInitialised:
            return False
        if row is None or row.id != self.session.id:
            return False
        return row.state != "completed" if self.served else row.active


def run(project: Project, *, served: bool) -> int:
    """Run the process. It ends without cleaning up, as the real one does."""
    if served:
        processes.die_with_parent()
    session = _own_session(project)
    if session is None:
        return 1
    me = Coordinator(project, session, served=served)
    with project.sessions() as sessions:
        sessions.move(COORDINATOR, "working")
    project.record("session_start", COORDINATOR, session_id=session.id, data={"rehearsal": True})
    threading.excepthook = _die
    listen = _read_stdin if served else _read_nudges
    threading.Thread(target=listen, args=[me], daemon=True).start()
    while me.wanted():
        time.sleep(CHECK_SECONDS)
    os._exit(0)


def _die(broken: threading.ExceptHookArgs) -> None:
    """End the process visibly when a thread fails, so that no dead coordinator looks alive."""
    if broken.exc_value is not None:
        traceback.print_exception(broken.exc_value)
    sys.stderr.flush()
    os._exit(70)


def _own_session(project: Project) -> Session | None:
    """Return the session row that the starter of this process writes right after the start."""
    for _ in range(500):
        with project.sessions() as sessions:
            row = sessions.get(COORDINATOR)
        if row and row.pid == os.getpid():
            return row
        time.sleep(0.01)
    return None


def _read_stdin(me: Coordinator) -> None:
    me.process_mail()
    for _ in sys.stdin:
        me.process_mail()
    os._exit(0)


def _read_nudges(me: Coordinator) -> None:
    pipe: Path = me.project.nudge_pipe(COORDINATOR)
    pipe.parent.mkdir(parents=True, exist_ok=True)
    if not pipe.exists():
        os.mkfifo(pipe)
    me.take_mail()
    me.process_mail()
    both_ends = os.open(pipe, os.O_RDWR)  # an open writing end keeps readline from reaching the end of the pipe
    with os.fdopen(both_ends, encoding="utf-8") as nudges:
        while nudges.readline():
            me.take_mail()
