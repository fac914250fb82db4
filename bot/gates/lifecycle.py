"""The life of a gate, as pure functions over plain values.

    mail ──▶ open ──first valid decision──▶ decided ──sent, and seen to be read──▶ delivered
              │ └──a newer revision──▶ superseded │ └──swallowed: sent again, recognisably──┐
              └────its session ended──▶ withdrawn └─────────────────────────────────────────┘

`decided` happens once: a decision binds to the gate's id, revision and digest, the first valid one wins, the same one again
is no error, any other is a Conflict that says who was first. Nothing decides by itself: time never changes a gate's state.
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
"""Characters of a decision's note; what fits a mail body that a model reads in one go."""
SYNONYMS = {"revise": CHANGES, "request changes": CHANGES, "request-changes": CHANGES, "approved": APPROVE, "rejected": REJECT}
MARKS = re.compile(r" ?\[[gmqw]\d+\.[0-9a-f]{4}(?:\.\d+)?\]")
"""What we put into mail to recognise it: of work, gates, questions and notes; four hexadecimal letters are a store's origin."""
ANSWERS = re.compile(r"\[(g\d{1,12})\.[0-9a-f]{4}(?:\.\d+)?\]\s*\Z")
"""The mark at the end of an answer to a gate."""
LONGEST_TITLE = 200
"""Characters of a gate's title, on one line."""
ALONE = frozenset({CHANGES, REJECT, ANSWER})
"""Choices that one person makes, whatever quorum is asked for."""


def open_gate(mail: Mail, kind: GateKind, latest: Gate | None, *, work: str | None, conversation: str, now: datetime) -> Gate:
    """The gate that a mail raises (its id is given by the store). `latest`: the gate of which it is another revision."""
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
    """What ties the revisions of one plan together: its task where it names one, else the mail thread, else the mail."""
    return f"task:{task}" if (task := _task(mail)) else f"mail:{mail.thread or mail.id}"


def follows(mail: Mail, latest: Gate, work: str | None) -> bool:
    """Whether a plan is another revision of the newest one on its thread. Agents use a task's id again, long after and for
    other work: then it is a plan of its own."""
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
    """A gate whose plan has a newer revision: open, or decided and not delivered yet, for then the answer would be read as one
    to the newer."""
    return replace(gate, state=GateState.SUPERSEDED, reason=f"revision {by.revision} took its place", updated_at=now)


def withdrawn(gate: Gate, reason: str, now: datetime) -> Gate:
    """An open gate that nobody waits for any more."""
    return replace(gate, state=GateState.WITHDRAWN, reason=reason, updated_at=now)


def delivered(gate: Gate, reason: str, now: datetime) -> Gate:
    """A decided gate whose answer the engine has."""
    return replace(gate, state=GateState.DELIVERED, reason=reason, updated_at=now)


def sent(gate: Gate, reply: str, now: datetime) -> Gate:
    """A decided gate whose answer is on its way in this mail; nobody has been seen to read it yet."""
    return replace(gate, reply=reply, sent_at=now, sendings=max(gate.sendings, 1), updated_at=now)


def to_send_again(gate: Gate, now: datetime) -> Gate:
    """A decided gate whose answer was swallowed, or did not arrive: it goes out once more, under a marker of its own."""
    return replace(gate, reply=None, sent_at=None, sendings=max(gate.sendings, 1) + 1, reason="", updated_at=now)


def reminded(gate: Gate, now: datetime) -> Gate:
    """An open gate of which people were reminded."""
    return replace(gate, reminded_at=now, reminders=gate.reminders + 1)


def escalated(gate: Gate, now: datetime) -> Gate:
    """An open gate for which the backups were asked."""
    return replace(gate, escalated_at=now)


def undeliverable(gate: Gate, reason: str, now: datetime) -> Gate:
    """A decided gate whose answer the engine refused for good; the reason keeps it from being tried again by itself."""
    return replace(gate, reason=reason, updated_at=now)


