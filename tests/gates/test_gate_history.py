"""The journal's rows of a gate, as people read them."""

from typing import Any

import pytest

from bot.gates.history import steps


def row(kind: str, person: str, **detail: Any) -> dict[str, Any]:
    return {"at": "2026-03-01T12:00:00+00:00", "kind": kind, "person": person, "subject": "g1", "detail": detail}


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (row("gate", "coordinator", raised="plan", digest="d", title="t"), ("coordinator", "asked", "")),
        (row("gate", "fleet", reminded=["ana", "ben"]), ("fleet", "reminded", "ana, ben")),
        (row("gate", "fleet", delivered="coordinator has it"), ("fleet", "delivered the decision", "coordinator has it")),
        (row("gate", "fleet", undelivered="It is gone.", code="x"), ("fleet", "could not deliver the decision", "It is gone.")),
        (row("gate", "fleet", withdrawn="w1 ended"), ("fleet", "withdrew it", "w1 ended")),
        (row("decision", "ana", choice="approve", note="", digest="d"), ("ana", "approved", "")),
        (
            row("decision", "ben", choice="changes", note="Shorter.", platform="slack"),
            ("ben", "requested changes in Slack", "Shorter."),
        ),
        (row("decision", "ana", choice="A table", note=""), ("ana", "chose “A table”", "")),
        (row("refused", "cyd", choice="approve", why="Only ana."), ("cyd", "tried “approve” and was refused", "Only ana.")),
    ],
)
def test_journal_row_becomes_a_step(written: dict[str, Any], told: tuple[str, str, str]) -> None:
    (step,) = steps([written])
    assert (step.by, step.did, step.words) == told
    assert (step.gate, step.at) == ("g1", "2026-03-01T12:00:00+00:00")


def test_unrelated_rows_are_omitted() -> None:
    assert steps([row("skill", "ana", arguments={}), row("gate", "fleet", something="else")]) == []
