"""Use of a mail: a gate, a report, news of work, or nothing. Pure.

Agents write freely, so a mail is tied to work by what we put there ourselves: its thread, a marker (`[w12.k3f9]`) in its
subject, or the agent that was started for the work.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from bot.domain import Author, GateKind, Mail, MailKind

MARKER = re.compile(r"\[(w\d{1,12})\.([a-z0-9]{1,12})(?:\.(\d{1,4}))?\]")
GATES = {
    MailKind.PLAN: GateKind.PLAN,
    MailKind.DECISION: GateKind.DECISION,
    MailKind.QUESTION: GateKind.QUESTION,
    MailKind.ESCALATION: GateKind.ESCALATION,
}
"""Kinds of mail that ask people, and the gates they raise."""
ENDINGS = {MailKind.FINISHED: True, MailKind.WORKER_FINISHED: True, MailKind.FAILED: False, MailKind.DIED: False}
"""Kinds of mail that may end work, with True for success."""


class Use(StrEnum):
    """What the fleet does with a mail."""

    GATE = "gate"
    REPORT = "report"
    PROGRESS = "progress"
    """Mail between agents: stored, not posted."""
    OURS = "ours"
    """Mail in the operator's name: stored, not posted."""


@dataclass(frozen=True, slots=True)
class Sorted:
    """The use of a mail. `ends` is True or False when it may end its work (well or badly)."""

    use: Use
    gate: GateKind | None = None
    ends: bool | None = None


def sort(mail: Mail, *, from_our_agent: bool = False) -> Sorted:
    """Return the use of a mail. `from_our_agent`: its sender was started by us for one piece of work."""
    if mail.ours:
        return Sorted(Use.OURS)
    if kind := GATES.get(mail.kind):
        return Sorted(Use.GATE, gate=kind)
    if mail.kind in ENDINGS and (mail.to_people or from_our_agent):
        own = from_our_agent or mail.author in {Author.LEAD, Author.UNSIGNED}
        # A worker's end is not the end of the objective that the lead agent gave it a part of.
        ends = own and (mail.kind is not MailKind.WORKER_FINISHED or from_our_agent)
        return Sorted(Use.REPORT, ends=ENDINGS[mail.kind] if ends else None)
    return Sorted(Use.REPORT if mail.to_people else Use.PROGRESS)


@dataclass(frozen=True, slots=True)
class Mark:
    """The work that a mail names: its id, its store's origin, and the attempt."""

    work: str
    origin: str
    attempt: int


def mark(mail: Mail) -> Mark | None:
    """Return the mark of work in a mail's subject or at the end of its body."""
    found = MARKER.search(mail.subject) or MARKER.search(mail.body[-200:])
    return Mark(found[1], found[2], int(found[3] or 1)) if found else None
