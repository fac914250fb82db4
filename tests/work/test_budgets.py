"""Budgets. They warn at 80 %, pause at 100 % and resume after approval, despite crashes in between."""

from pathlib import Path
from typing import Any

import pytest

from bot.domain import GateKind, GateState, Person, Role, WorkState
from bot.domain.errors import EngineError
from bot.gates.decide import decide
from bot.work.capacity import capacity
from bot.work.pause import paused
from tests.bed import Bed

REGISTRY = """
products:
  - {name: product-a, path: /projects/product-a, budget: {per_day_usd: 10}}
  - {name: product-b, path: /projects/product-b}
budget: {per_day_usd: 20, per_work_usd: 8}
scheduling: {max_concurrent_sessions: 4}
"""


@pytest.fixture
async def bed(tmp_path: Path) -> Any:
    async with Bed(tmp_path, REGISTRY) as bed:
        yield bed


async def costs(bed: Bed, product: str, today: float, total: float | None = None) -> None:
    bed.engine.set_snapshot(product, cost_usd_today=today, cost_usd_total=today if total is None else total)
    await bed.settled()


async def works(bed: Bed, product: str = "product-a") -> str:
    await bed.say(f"/fleet spawn {product} do it")
    bed.coordinator(product)
    return bed.store.work.newest()[0].id


async def test_80_percent_of_a_limit_warns_once_a_day(bed: Bed) -> None:
    await works(bed)
    await works(bed)
    await costs(bed, "product-a", 7.9)
    assert not [post for post in bed.posts("report") if "%" in post.text]
    await costs(bed, "product-a", 8.5)
    await costs(bed, "product-a", 9.0)
    await bed.crash()
    bed.expect("**product-a** has spent $8.50 of $10.00 today, 85 %", kind="report")
    assert len([post for post in bed.posts("report") if "85 %" in post.text or "90 %" in post.text]) == 1
    assert not bed.engine.calls_of("pause")


async def test_100_percent_of_a_limit_pauses_and_raises_a_gate(bed: Bed) -> None:
    work = await works(bed)
    await works(bed)
    await costs(bed, "product-a", 10.2)
    assert [call.product for call in bed.engine.calls_of("pause")] == ["product-a"]
    assert not bed.engine.calls_of("stop")
    assert bed.work(work).state is WorkState.RUNNING
    gate = bed.open_gate()
    assert (gate.kind, gate.product, gate.title) == (GateKind.ACTION, "product-a", "Spend $3.00 more on product-a?")
    assert "has spent $10.20 of $10.00 today" in gate.body
    await bed.say("/fleet spawn product-a more")
    assert "its budget is spent" in bed.store.work.newest()[0].reason
    await bed.crash()
    assert len(bed.engine.calls_of("pause")) == 1
    decide(bed.fleet, gate.id, "approve", bed.person)
    await bed.settled()
    assert len(bed.engine.calls_of("resume")) == 1
    assert not paused(bed.fleet, "product-a")
    await costs(bed, "product-a", 13.1)
    assert not paused(bed.fleet, "product-a"), "the limit is the cost so far plus $3"
    await costs(bed, "product-a", 13.2)
    assert paused(bed.fleet, "product-a")
    assert bed.open_gate().title == "Spend $4.00 more on product-a?"


async def test_rejected_budget_gate_leaves_product_paused(bed: Bed) -> None:
    await works(bed)
    await costs(bed, "product-a", 10.0)
    decide(bed.fleet, bed.open_gate().id, "reject", bed.person)
    await bed.settled()
    await bed.jobs.tick()
    await bed.settled()
    assert paused(bed.fleet, "product-a")
    assert bed.store.gates.in_states(GateState.OPEN) == []


async def test_new_day_resumes_product_and_withdraws_gate(bed: Bed) -> None:
    await works(bed)
    await works(bed)
    await costs(bed, "product-a", 10.5)
    gate = bed.open_gate()
    bed.clock.forward(hours=12)
    bed.engine.set_snapshot("product-a", cost_usd_today=0.0, cost_usd_total=10.5)
    await bed.jobs.tick()
    await bed.settled()
    assert not paused(bed.fleet, "product-a")
    assert bed.fleet.gate(gate.id).state is GateState.WITHDRAWN


async def test_costs_of_yesterday_do_not_count_today(bed: Bed) -> None:
    await works(bed)
    await costs(bed, "product-a", 9.0)
    bed.clock.forward(hours=13)
    assert capacity(bed.fleet).spent_usd == 0.0


