"""The life of a gate, as pure functions over plain values.

    mail ──▶ open ──first valid decision──▶ decided ──sent, and read──▶ delivered
              │ └──a newer revision──▶ superseded │ └──swallowed: sent again──┐
              └────its session ended──▶ withdrawn └───────────────────────────┘

A gate is decided once. A decision is bound to the gate's id, revision and digest, and the first valid one wins. The same
decision again is no error, any other raises Conflict with the earlier one. Time never changes a gate's state.
"""

import difflib
import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from bot.domain import Decision, Gate, GateKind, GateState, Mail
from bot.domain.errors import Conflict, UsageError
from bot.engine import decisions
from bot.text.wording import UNSAFE, listed, platform_name, shortened

APPROVE, CHANGES, REJECT, ANSWER = "approve", "changes", "reject", "answer"
LONGEST_NOTE = 8000
"""Most characters of a decision's note, which fits a mail body that a model reads at once."""
SYNONYMS = {"revise": CHANGES, "request changes": CHANGES, "request-changes": CHANGES, "approved": APPROVE, "rejected": REJECT}
MARKS = re.compile(r" ?\[[gmqw]\d+\.[0-9a-f]{4}(?:\.\d+)?\]")
"""Markers in our mail: of work, gates, questions and messages, each with the four hexadecimal digits of the store's origin."""
ANSWERS = re.compile(r"\[(g\d{1,12})\.[0-9a-f]{4}(?:\.\d+)?\]\s*\Z")
"""Marker at the end of an answer to a gate."""
LONGEST_TITLE = 200
"""Most characters of a gate's title, on one line."""
ALONE = frozenset({CHANGES, REJECT, ANSWER})
"""Choices that one person can make, whatever quorum is required."""


def open_gate(mail: Mail, kind: GateKind, latest: Gate | None, *, work: str | None, conversation: str, now: datetime) -> Gate:
    """Return the gate that a mail raises. The store gives it its id. `latest` is the gate that it revises."""
    options = {
        GateKind.PLAN: (APPROVE, CHANGES, REJECT),
        GateKind.DECISION: (*_options(mail), *(() if REJECT in map(str.lower, _options(mail)) else (REJECT,))),
        GateKind.QUESTION: (ANSWER, REJECT),
        GateKind.ESCALATION: (ANSWER, REJECT),
        GateKind.ACTION: (APPROVE, REJECT),
    }[kind]
    revision = mail.revision or 1
    return Gate(
        id="",
        product=mail.product,
        kind=kind,
        title=plain_title(mail.subject),
        body=without_markers(mail.plan or mail.body),
        state=GateState.OPEN,
        created_at=mail.created_at,
        updated_at=now,
        revision=max(revision, latest.revision + 1) if latest else revision,
        options=options,
        thread=latest.thread if latest else thread_of(mail),
        mail=mail.id,
        sender=mail.sender,
        task=_task(mail) or (latest.task if latest else ""),
        work=work,
        conversation=conversation,
        previous=latest.id if latest else None,
    )


def thread_of(mail: Mail) -> str:
    """Return the key that ties the revisions of one plan together: its task if named, else the mail thread or the mail."""
    return f"task:{task}" if (task := _task(mail)) else f"mail:{mail.thread or mail.id}"


def follows(mail: Mail, latest: Gate, work: str | None) -> bool:
    """Return True if a plan is a revision of the newest one on its thread.

    Agents may use the id of a task again much later for other work. That is a plan of its own."""
    if latest.work and work and latest.work != work:
        return False
    waited_for = latest.decision.choice == CHANGES if latest.decision else latest.state is GateState.OPEN
    return waited_for or mail.revision > latest.revision


def only_replies(mail: Mail, answered: Gate) -> bool:
    """Return True if a mail in a gate's thread comments on our answer, although its inherited kind asks again."""
    if not mail.inherited or answered.decision is None or answered.decision.choice == CHANGES:
        return False
    return "?" not in mail.body


def superseded(gate: Gate, by: Gate, now: datetime) -> Gate:
    """Return an open or undelivered gate as superseded by a newer revision, to which its answer would be applied."""
    return replace(gate, state=GateState.SUPERSEDED, reason=f"revision {by.revision} replaced it", updated_at=now)


def withdrawn(gate: Gate, reason: str, now: datetime) -> Gate:
    """Return an open gate as withdrawn, because its work no longer waits for it."""
    return replace(gate, state=GateState.WITHDRAWN, reason=reason, updated_at=now)


