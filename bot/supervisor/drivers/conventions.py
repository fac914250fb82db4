"""Texts that overstory's coordinators were taught for reports and decisions."""

import re
import unicodedata
from collections.abc import Mapping
from typing import Final

REPORTING: Final = """
---
Asked by {asked_by} through the fleet. How to report:
- Put {marker} at the end of the subject of every mail about this.
- Mail `operator` (`--from coordinator`): a `status` when you begin, and one `result` when it is done, or one `error` when
  it cannot be.
- Before anything large, risky or unclear: write a plan, mail all of it to `operator` as type `decision_gate` with payload
  {{"options": ["approve", "revise", "reject"], "taskId": "<task>", "revision": 1}}, and end your turn. Continue only after mail
  from `operator`: "DECISION: approve", "DECISION: revise: …" (send the plan again with revision + 1) or "DECISION: reject: …"
  (close the task and report).
- Forward every question, decision gate and critical escalation of your workers to `operator` in the same way.
"""

DECISION: Final = re.compile(
    r"^(?:[^\w\n]|_)*(?:decision|approved?)[\W_]{0,20}:|"
    r"(?<![^\W_])decision[\W_]{0,20}:[\W_]{0,20}(?:approve|changes|reject|revise)",
    re.IGNORECASE | re.MULTILINE,
)
"""Text that a coordinator takes for a decision of people."""

CHOICES: Final = {"changes": "revise"}
"""Choices that coordinators know under another word than the fleet's."""


def rules(reporting: Mapping[str, str] | None) -> str:
    """Return the rules for reports on an objective, empty without `reporting`."""
    return REPORTING.format(**reporting) if reporting else ""


def answer(choice: str, note: str, context: str = "") -> str:
    """Return people's answer in a coordinator's terms. The choice `answer` is the note alone."""
    said = note if choice == "answer" else f"DECISION: {CHOICES.get(choice, choice)}" + (f": {note}" if note else "")
    return said + context


def decision_in(text: str) -> str | None:
    """Return the part of a text that a coordinator would take for a decision, or None."""
    found = DECISION.search(as_read(text))
    return found[0] if found else None


def begins_as_decision(text: str) -> bool:
    """Return True if a coordinator would take a text for a decision from its first words."""
    return DECISION.match(as_read(text).lstrip()) is not None


def as_read(text: str) -> str:
    """Return a text as a model reads it, normalized and without invisible characters."""
    return "".join(letter for letter in unicodedata.normalize("NFKC", text) if unicodedata.category(letter) != "Cf")
