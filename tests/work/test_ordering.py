"""Order of the queue, by rank and by a person's manual moves."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bot.domain import Product, Work, WorkState
from bot.work.ordering import Line, moved, rank

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PRODUCTS = {"a": Product("a", "/a", priority="high"), "b": Product("b", "/b"), "c": Product("c", "/c", priority="low")}


def work(number: int, product: str = "b", minutes: float = 0, **terms: Any) -> Work:
    asked = NOW - timedelta(minutes=minutes)
    return Work(f"w{number}", product, "do it", WorkState.QUEUED, asked, asked, **terms)


def ids(queue: list[Work], **how: Any) -> list[str]:
    return [each.id for each in Line(queue, PRODUCTS, how.get("places", {}), NOW, how.get("first", ())).rest()]


def test_priority_of_work_overrides_its_products() -> None:
    assert ids([work(1, "a"), work(2, "c", priority="critical")]) == ["w2", "w1"]


def test_near_deadline_raises_rank() -> None:
    far, near = NOW + timedelta(hours=24), NOW + timedelta(hours=1)
    assert ids([work(1), work(2, deadline=far), work(3, deadline=near)]) == ["w3", "w1", "w2"]
    assert rank(work(1, deadline=NOW - timedelta(days=1)), PRODUCTS["b"], NOW) == rank(work(1), PRODUCTS["b"], NOW) + 3


def test_clock_set_back_lowers_no_rank() -> None:
    assert rank(work(1, minutes=-600), PRODUCTS["b"], NOW) == rank(work(1), PRODUCTS["b"], NOW)


def test_lowest_priority_is_overtaken_for_ninety_minutes_at_most() -> None:
    old, new = work(1, "c", minutes=91), work(2, "b", priority="critical")
    assert ids([new, old]) == ["w1", "w2"]


@given(
    ages=st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 600)), min_size=2, max_size=12),
    pick=st.integers(0, 11),
    to=st.integers(0, 12),
    places=st.dictionaries(st.sampled_from("abc"), st.integers(0, 3)),
)
def test_moved_work_keeps_its_position(ages: list[tuple[str, float]], pick: int, to: int, places: dict[str, int]) -> None:
    queue = [work(number, product, minutes) for number, (product, minutes) in enumerate(ages, 1)]
    line = Line(queue, PRODUCTS, places, NOW)
    order = [each for _, each in line.ranked()]
    chosen = order[pick % len(order)]
    others = [each for each in order if each.id != chosen.id]
    before = others[to] if to < len(others) else None
    boost = moved(chosen, before, line, PRODUCTS[chosen.product], NOW)
    after = Line([replace(each, boost=boost) if each is chosen else each for each in queue], PRODUCTS, places, NOW)
    scores = {each.id: score for score, each in after.ranked()}
    place = list(scores).index(chosen.id)
    if before is None:
        assert place == len(scores) - 1
    else:
        follows = list(scores)[place + 1]
        assert follows == before.id or abs(scores[follows] - scores[before.id]) < 1e-8, (
            "work moved among equals is before all of them"
        )
