"""What a mail from the engine means to people: a gate, a report, news of work, or nothing. Pure.

Agents write freely, so a mail is tied to work by what we put there ourselves: its thread, a marker (`[w12.k3f9]`) in its
subject, or the agent that was started for the work.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from bot.domain import GateKind, Mail
from bot.gates.lifecycle import HUMAN, raised_by

MARKER = re.compile(r"\[(w\d{1,12})\.([a-z0-9]{1,12})(?:\.(\d{1,4}))?\]")
ENDINGS = {"result": True, "worker_done": True, "error": False, "worker_died": False}
"""Mail types that may end work, and whether it went well."""


class Use(StrEnum):
    """What becomes of a mail."""

    GATE = "gate"
    REPORT = "report"
    PROGRESS = "progress"
    """Between agents: kept, not posted."""
    OURS = "ours"
    """We sent it: kept only."""


@dataclass(frozen=True, slots=True)
class Sorted:
    """How a mail is to be used; `ends` is True or False when it may end its work (well or badly)."""

    use: Use
    gate: GateKind | None = None
    ends: bool | None = None


def sort(mail: Mail, *, from_our_agent: bool = False) -> Sorted:
    """What to do with a mail. `from_our_agent`: its sender was started by us for one piece of work."""
    if mail.sender == "operator":
        return Sorted(Use.OURS)
    if kind := raised_by(mail):
        return Sorted(Use.GATE, gate=kind)
    addressed = mail.recipient in HUMAN or from_our_agent
    if addressed and mail.type in ENDINGS:
        own = from_our_agent or mail.sender in {"coordinator", "orchestrator"}
        well = ENDINGS[mail.type]
        return Sorted(Use.REPORT, ends=well if own and (mail.type != "worker_done" or from_our_agent) else None)
    return Sorted(Use.REPORT if mail.recipient in HUMAN else Use.PROGRESS)


@dataclass(frozen=True, slots=True)
class Mark:
    """What a mail says that it is about: work, of which store, and at which attempt."""

    work: str
    origin: str
    attempt: int


def mark(mail: Mail) -> Mark | None:
    """The mark of work in a mail's subject, or at the end of its body."""
    found = MARKER.search(mail.subject) or MARKER.search(mail.body[-200:])
    return Mark(found[1], found[2], int(found[3] or 1)) if found else None
