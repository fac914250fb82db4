"""A person's use of a fleet on real Docker, from the first status to an approved plan, including interruptions."""

import json
import re
from collections import Counter

from tests.e2e.bed import RUNTIME, run, until
from tests.e2e.fleets import Fleet

PRODUCTS = ["product-a", "product-b", "product-c", "product-d"]


def test_page_and_gateway_answer(fleet: Fleet) -> None:
    for port in ("FLEET_WEB_PORT", "FLEET_GATEWAY_PORT"):
        assert fleet.request("GET", "/healthz", port=port).status == 200
        page = fleet.request("GET", "/", port=port)
        assert page.status == 200
        assert "<!doctype html>" in page.body.lower()


def test_engine_in_the_container_is_reachable(fleet: Fleet) -> None:
    assert "rehearsal" in fleet.get("/readyz")["parts"]["engine"]["why"]
    products = {each["name"]: each for each in fleet.get("/api/status")["products"]}
    assert sorted(products) == PRODUCTS
    assert [each["problem"] for each in products.values() if each["problem"]] == []


def test_status_lists_every_product_in_one_answer(fleet: Fleet) -> None:
    said = fleet.say("/fleet status", "status")
    assert [name for name in PRODUCTS if name not in said] == []


def test_status_in_plain_words_is_one_aggregated_answer(fleet: Fleet) -> None:
    said = fleet.say("check status of all products", "words")
    assert said.startswith("Here is the fleet.")
    assert [name for name in PRODUCTS if name not in said] == []


def test_scout_is_spawned_and_reports(fleet: Fleet) -> None:
    assert "The scout is on its way" in fleet.say("run a scout on product-a", "scout")
    assert fleet.finished("product-a")["state"] == "done"
    reports = until(lambda: [each for each in fleet.posts("scout") if each["kind"] == "report"], "the scout's report")
    assert len(reports) == 1
    assert "hours" in reports[0]["text"], "the scout reports on the product's real files"


def test_plan_is_revised_and_approved(fleet: Fleet) -> None:
    fleet.say("/fleet spawn product-b [complex] price quotes by table", "plan")
    first = fleet.gate("product-b")
    assert first["kind"] == "plan"
    assert fleet.decide(first, "changes", "keep the old prices working").status == 200
    second = fleet.gate("product-b", revision=2)
    assert second["body"] != first["body"]
    late = fleet.decide(first, "approve")
    assert late.status == 409, "revision 1 has been replaced"
    assert fleet.decide(second, "approve").status == 200
    assert fleet.finished("product-b")["state"] == "done"
    assert fleet.gates("product-b") == []


def test_kill_between_any_two_steps_loses_and_repeats_nothing(fleet: Fleet) -> None:
    fleet.say("/fleet spawn product-c [complex] a page about cold brew", "killed")
    fleet.restart()
    first = fleet.gate("product-c", seconds=60)
    fleet.restart()
    assert fleet.gate("product-c")["id"] == first["id"]
    assert fleet.decide(first, "changes", "shorter").status == 200
    fleet.restart()
    second = fleet.gate("product-c", revision=2, seconds=60)
    assert fleet.decide(second, "approve").status == 200
    fleet.restart()
    assert fleet.finished("product-c")["state"] == "done"
    fleet.restart()

    assert [each["revision"] for each in fleet.gates("product-c", state="all")] == [1, 2]
    assert len(fleet.work("product-c")) == 1
    posts = fleet.posts("killed")
    assert Counter(each["kind"] for each in posts if each["kind"] != "report") == {
        "message": 1,
        "reply": 1,
        "gate": 2,
        "outcome": 2,
    }
    told = [each["text"] for each in posts]
    assert len(told) == len(set(told)), told
    assert len([each for each in told if "rehearsal is complete" in each]) == 1, told


def test_products_beyond_capacity_are_queued(fleet: Fleet) -> None:
    for name in PRODUCTS:
        fleet.say(f"/fleet spawn {name} tidy up", "queue")
    waiting = [each for name in PRODUCTS for each in fleet.work(name)[:1] if each["state"] == "queued"]
    assert waiting
    assert all(each["reason"] for each in waiting), "each states its reason"
    for name in PRODUCTS:
        assert fleet.finished(name, seconds=90)["state"] == "done"


def test_restarted_runtime_is_reported_and_its_work_recovered(fleet: Fleet) -> None:
    run(["docker", "stop", "--time", "5", RUNTIME])
    until(lambda: not fleet.ready(), "the fleet to notice")
    assert "reach" in fleet.say("/fleet status", "restart").lower()
    run(["docker", "start", RUNTIME])
    until(fleet.ready, "the fleet to be ready again", 60)
    until(lambda: fleet.product("product-d")["problem"] is None, "product-d to be reachable again")
    fleet.say("/fleet spawn product-d answer the oldest request", "restart")
    assert fleet.finished("product-d")["state"] == "done"


def test_work_of_a_killed_runtime_is_recovered(fleet: Fleet) -> None:
    fleet.say("/fleet spawn product-a [complex] count in minutes", "crash")
    gate = fleet.gate("product-a")
    run(["docker", "kill", RUNTIME])
    until(lambda: not fleet.ready(), "the fleet to notice")
    run(["docker", "start", RUNTIME])
    until(fleet.ready, "the fleet to be ready again", 60)
    assert fleet.gate("product-a")["id"] == gate["id"]
    assert fleet.decide(gate, "approve").status == 200
    assert fleet.finished("product-a")["state"] == "done"


def test_registry_edits_are_picked_up_unless_broken(fleet: Fleet) -> None:
    good = fleet.registry.read_text()
    try:
        replace(fleet, good.replace("priority: high", "priority: low"))
        until(lambda: fleet.product("product-a")["priority"] == "low", "the edit to be loaded")
        replace(fleet, good.replace("max_concurrent_sessions", "max_concurent_sessions"))
        until(lambda: "problem" in fleet.get("/readyz")["parts"]["registry"]["why"], "the mistake to be reported")
        assert fleet.product("product-a")["priority"] == "low", "the last valid registry stays"
    finally:
        replace(fleet, good)
    until(lambda: fleet.product("product-a")["priority"] == "high", "the valid registry to be loaded")


def replace(fleet: Fleet, text: str) -> None:
    """Save as most editors do, with a new file in place of the old one."""
    draft = fleet.registry.with_suffix(".new")
    draft.write_text(text)
    draft.replace(fleet.registry)


def test_terminal_commands_use_the_running_fleet(fleet: Fleet) -> None:
    told = json.loads(fleet.command("status", "--json"))
    assert sorted(each["name"] for each in told["products"]) == PRODUCTS
    assert re.search(r"product-a\b", fleet.command("status"))