async def test_fleet_limit_pauses_all_products_and_one_approval_resumes_them(bed: Bed) -> None:
    await works(bed, "product-a")
    await works(bed, "product-b")
    await costs(bed, "product-a", 7.5)
    await costs(bed, "product-b", 12.6, total=0.1)
    assert sorted(call.product for call in bed.engine.calls_of("pause")) == ["product-a", "product-b"]
    gate = bed.open_gate()
    assert (gate.product, gate.title) == ("", "Spend $5.00 more on the fleet?")
    decide(bed.fleet, gate.id, "approve", bed.person)
    await bed.settled()
    assert not paused(bed.fleet, "product-a")
    assert not paused(bed.fleet, "product-b")


async def test_costs_of_the_fleets_agent_count_against_the_fleet_limit(bed: Bed) -> None:
    await works(bed, "product-b")
    await costs(bed, "product-b", 4.0)
    bed.store.turns.record("t1", "web:main", bed.clock(), 12.5, {})
    await bed.jobs.tick()
    await bed.settled()
    bed.expect("The fleet has spent $16.50 of $20.00 today, 82 %", kind="report")
    bed.store.turns.record("t2", "web:main", bed.clock(), 3.5, {})
    await bed.jobs.tick()
    await bed.settled()
    assert paused(bed.fleet, "product-b")
    assert bed.open_gate().title == "Spend $5.00 more on the fleet?"
    await bed.say("/fleet spawn product-a more")
    assert bed.store.work.newest()[0].reason == "the fleet has spent $20.00 of $20.00 today"


async def test_limit_of_one_piece_of_work_pauses_its_product(bed: Bed) -> None:
    work = await works(bed, "product-b")
    await costs(bed, "product-b", 3.0)
    await costs(bed, "product-b", 8.1)
    assert bed.work(work).cost_usd == 8.1
    assert bed.open_gate().title == f"Spend $2.00 more on {work}?"
    bed.clock.forward(hours=24)
    await bed.jobs.tick()
    await bed.settled()
    assert paused(bed.fleet, "product-b"), "a limit of one piece of work does not end with the day"
    await bed.say("/fleet resume product-b --spend 5")
    assert not paused(bed.fleet, "product-b")
    assert bed.store.gates.in_states(GateState.OPEN) == []


async def test_costs_are_shared_among_running_work(bed: Bed) -> None:
    first, second = await works(bed, "product-b"), await works(bed, "product-b")
    await costs(bed, "product-b", 3.0)
    assert (bed.work(first).cost_usd, bed.work(second).cost_usd) == (1.5, 1.5)


async def test_spending_more_requires_an_approver(bed: Bed) -> None:
    await works(bed)
    await costs(bed, "product-a", 10.0)
    (post,) = await bed.say("/fleet resume product-a")
    assert "has spent $10.00 of $10.00 today" in post.text
    assert "--spend 5" in post.text
    bed.person = Person("olga", Role.OPERATOR)
    (post,) = await bed.say("/fleet resume product-a --spend 5")
    assert "needs the role approver" in post.text
    assert paused(bed.fleet, "product-a")


async def test_unreachable_engine_is_paused_later_and_starts_nothing(bed: Bed) -> None:
    await works(bed)
    bed.engine.fail("pause", EngineError("The folder is locked.", code="locked"))
    bed.engine.set_snapshot("product-a", cost_usd_today=10.0, cost_usd_total=10.0)
    await bed.settled()
    await bed.say("/fleet spawn product-a more")
    assert bed.store.work.newest()[0].state is WorkState.QUEUED
    bed.jobs.loop.retry_now()
    await bed.settled()
    assert len(bed.engine.calls_of("pause")) == 2
    assert bed.open_gate().kind is GateKind.ACTION


async def test_budget_applies_right_after_a_start(bed: Bed) -> None:
    await costs(bed, "product-a", 10.0)
    await bed.kill()
    bed.engine.listener = None
    bed.engine.set_snapshot("product-a", cost_usd_today=0.0, trouble=None)
    await bed.start()
    await bed.say("/fleet spawn product-a more")
    assert bed.work("w1").reason == "product-a has spent $10.00 of $10.00 today"


async def test_estimate_above_a_limit_is_refused(bed: Bed) -> None:
    (post,) = await bed.say("/fleet spawn product-a --estimate 9 do it")
    assert "The estimate of $9.00 is above the limit of $8.00" in post.text
    assert bed.store.work.newest() == []
    await costs(bed, "product-a", 4.0)
    await bed.say("/fleet spawn product-a --estimate 7 do it")
    assert "$6.00 of $10.00 left today for product-a, and it is expected to cost $7.00" in bed.work("w1").reason
