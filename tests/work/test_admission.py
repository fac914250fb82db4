"""Admission as tables of decisions with their reasons, and limits that no queue may exceed."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain import Product, Work, WorkState
from bot.work.admission import NOTHING, Admission, AdmissionInput, Capacity, Hold, Requirements, Spend, admit

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PRODUCTS = {
    "a": Product("a", "/a", priority="high", resource_weight=3),
    "b": Product("b", "/b", priority="medium", resource_weight=3),
    "c": Product("c", "/c", priority="medium"),
}
ROOM = replace(NOTHING, products=PRODUCTS)


def work(number: int, product: str, minutes: float = 0, **terms: Any) -> Work:
    asked = NOW - timedelta(minutes=minutes)
    return Work(f"w{number}", product, "do it", terms.pop("state", WorkState.QUEUED), asked, asked, **terms)


def order(queue: list[Work], capacity: Capacity, question: AdmissionInput = ROOM) -> list[tuple[str, bool]]:
    return [(decision.work.id, decision.start) for decision in admit(queue, capacity, question, NOW)]


def only(queue: list[Work], capacity: Capacity, question: AdmissionInput = ROOM) -> Admission:
    (decision,) = admit(queue, capacity, question, NOW)
    return decision


def test_higher_priority_starts_first_and_the_rest_waits_for_a_slot() -> None:
    queue = [work(1, "b"), work(2, "a"), work(3, "c")]
    assert order(queue, Capacity(running=0, max_sessions=2)) == [("w2", True), ("w1", True), ("w3", False)]


def test_waiting_long_enough_beats_priority() -> None:
    assert order([work(1, "b", minutes=61), work(2, "a")], Capacity(0, 1))[0] == ("w1", True)


@pytest.mark.parametrize(
    ("capacity", "question", "code", "reason"),
    [
        (Capacity(2, 2), ROOM, "sessions", "waits for a slot (2 of 2 in use)"),
        (
            Capacity(0, 2, memory_gb=11.4, max_memory_gb=12),
            replace(ROOM, needs={"c": Requirements(1.2)}),
            "memory",
            "0.6 GB short of memory (11.4 of 12 GB in use or reserved, 1.2 needed)",
        ),
        (
            Capacity(1, 2, memory_gb=1, reserved_gb=10.4, max_memory_gb=12),
            replace(ROOM, needs={"c": Requirements(1.2)}),
            "memory",
            "0.6 GB short of memory (11.4 of 12 GB in use or reserved, 1.2 needed)",
        ),
        (
            Capacity(0, 2, max_memory_gb=1),
            ROOM,
            "memory",
            "needs about 2.0 GB, and all sessions together may use 1 GB (max_memory_gb)",
        ),
        (
            Capacity(0, 2, free_gb={"": 1.5}),
            ROOM,
            "machine",
            "0.5 GB short of memory on its runtime's machine (1.5 GB free, 2.0 needed)",
        ),
        (Capacity(0, 2, cpu_percent=72, max_cpu_percent=60), ROOM, "cpu", "waits for CPU (72 of 60 % in use)"),
        (Capacity(0, 2, weight=6, max_weight=6), ROOM, "weight", "waits for 1 of weight (6 of 6 in use)"),
        (Capacity(0, 2, spent_usd=20, budget_usd=20), ROOM, "budget", "the fleet has spent $20.00 of $20.00 today"),
        (
            Capacity(0, 2, spent_usd=18, reserved_usd=1.5, budget_usd=20),
            replace(ROOM, needs={"c": Requirements(0.1, 2.0)}),
            "estimate",
            "$0.50 of $20.00 left today for the fleet, and it is expected to cost $2.00",
        ),
        (Capacity(0, 2, frozen="the brake is on"), ROOM, "brake", "the brake is on"),
        (Capacity(0, 2), replace(ROOM, held={"c": Hold("paused", "c is paused")}), "paused", "c is paused"),
        (Capacity(0, 2), replace(ROOM, blocked={"w1": Hold("depends", "waits for w0")}), "depends", "waits for w0"),
        (Capacity(0, 2), replace(ROOM, spending={"c": Spend(5.0, 5.0)}), "budget", "c has spent $5.00 of $5.00 today"),
        (
            Capacity(0, 2),
            replace(ROOM, spending={"c": Spend(4.0, 5.0, reserved=0.6)}, needs={"c": Requirements(0.1, 1.2)}),
            "estimate",
            "$0.40 of $5.00 left today for c, and it is expected to cost $1.20",
        ),
        (Capacity(0, 2), NOTHING, "gone", "c is no longer in the registry"),
    ],
)
def test_why_work_waits(capacity: Capacity, question: AdmissionInput, code: str, reason: str) -> None:
    decision = only([work(1, "c")], capacity, question)
    assert (decision.start, decision.code, decision.reason, decision.position) == (False, code, reason, 1)
    assert decision.numbers["slots"][1] == 2


def test_work_above_a_daily_budget_may_start_on_a_fresh_day() -> None:
    dear = replace(ROOM, spending={"c": Spend(0.0, 5.0)}, needs={"c": Requirements(0.1, 9.0)})
    assert only([work(1, "c")], Capacity(0, 2), dear).start


def test_resuming_work_has_priority_and_needs_no_memory_or_cpu() -> None:
    full = Capacity(1, 2, memory_gb=12, max_memory_gb=12, cpu_percent=90, max_cpu_percent=60)
    queue = [work(1, "a", minutes=600), work(2, "b", state=WorkState.WAITING), work(3, "c", state=WorkState.WAITING)]
    assert order(queue, full) == [("w2", True), ("w3", False), ("w1", False)]


def test_resuming_work_ignores_memory_but_reserves_what_it_will_take() -> None:
    queue = [work(1, "b", state=WorkState.WAITING), work(2, "c")]
    still = replace(ROOM, needs={"w1": Requirements(1.5), "c": Requirements(1.0)})
    busy = Capacity(0, 9, memory_gb=10, max_memory_gb=12)
    assert order(queue, busy, still) == [("w1", True), ("w2", False)]
    assert order(queue, busy, replace(ROOM, needs={"c": Requirements(1.0)})) == [("w1", True), ("w2", True)]


@pytest.mark.parametrize(("code", "goes_on"), [("gates", True), ("breaker", True), ("paused", False), ("brake", False)])
def test_some_holds_stop_new_work_only_and_some_also_resuming_work(code: str, goes_on: bool) -> None:
    held = replace(ROOM, held={"b": Hold(code, "held")})
    assert only([work(1, "b", state=WorkState.WAITING)], Capacity(0, 2), held).start is goes_on
    assert not only([work(1, "b")], Capacity(0, 2), held).start


def test_lighter_work_overtakes_for_an_hour_at_most() -> None:
    question = replace(ROOM, needs={"a": Requirements(8.0), "c": Requirements(1.0)})
    busy = Capacity(1, 9, memory_gb=6, max_memory_gb=12)
    assert order([work(1, "a", minutes=59), work(2, "c")], busy, question) == [("w1", False), ("w2", True)]
    decisions = admit([work(1, "a", minutes=60), work(2, "c")], busy, question, NOW)
    assert [(each.work.id, each.start, each.code) for each in decisions] == [("w1", False, "memory"), ("w2", False, "kept")]
    assert "reserved for w1" in decisions[1].reason


@pytest.mark.parametrize(
    "capacity",
    [
        Capacity(0, 9, max_memory_gb=7),
        Capacity(1, 9, memory_gb=9, standing_gb=5, max_memory_gb=12),
        Capacity(0, 9, free_gb={"": 7.0}, most_gb={"": 7.5}),
    ],
)
def test_no_reservation_for_work_that_can_never_fit(capacity: Capacity) -> None:
    question = replace(ROOM, needs={"a": Requirements(8.0), "c": Requirements(1.0)})
    assert order([work(1, "a", minutes=600), work(2, "c")], capacity, question) == [("w1", False), ("w2", True)]


def test_full_runtime_is_reserved_and_other_runtimes_start_work() -> None:
    products = {"a": replace(PRODUCTS["a"], runtime="far"), "b": replace(PRODUCTS["b"], runtime="far"), "c": PRODUCTS["c"]}
    question = replace(ROOM, products=products, needs={"a": Requirements(8.0), "b": Requirements(1.0), "c": Requirements(1.0)})
    capacity = Capacity(3, 9, free_gb={"far": 2.0, "": 2.0}, most_gb={"far": 16.0, "": 16.0})
    decisions = admit([work(1, "a", minutes=60), work(2, "b"), work(3, "c")], capacity, question, NOW)
    assert {each.work.id: each.code for each in decisions} == {"w1": "machine", "w2": "kept", "w3": "admitted"}


def test_product_with_slots_yields_to_one_without() -> None:
    queue = [work(1, "b", minutes=9), work(2, "b", minutes=8), work(3, "c", minutes=1)]
    assert order(queue, Capacity(0, 2)) == [("w1", True), ("w3", True), ("w2", False)]
    assert order(queue, Capacity(1, 3), replace(ROOM, slots={"b": 1}))[0] == ("w3", True)


def test_model_choice_orders_work_and_changes_no_limit() -> None:
    queue = [work(1, "a"), work(2, "b"), work(3, "c")]
    chosen = replace(ROOM, first=("w3", "w9"), held={"c": Hold("paused", "c is paused")})
    assert order(queue, Capacity(0, 1), chosen) == [("w3", False), ("w1", True), ("w2", False)]


LOADS = st.tuples(
    st.sampled_from("abcx"),
    st.floats(0, 10_000),
    st.sampled_from([WorkState.QUEUED, WorkState.QUEUED, WorkState.WAITING]),
    st.sampled_from([None, 0.5, 2.0, 7.0]),
    st.floats(0.05, 6),
    st.sampled_from([0.0, 0.5, 3.0]),
)
CAPACITIES = st.builds(
    Capacity,
    running=st.integers(0, 5),
    max_sessions=st.integers(1, 6),
    memory_gb=st.floats(0, 14),
    max_memory_gb=st.sampled_from([None, 4.0, 12.0]),
    cpu_percent=st.floats(0, 100),
    max_cpu_percent=st.sampled_from([None, 60.0]),
    spent_usd=st.floats(0, 25),
    budget_usd=st.sampled_from([None, 20.0]),
    weight=st.floats(0, 10),
    max_weight=st.sampled_from([None, 8.0]),
    reserved_gb=st.floats(0, 5),
    free_gb=st.sampled_from([None, {"": 3.0}]),
    reserved_usd=st.floats(0, 5),
    frozen=st.sampled_from(["", "", "", "the brake is on"]),
)


@given(
    loads=st.lists(LOADS, max_size=30),
    capacity=CAPACITIES,
    spent=st.dictionaries(st.sampled_from("abc"), st.floats(0, 8)),
    held=st.dictionaries(
        st.sampled_from("abc"), st.sampled_from([Hold("paused", "paused"), Hold("gates", "held")]), max_size=2
    ),
)
def test_no_start_exceeds_a_limit(
    loads: Sequence[tuple[str, float, WorkState, float | None, float, float]],
    capacity: Capacity,
    spent: Mapping[str, float],
    held: Mapping[str, Hold],
) -> None:
    works = [work(number, load[0], load[1], state=load[2], weight=load[3]) for number, load in enumerate(loads, 1)]
    needs = {each.id: Requirements(load[4], load[5]) for each, load in zip(works, loads, strict=True)}
    purses = {name: Spend(usd, 5.0) for name, usd in spent.items()}
    decisions = admit(works, capacity, AdmissionInput(PRODUCTS, held, purses, needs, {}, {}), NOW)
    assert sorted(each.work.id for each in decisions) == sorted(each.id for each in works)
    assert all(each.reason and each.numbers for each in decisions)
    assert [each.position for each in decisions if not each.start] == list(
        range(1, sum(not each.start for each in decisions) + 1)
    )
    started = [each.work for each in decisions if each.start]
    fresh = [each for each in started if each.state is WorkState.QUEUED]
    if not started:
        return
    assert not capacity.frozen
    assert capacity.running + len(started) <= capacity.max_sessions
    assert all(each.product in PRODUCTS for each in started)
    assert not any(each.product in held for each in fresh)
    assert not any(held.get(each.product) == Hold("paused", "paused") for each in started)
    weight = sum(each.weight or PRODUCTS[each.product].resource_weight for each in started)
    assert capacity.max_weight is None or capacity.weight + weight <= capacity.max_weight + 1e-6
    memory = sum(needs[each.id].memory_gb for each in fresh)
    if fresh:
        used = capacity.memory_gb + capacity.reserved_gb + memory
        assert capacity.max_memory_gb is None or used <= capacity.max_memory_gb + 1e-6
        assert capacity.free_gb is None or memory <= capacity.free_gb[""] + 1e-6
        assert capacity.max_cpu_percent is None or capacity.cpu_percent < capacity.max_cpu_percent
    assert capacity.budget_usd is None or capacity.spent_usd < capacity.budget_usd
    by_product = Counter[str]()
    for each in fresh:
        by_product[each.product] += 1
        assert each.product not in purses or purses[each.product].spent < 5.0
    for name, pieces in by_product.items():
        dollars = [needs[each.id].usd for each in fresh if each.product == name]
        allowed = name not in purses or purses[name].spent + sum(dollars) <= 5.0 + 1e-6
        assert allowed or pieces == 1 or max(dollars) > 5.0


@given(ages=st.lists(st.floats(0, 5000), min_size=2, max_size=20), most=st.integers(1, 4))
def test_older_of_two_alike_starts_first(ages: list[float], most: int) -> None:
    works = [work(number, "c", minutes) for number, minutes in enumerate(ages, 1)]
    decisions = admit(works, Capacity(0, most), ROOM, NOW)
    started = [each.work.created_at for each in decisions if each.start]
    waiting = [each.work.created_at for each in decisions if not each.start]
    assert not waiting or max(started) <= min(waiting)
