"""Figures in `docs/operate.md` and `docs/scheduling.md` that come from the code."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path

import pytest

from bot.domain import PRIORITY_STEPS, Product, Work, WorkState
from bot.jobs import model_choice
from bot.registry.schema import ResourceBudget, Scheduling
from bot.supervisor.product import ROUND
from bot.work import budgets, estimates, ordering, retry, schedules
from bot.work.admission import DEFAULT_MEMORY_GB, NOTHING, PATIENCE, Admission, Capacity, Requirements, admit
from bot.work.estimates import REHEARSED_GB
from bot.work.slots import REPLY_WITHIN

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
DOCS = Path(__file__).parents[2] / "docs"
SCHEDULING = " ".join((DOCS / "scheduling.md").read_text().split())
CAPACITY = (DOCS / "operate.md").read_text().partition("## Capacity\n")[2].partition("\n## ")[0]


def section(title: str) -> str:
    return CAPACITY.partition(f"### {title}\n")[2].partition("\n### ")[0]


def figure(name: str, text: str) -> float:
    """Return the value of a key in one of the example registries."""
    found = re.search(rf"\b{name}: ([\d.]+)", text)
    assert found, name
    return float(found[1])


def decided(capacity: Capacity, gb: float, products: dict[str, str | None], pieces: int = 60) -> list[Admission]:
    """Return the admissions for that many pieces of work on each product, given the products' runtimes."""
    known = {name: Product(name, f"/{name}", runtime=runtime) for name, runtime in products.items()}
    names = chain.from_iterable([name] * pieces for name in known)
    queue = [Work(f"w{number}", name, "", WorkState.QUEUED, NOW, NOW) for number, name in enumerate(names, 1)]
    return admit(queue, capacity, replace(NOTHING, products=known, needs={name: Requirements(gb) for name in known}), NOW)


def started(made: list[Admission], product: str = "a") -> int:
    return sum(each.start and each.work.product == product for each in made)


def test_expected_use_matches_the_estimates() -> None:
    text = section("Expected use")
    defaults = ResourceBudget()
    assert defaults.session_memory_gb == DEFAULT_MEMORY_GB
    assert f"`session_memory_gb`, {defaults.session_memory_gb:g} GB; {REHEARSED_GB:g} in the rehearsal" in text
    assert "before three runs" in text
    assert estimates.ENOUGH == 3
    assert text.count(f"last {estimates.RUNS} runs") == 3


def test_default_limits_match_the_schema() -> None:
    said = dict(re.findall(r"^\| `(\w+)` \|[^|]*\| (\S+) \|", section("One machine"), re.MULTILINE))
    budget, scheduling = ResourceBudget(), Scheduling()
    assert said == {
        "max_memory_gb": f"{budget.max_memory_gb:g}",
        "max_concurrent_sessions": f"{scheduling.max_concurrent_sessions}",
        "max_cpu_percent": f"{budget.max_cpu_percent:g}",
        "max_weight": "none",
        "budget": "none",
    }
    assert budget.max_weight is None


def test_capacity_table_matches_admission() -> None:
    rows = re.findall(r"^\| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", section("One machine"), re.MULTILINE)
    assert len(rows) == 3
    for most, *said in rows:
        capacity = Capacity(0, 1000, max_memory_gb=float(most))
        assert [started(decided(capacity, gb, {"a": None})) for gb in (1.2, 2.0, 3.0)] == [int(each) for each in said]


def test_office_example_fits_running_and_waiting_work() -> None:
    text = section("One machine")
    places, most = int(figure("max_concurrent_sessions", text)), figure("max_memory_gb", text)
    running, waiting = 110 * 17 / 480, 110 / 8 / 3 * 1.25
    assert (f"= {running:.1f} run" in text, f"= {waiting:.1f} wait" in text) == (True, True)
    assert places == pytest.approx(1.5 * running, abs=0.5)
    capacity = Capacity(0, places, memory_gb=6 * 1.4, standing_gb=6 * 1.4, max_memory_gb=most)
    assert started(decided(capacity, 1.4, {"a": None})) == places


def test_two_machine_example_matches_admission() -> None:
    text = section("Several machines")
    most, has = figure("max_memory_gb", text), {"main": 24.0, "": 24.0, "mini": 12.0}
    made = decided(Capacity(0, 1000, max_memory_gb=most, free_gb=has, most_gb=has), 2.0, {"a": None, "site": "mini"})
    assert f"{started(made)} pieces of 2 GB fit on `main` and {started(made, 'site')} on `mini`" in " ".join(text.split())
    alone = decided(Capacity(0, 1000, max_memory_gb=most, free_gb=has, most_gb=has), 2.0, {"site": "mini"})
    reason = next(each.reason for each in alone if not each.start)
    assert reason.startswith("2.0 GB short of memory on its runtime's machine")
    assert "2.0 GB short of memory on its runtime's machine" in " ".join(text.split())


def test_overspend_example_matches_the_polling_interval() -> None:
    text = " ".join(section("Spending limits").split())
    assert ROUND == 2.0
    assert "every two seconds while anything runs" in text
    assert f"Eight agents at $0.05 a minute each spend {8 * 0.05 / 60 * ROUND * 100:.1f} cents in two seconds" in text


def test_ordering_steps_match_the_code() -> None:
    (first, most), *others = PRIORITY_STEPS.items()
    steps = ", ".join([f"`{first}` is {most:g}", *(f"`{name}` {step:g}" for name, step in others)])
    assert f"Rank is counted in steps: {steps}." in SCHEDULING
    assert ordering.MINUTES_PER_STEP == 30
    assert "Every thirty minutes of waiting add one step" in SCHEDULING
    assert (PRIORITY_STEPS["critical"] - PRIORITY_STEPS["low"]) * ordering.MINUTES_PER_STEP == 90
    assert "after an hour and a half, low-priority work overtakes new critical work" in SCHEDULING
    assert (3, timedelta(hours=12), 1) == (ordering.MOST_URGENT, ordering.URGENT, ordering.CROWD)
    assert "up to three steps during its last twelve hours" in SCHEDULING
    assert "Each slot the product already uses subtracts one step" in SCHEDULING


def test_waiting_times_match_the_code() -> None:
    assert f"no answer within {model_choice.PATIENCE:g} seconds" in SCHEDULING
    assert timedelta(hours=1) == PATIENCE
    assert "After the heavy work has waited for an hour, freed capacity is reserved for it" in SCHEDULING
    *pauses, last = (f"{retry.pause_before(attempt).total_seconds() / 60:g}" for attempt in (1, 2, 3))
    assert f"starts again after {', '.join(pauses)} and {last} minutes" in SCHEDULING
    assert timedelta(minutes=10) == REPLY_WITHIN
    assert "until it has replied, for at most ten minutes" in SCHEDULING
    assert retry.COOLING.first == 30 * 60
    assert "nothing starts on the product for half an hour" in SCHEDULING
    assert f"At {budgets.WARN_AT:.0%} people are notified once".replace("%", " %") in SCHEDULING
    assert (timedelta(minutes=5), 3) == (schedules.GRACE, schedules.FAILURES)
    assert "A run up to five minutes late counts as on time" in SCHEDULING
    assert "After three failed runs in a row" in SCHEDULING
