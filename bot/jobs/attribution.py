"""Which work a mail is about. Agents write what they like into subjects and bodies, so a mail is tied to work by its sender
where we started it, by the thread of what we sent, by our mark, and only last by there being no other work it can mean."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.domain import Author, Gate, Mail, MailKind, Work, WorkState
from bot.gates import lifecycle
from bot.jobs import classify
from bot.jobs.classify import Mark
from bot.store import Store
from bot.store.work import UNDER_WAY

AFTERTHOUGHT = timedelta(minutes=10)
"""After an objective's end its coordinator may still write about it, with no mark ("run complete"): so long nothing without a
mark is taken for news of another one."""


@dataclass(frozen=True, slots=True)
class About:
    """What a mail is about."""

    work: Work | None = None
    by_our_agent: bool = False
    """Its sender was started for this work, and for nothing else."""
    current: bool = True
    """It belongs to the attempt that is under way, not to one that is over."""
    answers_us: bool = False
    """It is a word about something that a person said, and asks nothing, whatever its type is."""


def about(store: Store, mail: Mail, now: datetime) -> About:
    """What a mail is about; of another product's work it never is."""
    root = store.mail.get(mail.product, mail.thread) if mail.thread else None
    gate = store.gates.of_mail(mail.product, mail.thread) if mail.thread else None
    mark = None
    if (work := store.work.by_agent(mail.product, mail.sender)) is not None:
        ours = True
    else:
        ours = False
        work, mark = _work(store, mail, root, gate, now)
    return About(
        work,
        by_our_agent=ours,
        current=work is None or (work.state is not WorkState.QUEUED and (mark is None or mark.attempt == work.attempt)),
        answers_us=lifecycle.only_replies(mail, gate) if gate else _answers_question(mail, root),
    )


def _answers_question(mail: Mail, root: Mail | None) -> bool:
    """Whether it replies to a question that a person asked."""
    return root is not None and root.ours and root.kind is mail.kind is MailKind.QUESTION


def _work(store: Store, mail: Mail, root: Mail | None, gate: Gate | None, now: datetime) -> tuple[Work | None, Mark | None]:
    """By the thread, then by the mark in the mail, then by there being no other; and the mark that told."""
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
    """The one objective that its coordinator has, if it was handed over and none has ended just now."""
    having = [work for work in store.work.open(product, states=UNDER_WAY) if work.capability is None]
    if len(having) != 1 or not store.mail.sent_with(product, having[0].marker):
        return None
    ended = [work for work in store.work.ended_since(product, now - AFTERTHOUGHT) if work.capability is None]
    return None if ended else having[0]
