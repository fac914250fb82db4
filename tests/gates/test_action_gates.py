"""Action gates of the model's requests. A person decides, and the action runs once with the rights of its requester."""

from dataclasses import replace
from pathlib import Path

import pytest

from bot.domain import GateKind, GateState, Person, Role, WorkState
from bot.domain.errors import EngineError
from bot.work.pause import paused
from tests.bed import REGISTRY, Bed
from tests.skills.speaking import run

PEOPLE = """
people:
  - {name: ana, role: admin, web: token}
  - {name: oli, role: operator, slack: U01OLI}
  - {name: vic, role: viewer, slack: U01VIC}
"""


async def working(bed: Bed) -> None:
    await bed.say("/fleet spawn product-a fix it")
    await bed.settled()


@pytest.mark.parametrize("line", ["stop product-a", "stop product-a --yes", "pause product-a", "pause product-a --park"])
async def test_approved_action_of_the_model_runs(tmp_path: Path, line: str) -> None:
    async with Bed(tmp_path) as bed:
        await working(bed)
        result = await run(bed, line, by_model=True)
        gate = bed.open_gate()
        assert (gate.kind, gate.options, gate.product) == (GateKind.ACTION, ("approve", "reject"), "product-a")
        assert "Nothing has been done yet" in result.text
        assert "coordinator" in gate.body
        assert bed.engine.calls_of(line.split()[0]) == []
        await bed.say(f"/fleet approve-plan {gate.id}")
        assert bed.fleet.gate(gate.id).state is GateState.DELIVERED
        assert len(bed.engine.calls_of("stop") + bed.engine.calls_of("pause")) == 1
        assert bed.expect("product-a", kind="reply")


@pytest.mark.parametrize("line", ["stop product-a", "pause product-a"])
async def test_action_needs_approval_if_running_sessions_are_unknown(tmp_path: Path, line: str) -> None:
    async with Bed(tmp_path) as bed:
        await working(bed)
        bed.fleet.snapshots.clear()
        await run(bed, line, by_model=True)
        assert "not known now" in bed.open_gate().body
        assert bed.engine.calls_of(line.split()[0]) == []


async def test_repeated_call_waits_for_its_gate(tmp_path: Path) -> None:
    async with Bed(tmp_path) as bed:
        await working(bed)
        await run(bed, "stop product-a", by_model=True)
        bed.engine.set_sessions("product-a")
        bed.store.work.save(replace(bed.work("w1"), state=WorkState.DONE))
        await run(bed, "stop product-a", by_model=True)
        assert bed.engine.calls_of("stop") == []
        await bed.say("/fleet approve-plan g1 reject no")
        assert "Rejected by ana" in (await run(bed, "stop product-a", by_model=True)).text
        assert bed.engine.calls_of("stop") == []


async def test_approved_stop_does_not_withdraw_its_own_gate(tmp_path: Path) -> None:
    async with Bed(tmp_path) as bed:
        await working(bed)
        await run(bed, "stop product-a", by_model=True)
        await bed.say("/fleet approve-plan g1")
        assert not any("withdrawn" in row["detail"] for row in bed.store.audit.about("g1"))


async def test_rejected_action_is_reported_and_not_run(tmp_path: Path) -> None:
    async with Bed(tmp_path) as bed:
        await working(bed)
        await run(bed, "stop product-a", by_model=True)
        await bed.say("/fleet approve-plan g1 reject it is nearly done")
        assert bed.work("w1").state is WorkState.RUNNING
        assert bed.expect("was not run", "ana rejected it: it is nearly done")


async def test_asking_again_after_a_crash_returns_the_same_gate(tmp_path: Path) -> None:
    async with Bed(tmp_path) as bed:
        await working(bed)
        await run(bed, "stop product-a", by_model=True, request="turn:1")
        await bed.crash()
        bed.coordinator("product-a")
        await run(bed, "stop product-a", by_model=True, request="turn:1")
        assert bed.open_gate().id == "g1"


async def test_harmless_action_needs_no_approval(tmp_path: Path) -> None:
    async with Bed(tmp_path) as bed:
        await run(bed, "pause product-b", by_model=True)
        assert bed.store.gates.in_states() == []
        assert paused(bed.fleet, "product-b")


async def test_action_is_approved_by_the_role_it_requires(tmp_path: Path) -> None:
    async with Bed(tmp_path, REGISTRY + PEOPLE) as bed:
        await working(bed)
        bed.person = Person("oli", Role.OPERATOR, ids={"slack": "U01OLI"})
        await run(bed, "stop product-a", by_model=True)
        bed.person = Person("vic", Role.VIEWER, ids={"slack": "U01VIC"})
        (post,) = await bed.say("/fleet approve-plan g1")
        assert "needs the role operator" in post.text
        bed.person = Person("oli", Role.OPERATOR, ids={"slack": "U01OLI"})
        await bed.say("/fleet approve-plan g1")
        assert bed.work("w1").state is WorkState.CANCELLED


async def test_approved_action_runs_with_current_rights(tmp_path: Path) -> None:
    text = REGISTRY + PEOPLE
    async with Bed(tmp_path, text) as bed:
        await working(bed)
        bed.person = Person("oli", Role.OPERATOR)
        await run(bed, "stop product-a", by_model=True)
        bed.file.write_text(text.replace("role: operator", "role: viewer"))
        assert bed.registry.reload()
        bed.person = Person("ana", Role.ADMIN)
        await bed.say("/fleet approve-plan g1")
        assert bed.expect("was refused", "oli is viewer")
        assert bed.work("w1").state is WorkState.RUNNING


async def test_approved_action_runs_once_despite_a_crash(tmp_path: Path) -> None:
    async with Bed(tmp_path) as bed:
        await working(bed)
        await run(bed, "pause product-a", by_model=True)
        bed.engine.fail("pause", EngineError("Not now.", code="unreachable"), times=1)
        await bed.say("/fleet approve-plan g1")
        assert bed.fleet.gate("g1").state is GateState.DECIDED
        await bed.crash()
        assert bed.fleet.gate("g1").state is GateState.DELIVERED
        assert paused(bed.fleet, "product-a")
        assert len([post for post in bed.posts("reply") if "is paused" in post.text]) == 1