def delivered(gate: Gate, reason: str, now: datetime) -> Gate:
    """Return a decided gate as delivered to the engine."""
    return replace(gate, state=GateState.DELIVERED, reason=reason, updated_at=now)


def sent(gate: Gate, reply: str, now: datetime) -> Gate:
    """Return a decided gate as sent in this mail, which has not been read yet."""
    return replace(gate, reply=reply, sent_at=now, sendings=max(gate.sendings, 1), updated_at=now)


def to_send_again(gate: Gate, now: datetime) -> Gate:
    """Return a decided gate to be sent again under a new marker, because its answer was swallowed or did not arrive."""
    return replace(gate, reply=None, sent_at=None, sendings=max(gate.sendings, 1) + 1, reason="", updated_at=now)


def reminded(gate: Gate, now: datetime) -> Gate:
    """Return an open gate with one more reminder."""
    return replace(gate, reminded_at=now, reminders=gate.reminders + 1)


def escalated(gate: Gate, now: datetime) -> Gate:
    """Return an open gate as escalated to the backups."""
    return replace(gate, escalated_at=now)


def undeliverable(gate: Gate, reason: str, now: datetime) -> Gate:
    """Return a decided gate whose answer the engine refused. The reason keeps it from being retried automatically."""
    return replace(gate, reason=reason, updated_at=now)


def answer(gate: Gate, given: Decision, *, required: int = 1, revision: int | None = None, digest: str | None = None) -> Gate:
    """Return the gate after one more answer by a person who may give it.

    Raises UsageError for an answer that the gate does not accept, and Conflict (with the gate as `data`) if it is too late or
    bound to another revision. The same answer again is no error and returns the gate unchanged."""
    given = replace(given, choice=_choice(gate, given), note=_note(given.note))
    if revision is not None and revision != gate.revision:
        raise Conflict(
            f"You decided on revision {revision}, but {gate.id} is at revision {gate.revision}.",
            "Nothing was changed. Read the newer plan and decide again.",
            code="superseded",
            data=gate,
        )
    if digest is not None and digest != gate.digest:
        raise Conflict(
            f"{gate.id} has changed since it was shown to you.", "Nothing was changed. Open it again.", code="digest", data=gate
        )
    if gate.state is not GateState.OPEN:
        if (given.by, given.choice, given.note) in [(each.by, each.choice, each.note) for each in _agreeing(gate)]:
            return gate
        raise Conflict(*_too_late(gate), data=gate)
    if given.choice in {CHANGES, ANSWER} and not given.note:
        raise UsageError(
            f"{given.choice.capitalize()} needs a note.", "Describe in a sentence what you want.", code="note_required"
        )
    last = {each.by: each for each in gate.answers}
    again = given.by in last and last[given.by].choice == given.choice
    agreeing = {by for by, each in {**last, given.by: given}.items() if each.choice == given.choice}
    missing = 0 if given.choice in ALONE else required - len(agreeing)
    if missing > 0 and again:
        return gate
    gate = replace(gate, answers=(*gate.answers, given), updated_at=given.at)
    if missing > 0:
        chosen = "approved" if given.choice == APPROVE else f"“{given.choice}” chosen"
        return replace(gate, reason=f"{chosen} by {', '.join(sorted(agreeing))}; {missing} more needed")
    return gate.decided(given, given.at)


def plan_rejected(gates: Iterable[Gate]) -> bool:
    """Return True if people rejected a plan among these gates (oldest first) and approved no other.

    Of each plan the newest decided revision counts."""
    newest = {gate.thread: gate.decision for gate in gates if gate.kind is GateKind.PLAN and gate.decision}
    choices = {decision.choice for decision in newest.values()}
    return REJECT in choices and APPROVE not in choices


def same_shape(found: Iterable[Gate]) -> None:
    """Check that all of these gates have the same kind and options. Raises UsageError if one answer cannot fit all."""
    shapes: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for gate in found:
        shapes.setdefault((gate.kind, gate.options), []).append(gate.id)
    if len(shapes) > 1:
        said = "; ".join(f"{kind} {', '.join(ids[:5])} takes {', '.join(options)}" for (kind, options), ids in shapes.items())
        raise UsageError(
            f"These gates differ in kind or options: {shortened(said, 400)}.",
            "Nothing was decided. Decide gates of one kind together, and the others separately.",
            code="mixed_gates",
        )


