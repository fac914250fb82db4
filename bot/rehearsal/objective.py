"""Instructions to the rehearsal in an objective's bracket words, and the plan for it."""

import json
import re
from dataclasses import dataclass

from bot.rehearsal.mail import Message
from bot.rehearsal.product import Survey

WORDS = re.compile(
    r"\[\s*(complex|question|escalate|fail|stall|crash|many|cost)\s*:?\s*\$?(\d+(?:\.\d+)?)?\s*\]", re.IGNORECASE
)
DECISION = re.compile(r"^\W*(?:decision\s*:\s*)?(approved?|revise|changes?|feedback|reject(?:ed)?)\b[:,.\s]*(.*)", re.I | re.S)
CHOICES = {"approve": "approve", "approved": "approve", "reject": "reject", "rejected": "reject"}
MARKER = re.compile(r"\s*\[[gmqw]\d+\.[0-9a-f]{4}(?:\.\d+)?\]\s*$")
"""The fleet's marker at the end of an answer, such as `[g3.k3f9]`."""
EMPTY_SUBJECTS = {"", "objective", "new objective", "dispatch", "task", "work"}


@dataclass(frozen=True)
class Objective:
    """One objective with its mail, its task and its bracket words."""

    mail: Message
    task: str
    title: str
    words: frozenset[str]
    cost: float
    """Dollars to pretend to spend."""


@dataclass(frozen=True)
class Decision:
    """Person's answer to a plan, `approve`, `revise` (with a note) or `reject`."""

    choice: str
    note: str = ""


def read(mail: Message) -> Objective:
    """Return the objective of a mail. Its task id comes from the mail's id, so it survives a restart."""
    text = f"{mail.subject}\n{mail.body}"
    found = [(word.lower(), amount) for word, amount in WORDS.findall(text)]
    cost = max([float(amount or 1) for word, amount in found if word == "cost"], default=0.0)
    subject = " ".join(WORDS.sub("", mail.subject).split())
    if subject.lower() in EMPTY_SUBJECTS:
        said = [" ".join(WORDS.sub("", line).split()) for line in mail.body.splitlines()]
        subject = next((line for line in said if line), "the objective")
    return Objective(mail, f"rehearsal-{mail.id[-6:]}", subject[:80], frozenset(word for word, _ in found), cost)


def decision(message: Message) -> Decision:
    """Return the decision in an answer to a plan. Anything but yes or no is a requested change."""
    body = MARKER.sub("", message.body).strip()
    for text in (body, message.subject.removeprefix("Re: ").strip()):
        if found := DECISION.match(text):
            choice = CHOICES.get(found[1].lower(), "revise")
            return Decision(choice, found[2].strip() if text is body else body)
    return Decision("revise", body)


def addressed_task(message: Message) -> str | None:
    """Return the task that a mail outside any thread decides, if any.

    Such a mail has `approve: <task>` or the like in its subject or body."""
    for text in (message.subject, message.body):
        if (found := DECISION.match(text.strip())) and (task := re.search(r"rehearsal-\w{6}", text)):
            return task[0] if found else None
    return None


def revision_of(gate: Message) -> int:
    """Return the revision in the payload of a plan's mail, 1 if there is none."""
    try:
        return int(json.loads(gate.payload or "{}").get("revision", 1))
    except (ValueError, TypeError, AttributeError):
        return 1


def plan(objective: Objective, seen: Survey, revision: int, notes: list[str]) -> str:
    """Return a plan in Markdown that names real files of the product."""
    files = seen.sources[:3] or ["README.md"]
    tests = seen.tests[:1] or [f"tests for {files[0]}"]
    steps = [f"Read `{files[0]}` and document its present behaviour."]
    steps += [f"Change `{name}` for: {objective.title}." for name in files]
    steps += [f"Cover the new behaviour in `{tests[0]}`.", "Merge one branch and report."]
    lines = [f"# Plan: {objective.title} (rehearsal, revision {revision})", ""]
    if notes:
        lines += ["## Changes since the last revision", *[f"- included: {note}" for note in notes[-1:]], ""]
        steps[-1:-1] = [f"As requested: {note}" for note in notes]
    lines += [
        f"{objective.title}: one builder, one branch, {len(files)} of {len(seen.files)} files.",
        "",
        "## Steps",
        *[f"{number}. {step}" for number, step in enumerate(steps, 1)],
        "",
        "## Files",
        *[f"- `{name}`" for name in files],
        "",
        "## Risk",
        "None. This is a rehearsal and only adds one small file under `rehearsal/`.",
    ]
    return "\n".join(lines)
