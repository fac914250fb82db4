"""Attribution of mail to work.

Agents write freely, so the evidence is, in this order: a sender that the fleet started for the work, the thread of mail that
the fleet sent, a marker of the fleet, and finally that no other work is possible.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.domain import Author, Gate, Mail, MailKind, Work, WorkState
from bot.gates import lifecycle
from bot.jobs import classify
from bot.jobs.classify import Mark
from bot.store import Store
from bot.store.work import UNDER_WAY

GRACE = timedelta(minutes=10)
"""Time after an objective's end in which mail without a marker is attributed to no other work, because the lead agent may still
write about the old one ("run complete")."""


@dataclass(frozen=True, slots=True)
class Attribution:
    """Work that a mail belongs to."""

    work: Work | None = None
    own_agent: bool = False
    """True if its sender was started for this work alone."""
    current: bool = True
    """False if it belongs to an earlier attempt."""
    comments: bool = False
    """True if it comments on something that a person wrote and asks nothing, whatever its kind."""


def attribute(store: Store, mail: Mail, now: datetime) -> Attribution:
    """Return the work of its own product that a mail belongs to."""
    root = store.mail.get(mail.product, mail.thread) if mail.thread else None
    gate = store.gates.of_mail(mail.product, mail.thread) if mail.thread else None
    mark = None
    own = store.work.by_agent(mail.product, mail.sender)
    work = own
    if work is None:
        work, mark = _work(store, mail, root, gate, now)
    return Attribution(
        work,
        own_agent=own is not None,
        current=work is None or (work.state is not WorkState.QUEUED and (mark is None or mark.attempt == work.attempt)),
        comments=lifecycle.only_replies(mail, gate) if gate else _answers_question(mail, root),
    )


def _answers_question(mail: Mail, root: Mail | None) -> bool:
    """Return True for a reply to a question that a person asked."""
    return root is not None and root.ours and root.kind is mail.kind is MailKind.QUESTION


def _work(store: Store, mail: Mail, root: Mail | None, gate: Gate | None, now: datetime) -> tuple[Work | None, Mark | None]:
    """Return the work by thread, marker or exclusion, and the marker if that decided."""
    if mail.thread and (work := store.work.by_mail(mail.product, mail.thread)) is not None:
        return work, None
    if gate is not None and gate.work:
        return store.work.get(gate.work), None
    sent = root is not None and root.ours
    if mark := (classify.mark(root) if root and sent else None) or classify.mark(mail):
        return _marked(store, mail.product, mark), mark
    if sent or (mail.thread and store.threads.get(mail.product, mail.thread)) or mail.author is not Author.LEAD:
        return None, None
    return _only_one(store, mail.product, now), None


def _marked(store: Store, product: str, mark: Mark) -> Work | None:
    work = store.work.get(mark.work) if mark.origin == store.origin else None
    return work if work is not None and work.product == product else None


def _only_one(store: Store, product: str, now: datetime) -> Work | None:
    """Return the only objective of the lead agent, if it was sent and no other has just ended."""
    objectives = [work for work in store.work.open(product, states=UNDER_WAY) if work.capability is None]
    if len(objectives) != 1 or not store.mail.sent_with(product, objectives[0].marker):
        return None
    ended = [work for work in store.work.ended_since(product, now - GRACE) if work.capability is None]
    return None if ended else objectives[0]
