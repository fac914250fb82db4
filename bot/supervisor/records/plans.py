"""Plan texts that a mail only refers to.

The lead of 0.5.8 may not write `.overstory/plans/`, so its plan is wherever it could write. Task ids and paths in mail come
from an agent, so only plain names are followed, and only to regular files inside the product.
"""

import re
import stat
from dataclasses import replace
from pathlib import Path

from bot.supervisor.protocol import MAX_TEXT
from bot.supervisor.records.mailbox import Letter

TASK = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,120}")

AUTHOR = re.compile(r"\A<!-- written-by: [^\n]*-->\n")
"""First line that `ov spec write` puts into a file."""

SHORT_BODY = 400
"""Most characters of a body that only refers to the plan."""


def task_of(letter: Letter) -> str | None:
    """Return the task of a mail from its payload or subject, None if it is no plain name."""
    for key in ("taskId", "beadId", "task_id", "bead_id"):
        found = letter.payload.get(key)
        if isinstance(found, str) and TASK.fullmatch(found):
            return found
    last = letter.subject.rsplit(":", 1)[-1].strip()
    return last if TASK.fullmatch(last) else None


def with_plan_text(root: Path, letter: Letter, worktree: str = "") -> Letter:
    """Return a plan's mail with the whole plan as its body, if the body only refers to it."""
    # An answer inherits the type of the mail that it answers.
    if letter.type not in {"plan_ready", "decision_gate"} or letter.sender == "operator" or letter.subject.startswith("Re: "):
        return letter
    if letter.type == "decision_gate" and len(letter.body) > SHORT_BODY:
        return letter
    task = task_of(letter)
    text = _find_plan(root, task, letter.sender, worktree) if task else None
    if text is None and letter.type == "plan_ready" and not letter.body.strip():
        text = str(letter.payload.get("summary") or "") or None
    if text is None or text.strip() in letter.body:
        return letter
    body = letter.body.strip()
    return replace(letter, body=f"{body}\n\n{text}" if body and body not in text else text)


def _find_plan(root: Path, task: str, sender: str, worktree: str) -> str | None:
    folder = root / ".overstory"
    tree = Path(worktree) if worktree else folder / "worktrees" / sender
    name = f"{task}.md"
    places = [folder / "plans" / name, tree / ".overstory" / "plans" / name, folder / "specs" / name]
    return next((AUTHOR.sub("", text) for place in places if (text := read_inside(root, place)) is not None), None)


def read_inside(root: Path, path: Path) -> str | None:
    """Return the text of a regular file inside the product after resolving links, None for anything else."""
    try:
        real = path.resolve(strict=True)
        if not real.is_relative_to(root.resolve()) or not stat.S_ISREG(real.stat().st_mode):
            return None
        with real.open("rb") as file:
            return file.read(MAX_TEXT).decode("utf-8", "replace")
    except OSError:
        return None
