"""Engine mail becomes gates, reports and news of work: kept in one transaction with the cursor, so exactly once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from bot import gates, mailroom
from bot.domain import Card, Gate, GateKind, GateState, Mail, Session, Snapshot, Suggestion, Work, WorkState
from bot.engine.base import MailArrived
from bot.fleet import RUNNING, Change, Fleet
from bot.mailroom import Use
from bot.words import headline, shortened

GRACE = timedelta(seconds=10)
"""How long a session may be missing before its work is given up: what a start and its mail need to become visible."""


@dataclass(frozen=True, slots=True)
class Report:
    """One mail that people are told of, and where they wait for it."""

    mail: Mail
    work: Work | None
    conversation: str


def take(fleet: Fleet, arrived: MailArrived) -> None:
    """Take in new mail of one product, oldest first. Mail seen before changes nothing."""
    with fleet.transaction():
        reports: list[Report] = []
        for mail in arrived.mail:
            if fleet.store.mail.add(mail):
                reports += _take_one(fleet, mail)
        _say_reports(fleet, arrived.product, reports)
        if arrived.mail:
            fleet.store.mail.set_cursor(arrived.product, arrived.mail[-1].cursor)


def _take_one(fleet: Fleet, mail: Mail) -> list[Report]:
    ours = fleet.store.work.by_agent(mail.product, mail.sender)
    work = _work_of(fleet, mail) or ours
    use = mailroom.sort(mail, from_our_agent=ours is not None)
    thread = fleet.store.mail.thread(mail.product, mail.thread) if mail.thread else None
    conversation = thread.conversation if thread else work.conversation if work else ""
    if _answers_our_question(fleet, mail):
        return [Report(mail, None, conversation)]
    if use.use is Use.GATE and use.gate is not None:
        _raise_gate(fleet, mail, use.gate, work, conversation)
        return []
    if use.use is not Use.REPORT:
        return []
    if work and work.state.open:
        if use.ends is None:
            work = fleet.save_work(work, reason=shortened(f"{mail.sender}: {gates.plain_title(mail.subject)}", 160))
        else:
            work = _end(fleet, work, well=use.ends, result=gates.without_markers(mail.body))
    return [Report(mail, work, conversation)]


def _answers_our_question(fleet: Fleet, mail: Mail) -> bool:
    """Whether it replies to a question that a person asked: replies inherit the type, and would look like questions."""
    root = fleet.store.mail.get(mail.product, mail.thread) if mail.thread else None
    return root is not None and root.sender == "operator" and root.type == mail.type == "question" and mail.sender != "operator"


def _work_of(fleet: Fleet, mail: Mail) -> Work | None:
    """The work that a mail is about: by the thread's first mail, by our marker, or the only one that can be meant."""
    store, origin = fleet.store, fleet.store.origin
    if mail.thread:
        if work := store.work.by_mail(mail.product, mail.thread):
            return work
        root = store.mail.get(mail.product, mail.thread)
        if root and (id := mailroom.marked_work(root, origin)):
            return store.work.get(id)
        if root and (gate := store.gates.latest_of(mail.product, gates.thread_of(root))):
            return store.work.get(gate.work or "")
    if id := mailroom.marked_work(mail, origin):
        return store.work.get(id)
    if mail.sender != "coordinator":
        return None
    states = (*RUNNING, WorkState.WAITING)
    objectives = [work for work in store.work.open(mail.product, states=states) if work.capability is None]
    return objectives[0] if len(objectives) == 1 else None


def _raise_gate(fleet: Fleet, mail: Mail, kind: GateKind, work: Work | None, conversation: str) -> None:
    latest = fleet.store.gates.latest_of(mail.product, gates.thread_of(mail))
    opened = gates.open_gate(mail, kind, latest, work=work.id if work else None, conversation=conversation, now=fleet.now())
    gate = fleet.store.gates.add(opened)
    if gate is None:
        return
    if latest is not None and latest.state is GateState.OPEN and kind is GateKind.PLAN:
        old = gates.superseded(latest, gate, fleet.now())
        fleet.store.gates.save(old)
        fleet.changed(Change("gate", product=mail.product, gate=old))
    if work and work.state.open:
        fleet.save_work(work, state=WorkState.WAITING, reason=f"waits for {gate.id}: {gate.kind} “{shortened(gate.title, 80)}”")
    fleet.record("gate", mail.sender, mail.product, gate.id, {"raised": kind.value, "digest": gate.digest, "title": gate.title})
    show_gate(fleet, gate)