def answer(gate: Gate, given: Decision, *, required: int = 1, revision: int | None = None, digest: str | None = None) -> Gate:
    """The gate after one more answer by someone who may give it.

    Raises UsageError for an answer that the gate does not take, and Conflict (with the gate as `data`) when it is too late
    or was meant for another revision. The same answer again is no error: the gate comes back unchanged."""
    given = replace(given, choice=_choice(gate, given), note=_note(given.note))
    if revision is not None and revision != gate.revision:
        raise Conflict(
            f"You decided on revision {revision}; {gate.id} is revision {gate.revision}.",
            "Nothing was changed. Look at the newer plan and decide again.",
            code="superseded",
            data=gate,
        )
    if digest is not None and digest != gate.digest:
        raise Conflict(
            f"What you were shown is not what {gate.id} says.", "Nothing was changed. Open it again.", code="digest", data=gate
        )
    if gate.state is not GateState.OPEN:
        if (given.by, given.choice, given.note) in [(each.by, each.choice, each.note) for each in _agreeing(gate)]:
            return gate
        raise Conflict(*_too_late(gate), data=gate)
    if given.choice in {CHANGES, ANSWER} and not given.note:
        raise UsageError(f"{given.choice.capitalize()} needs a note.", "Say in a sentence what you want.", code="note_required")
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


def same_shape(found: Iterable[Gate]) -> None:
    """Whether one answer can be meant for all of these: they are of one kind and take the same options. Raises UsageError."""
    shapes: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for gate in found:
        shapes.setdefault((gate.kind, gate.options), []).append(gate.id)
    if len(shapes) > 1:
        said = "; ".join(f"{kind} {', '.join(ids[:5])} takes {', '.join(options)}" for (kind, options), ids in shapes.items())
        raise UsageError(
            f"These gates do not ask for the same: {shortened(said, 400)}.",
            "Nothing was decided. Decide those of one kind together, the others by themselves.",
            code="mixed_gates",
        )


def named(gate: Gate, most: int = LONGEST_TITLE) -> str:
    """A gate within a sentence, `plan “rewrite the parser”`: many titles begin with its kind, which is not said twice."""
    title = re.sub(rf"^{gate.kind}:\s*(?=\S)", "", gate.title, flags=re.IGNORECASE)
    return f"{gate.kind} “{shortened(title, most)}”"


def outcome(gate: Gate) -> str:
    """What became of a gate, in a sentence for people."""
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
    """What a revision changed, as a unified diff of the plans' lines without file headers."""
    lines = difflib.unified_diff(before.body.splitlines(), after.body.splitlines(), n=2, lineterm="")
    return "\n".join(line for line in lines if not line.startswith(("---", "+++")))


def plain_title(subject: str) -> str:
    """A mail's subject on one line, without our markers and reply prefixes."""
    return shortened(re.sub(r"^(Re:\s*)+", "", without_markers(subject)), LONGEST_TITLE) or "(no subject)"


def without_markers(text: str) -> str:
    """A text without the marks that we put into mail to recognise it: `[w12.k3f9]`."""
    return MARKS.sub("", text)


def decides_nothing(text: str) -> str:
    """A text that goes to agents in the operator's name and may not pass for a decision. Raises UsageError where it could."""
    if found := decisions.found_in(text):
        raise UsageError(
            f"“{shortened(found, 40)}” is what an agent reads as the decision on a gate; other text may not say it.",
            "Nothing was sent. Decide with `/fleet approve-plan` and the gate's id, or put it in other words.",
            code="reads_as_decision",
        )
    return text


def decides(mail: Mail) -> bool:
    """Return True if an agent would take a mail for a decision from its first words."""
    return any(decisions.begins(text) for text in (plain_title(mail.subject), mail.body))


def answered_by(mail: Mail) -> str | None:
    """The id of the gate to whose answer this mail has the mark, at its end."""
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
            f"The note has {len(note)} characters; {LONGEST_NOTE} is the most.", "Shorten it.", code="note_too_long"
        )
    if UNSAFE.search(note.replace("\r", "")):
        raise UsageError("The note has control characters.", "Send plain text.", code="note_malformed")
    return decides_nothing(note)


def _agreeing(gate: Gate) -> list[Decision]:
    """The answers that made a gate's decision: of a quorum all, in the order in which they came."""
    final = gate.decision
    last = {each.by: each for each in gate.answers}
    return [each for each in last.values() if each.choice == final.choice and each.by != final.by] + [final] if final else []


def _too_late(gate: Gate) -> tuple[str, str]:
    if gate.decision is not None:
        return f"{gate.decision.by} was first: {outcome(gate)}.", "Nothing was changed by your answer."
    return f"{gate.id} is {gate.state}: {gate.reason}.", "Nothing was changed by your answer."
