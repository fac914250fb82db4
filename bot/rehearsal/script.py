"""Script that plays one objective by its bracket words.

Every step first checks the mail for its own result, so that a new coordinator continues where a dead one stopped.
"""

import json
import os
import signal
import sqlite3
import threading
import time
from typing import Protocol

from bot.rehearsal import health, product, sling, worktrees
from bot.rehearsal.correspondence import COORDINATOR, Correspondence
from bot.rehearsal.errors import EngineError
from bot.rehearsal.mail import Message
from bot.rehearsal.objective import Decision, Objective, decision, plan, revision_of
from bot.rehearsal.project import Project
from bot.rehearsal.sling import Assignment
from bot.rehearsal.times import work_seconds
from bot.rehearsal.worker import work

MANY = 5
"""Number of workers that `[many]` starts."""
POLL_SECONDS = 0.05
ASKS = {"question": "question", "escalate": "escalation"}
"""Bracket words that wait for an answer, with the type of mail that each sends."""


class Actor(Protocol):
    """The coordinator process that plays a script."""

    project: Project
    news: threading.Condition
    stalled: bool

    def correspondence(self, wanted: Objective) -> Correspondence:
        """Return the mail about an objective."""

    def say(self, wanted: Objective, kind: str, subject: str, body: str, priority: str, payload: str | None) -> Message:
        """Mail the operator in the objective's thread."""

    def spend(self, dollars: float) -> None:
        """Add simulated spending."""

    def alive(self) -> None:
        """Record activity."""

    def pause(self, about_what: str) -> None:
        """Record the end of a turn."""

    def take_mail(self) -> None:
        """Read new mail, unless `ov serve` delivers it."""


