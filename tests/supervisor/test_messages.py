"""Translation of overstory's mail into the fleet's words, and the texts its coordinators were taught."""

from typing import Any

import pytest

from bot.domain import LEAD, Author, MailKind
from bot.engine.parsing import to_mail
from bot.supervisor.drivers import conventions, messages


def mail(**changes: Any) -> dict[str, Any]:
    """Return a coordinator's plan as overstory stores it, with these changes."""
    standard: dict[str, Any] = {
        "id": "msg-1",
        "sender": "coordinator",
        "recipient": "operator",
        "type": "decision_gate",
        "subject": "Plan ready: t-1",
        "body": "1. Do it",
        "created_at": "2026-03-01T12:00:00+00:00",
        "thread": None,
        "priority": "normal",
        "payload": {"options": ["approve", "revise", "reject"], "taskId": "t-1", "revision": 1},
        "read": False,
        "cursor": "1:msg-1",
    }
    return {**standard, **changes}


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, MailKind.PLAN),
        ({"recipient": "orchestrator"}, MailKind.PLAN),
        ({"payload": {}}, MailKind.PLAN),
        ({"payload": {"options": ["Approve", "Revise", "Reject"]}}, MailKind.PLAN),
        ({"payload": {"options": "approve"}}, MailKind.PLAN),
        ({"payload": {"options": ["postgres", "sqlite"]}}, MailKind.DECISION),
        ({"type": "question"}, MailKind.QUESTION),
        ({"type": "escalation", "payload": {"severity": "critical"}}, MailKind.ESCALATION),
        ({"type": "escalation", "payload": {"severity": "warning"}}, MailKind.MESSAGE),
        ({"sender": "builder-1", "recipient": "coordinator"}, MailKind.PLAN),
        ({"sender": "builder-1", "recipient": "coordinator", "type": "question"}, MailKind.QUESTION),
        ({"sender": "builder-1", "recipient": "coordinator", "thread": "msg-0"}, MailKind.MESSAGE),
        ({"sender": "builder-1", "recipient": "lead-1"}, MailKind.MESSAGE),
        ({"sender": "operator", "recipient": "coordinator"}, MailKind.MESSAGE),
        ({"sender": "operator", "recipient": "coordinator", "type": "question"}, MailKind.QUESTION),
        ({"sender": "lead-1", "recipient": "coordinator", "type": "plan_ready"}, MailKind.PLAN),
        ({"sender": "lead-1", "recipient": "coordinator", "type": "plan_ready", "thread": "msg-0"}, MailKind.PLAN),
        (
            {"sender": "lead-1", "recipient": "coordinator", "type": "plan_ready", "thread": "msg-0", "payload": {}},
            MailKind.MESSAGE,
        ),
        ({"recipient": "lead-1", "type": "plan_ready", "thread": "msg-0", "payload": {}}, MailKind.MESSAGE),
        ({"type": "result"}, MailKind.FINISHED),
        ({"type": "worker_done"}, MailKind.WORKER_FINISHED),
        ({"type": "error"}, MailKind.FAILED),
        ({"type": "worker_died"}, MailKind.DIED),
        ({"type": "status"}, MailKind.PROGRESS),
        ({"type": "merge_ready"}, MailKind.MESSAGE),
    ],
)
def test_mail_has_a_kind(changes: dict[str, Any], kind: MailKind) -> None:
    assert messages.translate(mail(**changes))["kind"] == kind


@pytest.mark.parametrize(
    ("sender", "author"),
    [("operator", Author.OPERATOR), (LEAD, Author.LEAD), ("orchestrator", Author.UNSIGNED), ("scout-w3", Author.WORKER)],
)
def test_sender_tells_the_author(sender: str, author: Author) -> None:
    assert messages.translate(mail(sender=sender))["author"] == author


def test_driver_emits_only_known_kinds_and_authors() -> None:
    assert {*messages.KINDS.values()} <= {*MailKind}
    assert {*messages.AUTHORS.values(), "worker"} == {*Author}


def test_protocol_1_mail_is_translated() -> None:
    found = to_mail("product-a", mail())
    assert (found.kind, found.author, found.to_people) == (MailKind.PLAN, Author.LEAD, True)
    assert (found.options, found.task, found.revision) == (("approve", "revise", "reject"), "t-1", 1)
    assert (found.label, found.inherited, found.plan) == ("decision_gate", False, "")


def test_translated_mail_is_read_unchanged() -> None:
    assert to_mail("product-a", {**messages.translate(mail()), "kind": "question"}).kind is MailKind.QUESTION


def test_reply_without_payload_inherits_its_kind() -> None:
    assert messages.translate(mail(thread="msg-0", payload={}))["inherited"]
    assert not messages.translate(mail(thread="msg-0"))["inherited"]


@pytest.mark.parametrize("revision", [0, -1, 10_000, "2", None, 1.5])
def test_unusable_revision_is_zero(revision: object) -> None:
    assert messages.translate(mail(payload={"revision": revision}))["revision"] == 0


@pytest.mark.parametrize(
    ("choice", "note", "words"),
    [
        ("approve", "", "DECISION: approve"),
        ("changes", "use a table", "DECISION: revise: use a table"),
        ("reject", "", "DECISION: reject"),
        ("postgres", "we know it", "DECISION: postgres: we know it"),
        ("answer", "blue", "blue"),
    ],
)
def test_answer_has_the_words_that_coordinators_were_taught(choice: str, note: str, words: str) -> None:
    assert conventions.answer(choice, note) == words
