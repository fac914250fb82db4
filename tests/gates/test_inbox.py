"""Order of the open gates in the inbox, with its reasons."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.domain import Approvals, Gate, GateKind, GateState, Product
from bot.gates import inbox

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PRODUCTS = {
    "plain": Product("plain", "/plain"),
    "dear": Product("dear", "/dear", priority="critical"),
    "held": Product("held", "/held", approvals=Approvals(hold_new_work=True)),
    "poor": Product("poor", "/poor", priority="low"),
}
QUEUED = {"held": ["w8", "w9"], "dear": ["w7"]}
UNFINISHED = {"w1", "w2", "w7", "w8", "w9"}


def gate(
    number: int, product: str = "plain", kind: GateKind = GateKind.PLAN, minutes: float = 5, work: str | None = None
) -> Gate:
    asked = NOW - timedelta(minutes=minutes)
    return Gate(f"g{number}", product, kind, "A title", "A body", GateState.OPEN, asked, asked, sender="lead-1", work=work)


def escalated(gate: Gate) -> Gate:
    return replace(gate, escalated_at=NOW, reminders=1)


def assessed(
    *gates: Gate, unfinished: Container[str] = UNFINISHED, queued: Mapping[str, Sequence[str]] = QUEUED
) -> list[inbox.Waiting]:
    return [inbox.impact(each, PRODUCTS.get(each.product), unfinished, queued.get(each.product, ())) for each in gates]


def ordered(*gates: Gate) -> list[str]:
    return [each.gate.id for each in inbox.by_urgency(assessed(*gates))]


def why(gate: Gate) -> tuple[str, ...]:
    (found,) = assessed(gate)
    return found.why


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(gate(2, kind=GateKind.ESCALATION), gate(1, "held", work="w1"), id="an escalation before all else"),
        pytest.param(gate(2, "held"), gate(1, "dear", work="w1"), id="three held back before one that waits"),
        pytest.param(gate(2, work="w1"), gate(1, "dear"), id="work that waits before priority"),
        pytest.param(gate(2, "dear"), gate(1), id="priority"),
        pytest.param(gate(2), gate(1, "poor", minutes=900), id="priority before age"),
        pytest.param(escalated(gate(2)), gate(1, minutes=900), id="backups were asked"),
        pytest.param(replace(gate(2), reminders=2), replace(gate(1, minutes=900), reminders=1), id="more reminders"),
        pytest.param(gate(2, minutes=6), gate(1, minutes=5), id="the oldest"),
        pytest.param(gate(2), gate(10), id="the lower number"),
        pytest.param(gate(2, "poor"), gate(1, "gone", minutes=900), id="a product of the registry before one that left it"),
        pytest.param(gate(2, work="w1"), gate(1, work="w5", minutes=60), id="ended work does not wait"),
    ],
)
def test_more_urgent_gate_is_first(first: Gate, second: Gate) -> None:
    assert ordered(second, first) == ordered(first, second) == [first.id, second.id]


def test_held_product_without_queue_is_before_others() -> None:
    found = assessed(gate(1), gate(2, "held"), unfinished=(), queued={})
    assert [each.gate.id for each in inbox.by_urgency(found)] == ["g2", "g1"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (gate(1), ()),
        (gate(1, kind=GateKind.ESCALATION), ("lead-1 cannot continue",)),
        (replace(gate(1, kind=GateKind.ESCALATION), sender=""), ("an agent cannot continue",)),
        (gate(1, "dear", work="w1"), ("w1 waits for it", "critical priority")),
        (gate(1, "held"), ("held starts no new work until it is decided, 2 pieces of work queued",)),
        (escalated(gate(1, "dear")), ("overdue", "critical priority")),
        (gate(1, "gone", work="w2", minutes=900), ("w2 waits for it",)),
        (replace(gate(1, "held", work="w1", minutes=900), state=GateState.DECIDED), ()),
    ],
)
def test_urgency_has_reasons(asked: Gate, said: tuple[str, ...]) -> None:
    assert why(asked) == said


def test_gate_blocks_its_work_and_the_held_queue() -> None:
    found = assessed(gate(1, "held", work="w2"), gate(2, "dear", work="w1"), gate(3))
    assert [(each.blocks, each.holds) for each in found] == [(("w2", "w8", "w9"), True), (("w1",), False), ((), False)]
