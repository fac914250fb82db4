"""A fleet process over the rehearsal engine, started on a store that version 0.1.0 wrote."""

import shutil
from collections.abc import Iterator

import pytest

from tests.process import Process
from tests.store.test_release_0_1_0 import REGISTRY, restore


@pytest.fixture(scope="module")
def upgraded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """Start today's fleet on the store of 0.1.0, with a repository for each of its eight products."""
    with Process(tmp_path_factory.mktemp("upgrade")) as fleet:
        projects = fleet.products.parent / "test-products"
        for letter in "efgh":
            shutil.copytree(projects / "product-a", projects / f"product-{letter}")
        fleet.products.write_text(REGISTRY.replace("/projects/", f"{projects}/"))
        restore(fleet.state / "fleet.db")
        fleet.start()
        yield fleet


def said(fleet: Process, command: str) -> str:
    """Return the replies to a command as one text."""
    return "\n".join(reply["text"] for reply in fleet.say(command, "upgrade"))


def test_upgraded_fleet_is_ready_and_shows_every_product(upgraded: Process) -> None:
    upgraded.until(lambda: upgraded.ask("GET", "/readyz")["ready"], "the fleet is ready")
    products = {each["name"]: each for each in upgraded.ask("GET", "/api/status")["products"]}
    assert sorted(products) == [f"product-{letter}" for letter in "abcdefgh"]
    assert [each["problem"] for each in products.values() if each["problem"]] == []
    assert products["product-d"]["state"] == "waiting"
    assert products["product-a"]["priority"] == "critical"
    assert [name for name in products if name not in said(upgraded, "/fleet status")] == []


def test_brake_of_0_1_0_still_holds(upgraded: Process) -> None:
    def state() -> str:
        products = {each["name"]: each["state"] for each in upgraded.ask("GET", "/api/status")["products"]}
        return str(products["product-f"])

    upgraded.until(lambda: state() == "paused", "product-f is paused")


def test_upgraded_fleet_keeps_work_conversations_and_schedules(upgraded: Process) -> None:
    objectives = {work["id"]: work["objective"] for work in upgraded.work()}
    assert (len(objectives), objectives["w6"]) == (14, "fix the flaky build")
    conversations = {each["id"]: each["title"] for each in upgraded.ask("GET", "/api/conversations")["conversations"]}
    assert conversations["main"] == "how are things?"
    assert upgraded.posts()[0]["text"] == "how are things?"
    schedules = said(upgraded, "/fleet schedule")
    assert "nightly" in schedules and "weekly-report" in schedules


def test_upgraded_fleet_starts_the_queued_work(upgraded: Process) -> None:
    def states() -> set[str]:
        return {work["state"] for work in upgraded.work() if work["id"] in {"w12", "w13", "w14"}}

    upgraded.until(lambda: states() == {"done"}, "the work that was starting is done")


def test_gate_opened_by_0_1_0_is_decided_and_carried_out(upgraded: Process) -> None:
    assert {"g3", "g6", "g9", "g10"} <= {gate["id"] for gate in upgraded.gates()}
    shown = upgraded.ask("GET", "/api/gates/g10")
    assert (shown["kind"], shown["product"]) == ("action", "product-a")
    upgraded.ask("POST", "/api/gates/g10/decision", {"choice": "approve", "note": "", "revision": shown["revision"]})
    upgraded.until(lambda: upgraded.ask("GET", "/api/gates/g10")["state"] == "delivered", "product-a is stopped")
    assert "Approved by ana" in upgraded.ask("GET", "/api/gates/g10")["outcome"]
    assert {work["state"] for work in upgraded.work() if work["id"] == "w2"} == {"cancelled"}


def test_audit_journal_verifies_after_the_upgrade(upgraded: Process) -> None:
    assert "is intact" in said(upgraded, "/fleet audit --verify")
