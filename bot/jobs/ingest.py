"""Ingestion of mail, which raises gates, posts reports and updates work.

All of it is stored with the cursor in one transaction, so each mail counts exactly once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.domain import LEAD, Author, Card, Gate, GateKind, GateState, Mail, MailKind, Suggestion, Work, WorkState
from bot.engine import decisions
from bot.engine.base import MailArrived
from bot.fleet import BOARD, Fleet
from bot.gates import lifecycle, notify
from bot.gates.withdraw import sent, withdraw
from bot.jobs.attribution import Attribution, attribute
from bot.jobs.classify import Use, classify
from bot.text.wording import clean, headline, shortened
from bot.work import slots
from bot.work.ending import end

LONGEST_REPORT = 12_000
"""Characters of one mail that are shown in a conversation. The stored mail is complete."""
VERBS = {MailKind.FAILED: "failed", MailKind.DIED: "died", MailKind.PROGRESS: "says", MailKind.QUESTION: "answers"}
"""Verbs of reports by kind. A reported question is an answer to one of ours."""


@dataclass(frozen=True, slots=True)
class Report:
    """Report of one mail, with the conversation that waits for it."""

    mail: Mail
    work: Work | None
    conversation: str


def take(fleet: Fleet, arrived: MailArrived) -> None:
    """Ingest new mail of one product, oldest first. Known mail changes nothing."""
    with fleet.transaction():
        reports: list[Report] = []
        for mail in arrived.mail:
            mail = _readable(fleet, mail)
            if fleet.store.mail.add(mail):
                if _forged(fleet, mail):
                    _warn(fleet, mail)
                if mail.author is Author.LEAD:
                    slots.replied(fleet, mail.product)
                reports += _take_one(fleet, mail)
        _say_reports(fleet, arrived.product, reports)
        if arrived.mail:
            fleet.store.cursors.set(arrived.product, arrived.mail[-1].cursor)


def skip(fleet: Fleet, mail: Mail) -> None:
    """Skip a mail that cannot be ingested, and report that."""
    with fleet.transaction():
        summary = f"**{mail.product}** has a mail that I cannot read (`{mail.id}`). I skipped it. The log has the reason."
        fleet.say(BOARD, summary, key=f"left out:{mail.product}:{mail.id}", kind="error", product=mail.product)
        fleet.store.cursors.set(mail.product, mail.cursor)


def _readable(fleet: Fleet, mail: Mail) -> Mail:
    """Return a mail without secrets and without control characters."""

    def change(text: str) -> str:
        return fleet.redact(clean(text))

    return replace(
        mail,
        sender=clean(mail.sender),
        subject=change(mail.subject),
        body=change(mail.body),
        options=tuple(map(change, mail.options)),
        task=change(mail.task),
        plan=change(mail.plan),
    )


def _forged(fleet: Fleet, mail: Mail) -> bool:
    """Return True for a decision in the operator's name that was not made here.

    The fleet's own have the marker of a gate and its decision.

    Mail older than the first reading of the mailbox is not judged."""
    if not mail.ours or not lifecycle.decides(mail) or mail.product not in fleet.store.cursors.all():
        return False
    gate = fleet.store.gates.get(lifecycle.answered_by(mail) or "")
    if gate is None or gate.product != mail.product or gate.decision is None:
        return True
    texts = decisions.written(gate.decision.choice, gate.decision.note)
    return not any(fleet.redact(clean(text)) in mail.body for text in texts)


def _warn(fleet: Fleet, mail: Mail) -> None:
    """Report a forged decision, which is possible because mail has no signatures."""
    product = mail.product
    fleet.record("mail", "unknown", product, mail.id, {"decides": shortened(mail.body, 200), "to": mail.recipient})
    summary = (
        f"**{product}**: {mail.recipient} got a decision in the operator's name that did not come from me: "
        f"“{shortened(lifecycle.without_markers(mail.body), 120)}”. No one decided that here. It was written in a shell, by "
        f"another fleet, or by an agent. If you do not recognize it, pause {product} and check its changes."
    )
    offers = (Suggestion("Pause", f"/fleet pause {product}"), Suggestion("Read", f"/fleet mail {product} {mail.id}"))
    for target in fleet.targets(product, ""):
        key = f"not ours:{product}:{mail.id}:{target}"
        fleet.say(target, summary, key=key, kind="error", product=product, suggestions=offers)


def _take_one(fleet: Fleet, mail: Mail) -> list[Report]:
    found = attribute(fleet.store, mail, fleet.now())
    use = classify(mail, own_agent=found.own_agent)
    thread = fleet.store.threads.get(mail.product, mail.thread) if mail.thread else None
    conversation = thread.conversation if thread else found.work.conversation if found.work else ""
    if use.use is Use.GATE and use.gate is not None and not found.comments:
        # An earlier attempt no longer waits for an answer. The current one knows of the mail and asks again.
        if found.work is None or not found.work.state.open or found.current:
            _raise_gate(fleet, mail, use.gate, found.work, conversation)
            return []
    elif use.use is Use.OURS or use.use is Use.PROGRESS or _waits_for_us(fleet, mail, found.work):
        return []
    return [Report(mail, _news(fleet, mail, found, use.succeeded), conversation)]


def _waits_for_us(fleet: Fleet, mail: Mail, work: Work | None) -> bool:
    """Return True for the reported death of an agent that has asked something.

    A worker's session ends with the turn in which it asks, and the lead agent acts on the answer."""
    if mail.kind is not MailKind.DIED or work is None:
        return False
    asked = [gate for gate in fleet.store.gates.of_work(work.id) if gate.sender == mail.sender]
    return any(gate.state in {GateState.OPEN, GateState.DECIDED, GateState.DELIVERED} for gate in asked)