def named(gate: Gate, most: int = LONGEST_TITLE) -> str:
    """Return a gate's name for a sentence, `plan “rewrite the parser”`, without repeating a kind that its title begins with."""
    title = re.sub(rf"^{gate.kind}:\s*(?=\S)", "", gate.title, flags=re.IGNORECASE)
    return f"{gate.kind} “{shortened(title, most)}”"


def outcome(gate: Gate) -> str:
    """Return the outcome of a gate in a sentence for people."""
    if gate.state in {GateState.SUPERSEDED, GateState.WITHDRAWN}:
        return f"{gate.state.capitalize()}: {gate.reason}."
    if gate.decision is None:
        return f"Open: {gate.reason}." if gate.reason else "Open."
    done = {APPROVE: "Approved", CHANGES: "Changes requested", REJECT: "Rejected", ANSWER: "Answered"}
    said = done.get(gate.decision.choice, f"“{gate.decision.choice}” chosen")
    note = f": {gate.decision.note}" if gate.decision.note else ""
    where = f" in {platform_name(gate.decision.platform)}" if gate.decision.platform else ""
    stuck = f"; not delivered: {gate.reason}" if gate.state is GateState.DECIDED and gate.reason else ""
    return f"{said} by {listed([each.by for each in _agreeing(gate)])}{where}, {gate.decision.at:%H:%M} UTC{note}{stuck}"


def changes(before: Gate, after: Gate) -> str:
    """Return what a revision changed as a unified diff of the plans' lines, without file headers."""
    lines = difflib.unified_diff(before.body.splitlines(), after.body.splitlines(), n=2, lineterm="")
    return "\n".join(line for line in lines if not line.startswith(("---", "+++")))


def plain_title(subject: str) -> str:
    """Return a mail's subject on one line, without our markers and reply prefixes."""
    return shortened(re.sub(r"^(Re:\s*)+", "", without_markers(subject)), LONGEST_TITLE) or "(no subject)"


def without_markers(text: str) -> str:
    """Return a text without our markers, such as `[w12.k3f9]`."""
    return MARKS.sub("", text)


def decides_nothing(text: str) -> str:
    """Return a text for agents in the operator's name. Raises UsageError if an agent could take it for a decision."""
    if found := decisions.found_in(text):
        raise UsageError(
            f"Agents read “{shortened(found, 40)}” as the decision on a gate, so other text may not contain it.",
            "Nothing was sent. Decide with `/fleet approve-plan` and the gate's id, or rephrase the text.",
            code="reads_as_decision",
        )
    return text


def decides(mail: Mail) -> bool:
    """Return True if an agent would take a mail for a decision from its first words."""
    return any(decisions.begins(text) for text in (plain_title(mail.subject), mail.body))


def answered_by(mail: Mail) -> str | None:
    """Return the id of the gate whose answer this mail is, by the marker at its end."""
    found = ANSWERS.search(mail.body)
    return found[1] if found else None


def _options(mail: Mail) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for each in mail.options if (name := shortened(each, 80))))


def _task(mail: Mail) -> str:
    return shortened(mail.task, 120)


def _choice(gate: Gate, given: Decision) -> str:
    choice = given.choice.strip()
    if choice in gate.options:
        return choice
    choice = SYNONYMS.get(choice.lower(), choice.lower())
    if choice in gate.options:
        return choice
    if ANSWER in gate.options and choice in {APPROVE, CHANGES}:
        return ANSWER
    raise UsageError(
        f"“{given.choice[:80]}” is not an answer to {gate.id}.", f"It takes: {', '.join(gate.options)}.", code="unknown_choice"
    )


def _note(note: str) -> str:
    note = note.strip() if decisions.visible(note).strip() else ""
    if len(note) > LONGEST_NOTE:
        raise UsageError(
            f"The note has {len(note)} characters, the limit is {LONGEST_NOTE}.", "Shorten it.", code="note_too_long"
        )
    if UNSAFE.search(note.replace("\r", "")):
        raise UsageError("The note has control characters.", "Send plain text.", code="note_malformed")
    return decides_nothing(note)


def _agreeing(gate: Gate) -> list[Decision]:
    """Return the answers that made a gate's decision: of a quorum all of them, in order."""
    final = gate.decision
    last = {each.by: each for each in gate.answers}
    return [each for each in last.values() if each.choice == final.choice and each.by != final.by] + [final] if final else []


def _too_late(gate: Gate) -> tuple[str, str]:
    if gate.decision is not None:
        decided = outcome(gate)
        return f"Already decided: {decided[0].lower()}{decided[1:]}.", "Your answer changed nothing."
    return f"{gate.id} is {gate.state}: {gate.reason}.", "Your answer changed nothing."
