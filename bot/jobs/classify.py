"""Classification of mail as a gate, a report, news of work, or nothing. Pure."""

import re
from dataclasses import dataclass
from enum import StrEnum

from bot.domain import Author, GateKind, Mail, MailKind

MARKER = re.compile(r"\[(w\d{1,12})\.([a-z0-9]{1,12})(?:\.(\d{1,4}))?\]")
"""Marker of work, such as `[w12.k3f9]`, or `[w12.k3f9.2]` from the second attempt on."""
GATES = {
    MailKind.PLAN: GateKind.PLAN,
    MailKind.DECISION: GateKind.DECISION,
    MailKind.QUESTION: GateKind.QUESTION,
    MailKind.ESCALATION: GateKind.ESCALATION,
}
"""Gates raised by the kinds of mail that ask people."""
ENDINGS = {MailKind.FINISHED: True, MailKind.WORKER_FINISHED: True, MailKind.FAILED: False, MailKind.DIED: False}
"""Kinds of mail that may end work, with True for success."""


class Use(StrEnum):
    """Use of a mail by the fleet."""

    GATE = "gate"
    REPORT = "report"
    PROGRESS = "progress"
    """Mail between agents, which is stored and not posted."""
    OURS = "ours"
    """Mail in the operator's name, which is stored and not posted."""


@dataclass(frozen=True, slots=True)
class Classified:
    """Use of one mail."""

    use: Use
    gate: GateKind | None = None
    succeeded: bool | None = None
    """Outcome of the work that the mail may end, None if it ends none."""


def classify(mail: Mail, *, own_agent: bool = False) -> Classified:
    """Return the use of a mail. An own agent was started by the fleet for one piece of work."""
    if mail.ours:
        return Classified(Use.OURS)
    if kind := GATES.get(mail.kind):
        return Classified(Use.GATE, gate=kind)
    if mail.kind in ENDINGS and (mail.to_people or own_agent):
        own = own_agent or mail.author in {Author.LEAD, Author.UNSIGNED}
        # A worker of the lead agent did only a part of the objective.
        ends = own and (mail.kind is not MailKind.WORKER_FINISHED or own_agent)
        return Classified(Use.REPORT, succeeded=ENDINGS[mail.kind] if ends else None)
    return Classified(Use.REPORT if mail.to_people else Use.PROGRESS)


@dataclass(frozen=True, slots=True)
class Mark:
    """Id, store origin and attempt of the work that a mail names."""

    work: str
    origin: str
    attempt: int


def mark(mail: Mail) -> Mark | None:
    """Return the mark of work in a mail's subject or at the end of its body."""
    found = MARKER.search(mail.subject) or MARKER.search(mail.body[-200:])
    return Mark(found[1], found[2], int(found[3] or 1)) if found else None