def show_gate(fleet: Fleet, gate: Gate) -> None:
    """Post a gate's card wherever its product's people are."""
    revision = f", revision {gate.revision}" if gate.revision > 1 else ""
    text = f"**{gate.product}** waits for you: {gate.kind} “{gate.title}”{revision} (`{gate.id}`)"
    for place in fleet.places(gate.product, gate.conversation):
        key = f"gate:{gate.id}:{place}"
        fleet.say(place, text, key=key, kind="gate", product=gate.product, cards=(Card("gate", gate=gate.id),))
    fleet.changed(Change("gate", product=gate.product, gate=gate))


def _end(fleet: Fleet, work: Work, *, well: bool, result: str) -> Work:
    state = WorkState.DONE if well else WorkState.FAILED
    fleet.withdraw_gates(work.product, f"{work.id} ended", work=work.id)
    fleet.record("work", work.agent or "coordinator", work.product, work.id, {"ended": state.value})
    return fleet.save_work(work, state=state, result=result, reason=headline(result, 160))


def _say_reports(fleet: Fleet, product: str, reports: Sequence[Report]) -> None:
    """One message for each place, however many agents reported at once."""
    for place in dict.fromkeys(place for report in reports for place in fleet.places(product, report.conversation)):
        here = [report for report in reports if place in fleet.places(product, report.conversation)]
        text = "\n\n".join(_report_text(report) for report in here)
        cards = tuple(Card("work", work=id) for id in dict.fromkeys(report.work.id for report in here if report.work))
        fleet.say(place, text, key=f"mail:{product}:{here[0].mail.id}:{place}", kind="report", product=product, cards=cards)


def _report_text(report: Report) -> str:
    mail, about = report.mail, f" · `{report.work.id}`" if report.work else ""
    body = gates.without_markers(mail.body)
    verb = {"error": "failed", "worker_died": "died", "status": "says", "question": "answers"}.get(mail.type, "reports")
    return f"**{mail.product}** · {mail.sender} {verb}{about}: {gates.plain_title(mail.subject)}\n\n{body}".rstrip()


def reconcile(fleet: Fleet, snapshot: Snapshot) -> None:
    """Work whose session is gone has failed, and people are told. Called with fresh snapshots only."""
    if snapshot.trouble or fleet.store.note(f"paused:{snapshot.product}") is not None:
        return
    with fleet.transaction():
        for work in fleet.store.work.open(snapshot.product, states=(WorkState.RUNNING, WorkState.WAITING)):
            if work.started_at is None or snapshot.at - max(work.started_at, work.updated_at) < GRACE:
                continue
            if lost := _lost(work, snapshot):
                _give_up(fleet, work, lost)


def _lost(work: Work, snapshot: Snapshot) -> str:
    if work.capability is None:
        return "" if snapshot.coordinator else f"the coordinator of {work.product} is gone, and sent no result"
    session: Session | None = next((each for each in snapshot.sessions if each.agent == work.agent), None)
    if session is None or not session.active:
        return f"{work.agent} ended without a report"
    return ""


def _give_up(fleet: Fleet, work: Work, why: str) -> None:
    fleet.withdraw_gates(work.product, why, work=work.id)
    fleet.record("work", "fleet", work.product, work.id, {"ended": "failed", "why": why})
    fleet.save_work(work, state=WorkState.FAILED, reason=why)
    capability = f"--capability {work.capability} " if work.capability else ""
    again = Suggestion("Start it again", f"/fleet spawn {work.product} {capability}{shortened(work.objective, 1500)}")
    text = f"**{work.product}** · `{work.id}` failed: {why}. What its agents had committed is still on their branches."
    for place in fleet.places(work.product, work.conversation):
        fleet.say(place, text, key=f"lost:{work.tag}:{place}", kind="report", product=work.product, suggestions=(again,))