def _news(fleet: Fleet, mail: Mail, found: Attribution, succeeded: bool | None) -> Work | None:
    """End the work of a report, or store the report as its newest state. Returns the work."""
    work = found.work
    if work is None or not work.state.open:
        return work
    if succeeded or (succeeded is False and found.current):
        return _end(fleet, work, succeeded=succeeded, result=lifecycle.without_markers(mail.body))
    if not found.current or work.state is WorkState.WAITING:
        return work
    return fleet.save_work(work, reason=shortened(f"{mail.sender}: {lifecycle.plain_title(mail.subject)}", 160))


def _raise_gate(fleet: Fleet, mail: Mail, kind: GateKind, work: Work | None, conversation: str) -> None:
    latest = _before(fleet, mail, kind, work)
    opened = lifecycle.open_gate(mail, kind, latest, work=work.id if work else None, conversation=conversation, now=fleet.now())
    gate = fleet.store.gates.add(opened)
    if gate is None:
        return
    if latest is not None and latest.state in {GateState.OPEN, GateState.DECIDED}:
        fleet.save_gate(_followed(fleet, latest, gate))
    if work and work.state.open:
        fleet.save_work(work, state=WorkState.WAITING, reason=notify.waits_for(gate))
    fleet.record("gate", mail.sender, mail.product, gate.id, {"raised": kind.value, "digest": gate.digest, "title": gate.title})
    notify.show(fleet, gate)


def _followed(fleet: Fleet, latest: Gate, by: Gate) -> Gate:
    """Return a revised gate, as delivered if the revision answers requested changes."""
    if latest.decision and latest.decision.choice == lifecycle.CHANGES and (reply := sent(fleet, latest)):
        reason = f"revision {by.revision} answers it"
        fleet.record("gate", "fleet", latest.product, latest.id, {"delivered": reason})
        return lifecycle.delivered(lifecycle.sent(latest, reply, latest.sent_at or fleet.now()), reason, fleet.now())
    return lifecycle.superseded(latest, by, fleet.now())


def _before(fleet: Fleet, mail: Mail, kind: GateKind, work: Work | None) -> Gate | None:
    """Return the gate of which this mail is another revision, or None."""
    if kind is not GateKind.PLAN:
        return None
    gates = fleet.store.gates
    latest = gates.latest_of(mail.product, kind, lifecycle.thread_of(mail))
    if latest is None and mail.thread and (first := gates.of_mail(mail.product, mail.thread)) and first.kind is kind:
        latest = gates.latest_of(mail.product, kind, first.thread)
    return latest if latest and lifecycle.follows(mail, latest, work.id if work else None) else None


def _end(fleet: Fleet, work: Work, *, succeeded: bool, result: str) -> Work:
    state = WorkState.DONE if succeeded else WorkState.FAILED
    withdraw(fleet, work.product, f"{work.id} ended", work=work.id, unsent=True)
    ended = end(fleet, work, state, result=result, reason=headline(result, 160))
    fleet.record("work", work.agent or LEAD, work.product, work.id, {"ended": ended.state.value})
    return ended


def _say_reports(fleet: Fleet, product: str, reports: Sequence[Report]) -> None:
    """Post the reports, one message per conversation however many agents reported at once."""
    for target in dict.fromkeys(each for report in reports for each in fleet.targets(product, report.conversation)):
        here = [report for report in reports if target in fleet.targets(product, report.conversation)]
        text = "\n\n".join(_report_text(report) for report in here)
        cards = tuple(Card("work", work=id) for id in dict.fromkeys(report.work.id for report in here if report.work))
        fleet.report(target, text, key=f"mail:{product}:{here[0].mail.id}:{target}", product=product, cards=cards)


def _report_text(report: Report) -> str:
    mail, of = report.mail, f" · `{report.work.id}`" if report.work else ""
    body = lifecycle.without_markers(mail.body)
    if len(body) > LONGEST_REPORT:
        body = f"{body[:LONGEST_REPORT]} …\n\nShortened. For the full text, say `/fleet mail {mail.product} {mail.id}`."
    verb = VERBS.get(mail.kind, "reports")
    return f"**{mail.product}** · {mail.sender} {verb}{of}: {lifecycle.plain_title(mail.subject)}\n\n{body}".rstrip()
