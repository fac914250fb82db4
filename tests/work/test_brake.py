"""The brake. It halts everything that can be reached, and its release restores the state before."""

from pathlib import Path
from typing import Any

import pytest

from bot.domain import GateKind, Person, Role, WorkState
from bot.gates.decide import decide
from tests.bed import Bed
from tests.skills.speaking import commands, data, run

REGISTRY = """
products:
  - {name: product-a, path: /projects/product-a}
  - {name: product-b, path: /projects/product-b}
  - {name: product-c, path: /projects/product-c}
scheduling: {max_concurrent_sessions: 4}
"""


@pytest.fixture
async def bed(tmp_path: Path) -> Any:
    async with Bed(tmp_path, REGISTRY) as bed:
        yield bed


def paused(bed: Bed) -> list[str]:
    return sorted(name for name in bed.fleet.products if bed.engine.box(name).snapshot.paused)


async def test_brake_shows_running_work_before_it_is_pulled(bed: Bed) -> None:
    await bed.say("/fleet spawn product-a fix it")
    (post,) = await bed.say("/fleet brake")
    assert "**product-a**: coordinator (coordinator, working)" in post.text
    assert "`w1` of **product-a** “fix it”" in post.text
    assert "Each agent's in-flight response is lost and retried" in post.text
    assert "Nothing was changed." in post.text
    assert commands(post) == ["/fleet brake --yes"]
    assert paused(bed) == []


async def test_brake_halts_everything_and_release_resumes_it(bed: Bed) -> None:
    await bed.say("/fleet spawn product-a one")
    await bed.say("/fleet spawn product-b two")
    (post,) = await bed.say("/fleet brake --yes")
    assert "product-a and product-b halted. No work starts" in post.text
    assert paused(bed) == ["product-a", "product-b"]
    await bed.say("/fleet spawn product-c three")
    assert bed.work("w3").state is WorkState.QUEUED
    assert "the brake is on (ana, 01 Mar 12:00 UTC); /fleet brake --release" in bed.work("w3").reason
    (post,) = await bed.say("/fleet status")
    assert "⚠ the brake is on (ana, 01 Mar 12:00 UTC); /fleet brake --release" in post.text
    bed.engine.set_snapshot("product-a", paused=True)
    (post,) = await bed.say("/fleet why product-a")
    assert "Nothing starts on **product-a**: the brake is on" in post.text
    (post,) = await bed.say("/fleet resume product-a")
    assert "the brake is on" in post.text
    await bed.crash()
    assert paused(bed) == ["product-a", "product-b"]
    (post,) = await bed.say("/fleet brake --release")
    assert "product-a and product-b resume as capacity permits" in post.text
    assert paused(bed) == []
    assert {work.state for work in bed.store.work.newest()} == {WorkState.RUNNING}


async def test_brake_on_one_product_leaves_others_running(bed: Bed) -> None:
    await bed.say("/fleet spawn product-a one")
    await bed.say("/fleet spawn product-b two")
    await bed.say("/fleet brake product-b --yes")
    await bed.say("/fleet spawn product-b three")
    await bed.say("/fleet spawn product-a four")
    assert paused(bed) == ["product-b"]
    assert "the brake is on" in bed.work("w3").reason
    assert bed.work("w4").state is WorkState.RUNNING
    (post,) = await bed.say("/fleet brake --release")
    assert "There is no brake on the fleet. It is on: product-b." in post.text
    await bed.say("/fleet brake product-b --release")
    assert paused(bed) == []
    assert bed.work("w3").state is WorkState.RUNNING


async def test_release_keeps_products_paused_that_a_person_paused(bed: Bed) -> None:
    await bed.say("/fleet spawn product-a one")
    await bed.say("/fleet pause product-a")
    await bed.say("/fleet spawn product-b two")
    await bed.say("/fleet brake --yes")
    await bed.say("/fleet brake --release")
    assert paused(bed) == ["product-a"]
    assert [call.product for call in bed.engine.calls_of("resume")] == ["product-b"]


async def test_unreachable_runtime_is_halted_when_it_returns(bed: Bed) -> None:
    await bed.say("/fleet spawn product-a one")
    bed.engine.go_down("the container is gone")
    (post,) = await bed.say("/fleet brake --yes")
    assert "Not reached yet: product-a." in post.text
    bed.engine.come_up()
    await bed.settled()
    assert paused(bed) == ["product-a"]


async def test_brake_stops_admitted_work_from_starting(bed: Bed) -> None:
    bed.engine.go_down("the container is gone")
    bed.fleet.down.clear()
    await bed.say("/fleet spawn product-a one")
    bed.fleet.save_work(bed.work("w1"), state=WorkState.STARTING)
    await bed.say("/fleet brake --yes")
    bed.engine.come_up()
    await bed.settled()
    assert not bed.engine.calls_of("send", "product-a")
    await bed.say("/fleet brake --release")
    await bed.settled()
    assert len(bed.engine.calls_of("send", "product-a")) == 1


async def test_fleet_brake_requires_rights_on_all_products(bed: Bed) -> None:
    bed.person = Person("ben", Role.OPERATOR, products=("product-a",))
    (post,) = await bed.say("/fleet brake --yes")
    assert "requires access to all products" in post.text
    (post,) = await bed.say("/fleet brake product-a --yes")
    assert "The brake is on for **product-a**" in post.text
    bed.person = Person("vic", Role.VIEWER)
    (post,) = await bed.say("/fleet brake product-a --release")
    assert "needs the role operator" in post.text


async def test_brake_by_the_model_needs_approval(bed: Bed) -> None:
    await bed.say("/fleet spawn product-a one")
    result = await run(bed, "brake", by_model=True)
    assert data(result)["done"] is False
    gate = bed.open_gate()
    assert (gate.kind, gate.product) == (GateKind.ACTION, "")
    assert "coordinator (coordinator, working)" in gate.body
    decide(bed.fleet, gate.id, "approve", bed.person)
    await bed.settled()
    assert paused(bed) == ["product-a"]