class Script:
    """Script of one objective."""

    def __init__(self, actor: Actor, objective: Objective) -> None:
        self.actor = actor
        self.project = actor.project
        self.objective = objective

    def run(self) -> None:
        """Play the script to its end. A refusal by the engine ends it with an `error`."""
        try:
            self.play()
        except (EngineError, OSError, sqlite3.Error) as problem:
            self.say("error", "Failed", f"The rehearsal could not continue: {problem}")
        if not self.actor.stalled:
            self.actor.pause(self.objective.title)

    def play(self) -> None:
        """Play all steps."""
        words, begun = self.objective.words, bool(self.written().said("status"))
        if not begun:
            self.say("status", "Started", f"Rehearsal: working on {self.objective.title!r} as {self.objective.task}.")
        if "crash" in words and not begun:
            self.work(work_seconds() / 2)
            os.kill(os.getpid(), signal.SIGKILL)
        if "stall" in words:
            self.actor.stalled = not begun
            return
        if "fail" in words:
            self.work(work_seconds() / 2)
            self.say("error", "Failed", f"Rehearsal of a failure: {self.objective.title} could not be done.", "high")
            return
        agreed = self.agree() if "complex" in words else Decision("approve")
        if agreed.choice == "reject":
            why = f": {agreed.note}" if agreed.note else "."
            self.say("result", "Rejected", f"Rehearsal: the plan for {self.objective.title} was rejected{why}")
            return
        self.build([self.ask(kind) for word, kind in ASKS.items() if word in words])

    @property
    def capability(self) -> str:
        """Capability of the worker, a builder, or a lead in 0.5.8, which starts no other directly."""
        return "builder" if self.project.dialect.headless else "lead"

    def written(self) -> Correspondence:
        """Return the mail about the objective."""
        return self.actor.correspondence(self.objective)

    def say(self, kind: str, what: str, body: str, priority: str = "normal", payload: str | None = None) -> Message:
        """Mail the operator."""
        subject = f"{what}: {self.objective.title} (rehearsal)"
        return self.actor.say(self.objective, kind, subject, body, priority=priority, payload=payload)

    def work(self, seconds: float) -> None:
        """Let time pass."""
        work(self.project, COORDINATOR, seconds)

    def wait_for_answer(self, asked: Message) -> Message:
        """Wait for a person's mail after this one and return the first."""
        self.actor.pause(f"waiting for an answer to {asked.subject}")
        with self.actor.news:
            while not (answers := self.written().answers_after(asked)):
                self.actor.news.wait()
        self.actor.alive()
        return answers[0]

    def ask(self, kind: str) -> str:
        """Send a question or an escalation to the operator, wait and return the answer."""
        asked = self.written().said(kind)
        if not asked:
            task = self.objective.task
            urgent = {"severity": "critical", "taskId": task, "context": f"Rehearsal of an escalation: {task} is blocked."}
            text = f"Rehearsal: {self.objective.title} needs a choice. (a) the careful way or (b) the quick way?"
            if kind == "escalation":
                text = f"{urgent['context']} Say how to continue with {self.objective.title}."
            payload = json.dumps(urgent) if kind == "escalation" else None
            what = "Blocked" if kind == "escalation" else "Question"
            asked = [self.say(kind, what, text, "urgent" if payload else "high", payload)]
        return self.wait_for_answer(asked[-1]).body.strip()

    def agree(self) -> Decision:
        """Send a plan, revise it as requested, and return the approval or the rejection."""
        while True:
            gates = self.written().gates
            gate = gates[-1] if gates else self.send_plan(1)
            if gate is None:
                raise EngineError("the plan-mode lead ended without a plan")
            said = decision(self.wait_for_answer(gate))
            if said.choice != "revise":
                return said
            self.send_plan(revision_of(gate) + 1)

    def send_plan(self, revision: int) -> Message | None:
        """Write the plan and send it as `decision_gate`, or let a lead send `plan_ready` in 0.5.8."""
        if not self.project.dialect.headless:
            return self.have_lead_plan(revision)
        task = self.objective.task
        text = plan(self.objective, product.survey(self.project.root), revision, self.written().notes)
        spec = self.project.state / "specs" / f"{task}.md"
        spec.parent.mkdir(parents=True, exist_ok=True)
        spec.write_text(text, encoding="utf-8")
        context = f".overstory/specs/{task}.md"
        options = ["approve", "revise", "reject"]
        payload = json.dumps({"options": options, "context": context, "taskId": task, "revision": revision})
        return self.say("decision_gate", "Plan ready", text, "high", payload)

    def have_lead_plan(self, revision: int) -> Message | None:
        """Start a plan-mode lead under a new name. A lead of an earlier revision has ended."""
        name = f"lead-{self.objective.mail.id[-6:]}-plan-{revision}"
        planner = self.assignment(name, mode="plan", revision=revision, notes=self.written().notes)
        self.follow([sling.start(self.project, planner)], planner.seconds or 0.0)
        gates = self.written_unread().gates
        return gates[-1] if gates else None

    def written_unread(self) -> Correspondence:
        """Return the mail about the objective after fetching new mail.

        A coordinator in tmux fetches mail after every tool."""
        self.actor.take_mail()
        return self.written()

    def assignment(self, name: str, **more: object) -> Assignment:
        """Return a worker's assignment in this objective."""
        base = Assignment(
            task=self.objective.task,
            capability=self.capability,
            name=name,
            parent=COORDINATOR,
            depth=1,
            title=self.objective.title,
            thread=self.objective.mail.id,
            seconds=work_seconds(),
        )
        return Assignment(**{**base.__dict__, **more})

    def build(self, answers: list[str]) -> None:
        """Start workers, merge their commits and report."""
        asked = "\n".join([self.objective.mail.body.strip(), *[f"Answer: {answer}" for answer in answers]])
        key = self.objective.mail.id[-6:]
        several = "many" in self.objective.words
        stem = f"{self.capability}-{key}"
        names = [f"{stem}-{number}" for number in range(1, MANY + 1)] if several else [stem]
        to = self.objective.mail.from_agent if several else None
        crew = [self.assignment(name, asked=asked, hold=several, reports_to=to) for name in names]
        reported = self.written().reports()
        started = [self.start_worker(one) for one in crew if one.name not in reported]
        self.follow([one for one in started if one], work_seconds())
        lines = [self.bring_in(one) for one in crew]
        lines += [f"- used your answer: {answer}" for answer in answers]
        if self.objective.cost:
            lines.append(f"- simulated spending of ${self.objective.cost:.2f}")
        self.written_unread()
        body = f"**{self.objective.title}**: the rehearsal is complete.\n\n" + "\n".join(lines)
        self.say("result", "Done", body)

    def start_worker(self, assignment: Assignment) -> sling.Started | None:
        """Start a worker.

        A worker of a dead coordinator that still works is kept, one that died is replaced."""
        with self.project.sessions() as sessions:
            row = sessions.get(assignment.name)
        while row and row.active and health.worker_alive(self.project, row.agent_name):
            time.sleep(POLL_SECONDS)
            with self.project.sessions() as sessions:
                row = sessions.get(assignment.name)
        if assignment.name in self.written().reports():
            return None
        if row:
            worktrees.remove(self.project, row.worktree_path, row.branch_name, force=True)
        return sling.start(self.project, assignment)

    def follow(self, started: list[sling.Started], seconds: float) -> None:
        """Wait for workers, recording activity and spending. Workers on hold are released together."""
        begun, spent = time.monotonic(), 0.0
        holding = [one.process for one in started if one.process.stdout and one.process.stdin]
        for process in holding:
            assert process.stdout is not None  # noqa: S101
            process.stdout.readline()
        for process in holding:
            assert process.stdin is not None  # noqa: S101
            process.stdin.close()
        while True:
            running = [one for one in started if one.process.poll() is None]
            part = min(1.0, (time.monotonic() - begun) / seconds) if running and seconds else 1.0
            due = self.objective.cost * part - spent
            if due > 0 and (not running or due >= self.objective.cost / 20):
                self.actor.spend(due)
                spent += due
            if not running:
                break
            self.actor.alive()
            time.sleep(min(1.0, max(POLL_SECONDS, seconds / 20)))
        for one in started:
            sling.final_state(self.project, one)
            for stream in (one.process.stdout, one.process.stdin):
                if stream:
                    stream.close()

    def bring_in(self, assignment: Assignment) -> str:
        """Merge a worker's branch and return one line for the report."""
        branch = f"overstory/{assignment.name}/{assignment.task}"
        files = worktrees.changed_files(self.project.root, "HEAD", branch)
        if not files:
            return f"- `{assignment.name}` has nothing to merge on `{branch}`"
        refused = worktrees.merge(self.project, branch, COORDINATOR)
        named = ", ".join(f"`{file}`" for file in files)
        if refused:
            return (
                f"- `{assignment.name}` committed {named}; **not merged**: {refused}. The commit is on the branch `{branch}`."
            )
        return f"- `{assignment.name}` committed {named}; merged `{branch}` into {self.project.branch}"
