"""Admission as tables: who starts, who waits, and the reason in words."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.admission import Capacity, admit
from bot.domain import Budget, Product, Work, WorkState

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PRODUCTS = {
    "a": Product("a", "/a", priority="high", resource_weight=3),
    "b": Product("b", "/b", priority="medium", resource_weight=3),
    "c": Product("c", "/c", priority="medium", budget=Budget(per_day_usd=5)),
}


def work(number: int, product: str, minutes: float = 0) -> Work:
    asked = NOW - timedelta(minutes=minutes)
    return Work(f"w{number}", product, "do it", WorkState.QUEUED, asked, asked)


def order(queue: list[Work], capacity: Capacity, **known: Any) -> list[tuple[str, bool]]:
    decisions = admit(queue, PRODUCTS, capacity, known.get("held", {}), known.get("spent", {}), NOW)
    return [(decision.work.id, decision.start) for decision in decisions]


def test_the_higher_priority_starts_first_and_the_rest_waits_for_a_session() -> None:
    queue = [work(1, "b"), work(2, "a"), work(3, "c")]
    assert order(queue, Capacity(running=0, max_sessions=2)) == [("w2", True), ("w1", True), ("w3", False)]


def test_waiting_long_enough_beats_priority() -> None:
    assert order([work(1, "b", minutes=61), work(2, "a")], Capacity(0, 1))[0] == ("w1", True)


@pytest.mark.parametrize(
    ("capacity", "held", "spent", "reason"),
    [
        (Capacity(2, 2), {}, {}, "waits for a session (2 of 2 in use)"),
        (Capacity(0, 2, memory_gb=12.5, max_memory_gb=12), {}, {}, "waits for memory (12.5 of 12 GB in use)"),
        (Capacity(0, 2, cpu_percent=72, max_cpu_percent=60), {}, {}, "waits for CPU (72 of 60 % in use)"),
        (Capacity(0, 2, spent_usd=20, budget_usd=20), {}, {}, "the fleet has spent $20.00 of $20.00 today"),
        (Capacity(0, 2), {"c": "c is paused"}, {}, "c is paused"),
        (Capacity(0, 2), {}, {"c": 5.0}, "c has spent $5.00 of $5.00 today"),
    ],
)
def test_why_work_waits(capacity: Capacity, held: dict[str, str], spent: dict[str, float], reason: str) -> None:
    (decision,) = admit([work(1, "c")], PRODUCTS, capacity, held, spent, NOW)
    assert (decision.start, decision.reason, decision.place) == (False, reason, 1)


def test_work_of_a_product_that_has_gone_waits_and_says_so() -> None:
    (decision,) = admit([replace(work(1, "a"), product="gone")], PRODUCTS, Capacity(0, 2), {}, {}, NOW)
    assert decision.reason == "gone is no longer in the registry"


@given(
    queue=st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 10_000)), max_size=30),
    running=st.integers(0, 5),
    most=st.integers(1, 6),
)
def test_never_more_than_there_is_room_for(queue: list[tuple[str, float]], running: int, most: int) -> None:
    works = [work(number, product, minutes) for number, (product, minutes) in enumerate(queue, 1)]
    decisions = admit(works, PRODUCTS, Capacity(running, most), {}, {}, NOW)
    started = [decision for decision in decisions if decision.start]
    assert len(started) == min(len(works), max(0, most - running))
    assert sorted(decision.work.id for decision in decisions) == sorted(each.id for each in works)
    assert all(decision.reason for decision in decisions)
