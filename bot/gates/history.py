"""The history of a gate and its earlier revisions in words, from rows of the audit journal. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bot.text.wording import platform_name

ANSWERS = {"approve": "approved", "changes": "requested changes", "reject": "rejected", "answer": "answered"}
STEPS = {
    "raised": "asked",
    "reminded": "reminded",
    "escalated": "asked the backups",
    "sent": "sent the decision to the engine",
    "swallowed": "found that it was never read, and sends it again",
    "delivered": "delivered the decision",
    "undelivered": "could not deliver the decision",
    "handed over again": "had it delivered again",
    "superseded": "was superseded",
    "withdrawn": "withdrew it",
}
"""Step by the key in a row's detail."""
UNSAID = frozenset({"raised", "sent", "swallowed"})
"""Keys whose detail is for programs only."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `at` is ISO 8601, `by` a person, an agent or `fleet`, and `words` a note or a reason."""

    at: str
    by: str
    gate: str
    did: str
    words: str = ""


def steps(rows: Iterable[Mapping[str, Any]]) -> list[Step]:
    """Return the steps in these rows of the journal, in order, without rows that are not part of a gate's history."""
    return [step for row in rows for step in _step(row)]


def _step(row: Mapping[str, Any]) -> Iterator[Step]:
    detail: Mapping[str, Any] = row["detail"]
    about = (row["at"], row["person"], row["subject"])
    if row["kind"] == "decision" and "choice" in detail:
        where = f" in {platform_name(detail['platform'])}" if detail.get("platform") else ""
        yield Step(*about, ANSWERS.get(detail["choice"], f"chose “{detail['choice']}”") + where, str(detail.get("note") or ""))
    elif row["kind"] == "refused":
        tried = f"“{detail['choice']}”" if detail.get("choice") else "to decide it"
        yield Step(*about, f"tried {tried} and was refused", str(detail.get("why") or ""))
    elif row["kind"] in {"gate", "decision"} and (key := next((each for each in STEPS if each in detail), None)):
        yield Step(*about, STEPS[key], "" if key in UNSAID else _words(detail[key]))


def _words(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return value if isinstance(value, str) else ""
