"""Queueing on real Docker. Two products run, and a third is queued and starts when a slot is free."""

from datetime import datetime
from typing import Any

from playwright.sync_api import expect

from tests.e2e.bed import until
from tests.e2e.fleets import Fleet
from tests.e2e.tabs import Tab

AT_ONCE = 1.0
"""Maximum seconds from a free slot to the decision that assigns it, as recorded by the fleet."""


def test_third_start_is_queued_and_starts_when_a_slot_is_free(fleet: Fleet) -> None:
    assert "max_concurrent_sessions: 2" in fleet.registry.read_text()
    for product in ("product-a", "product-b"):
        fleet.say(f"/fleet spawn {product} [stall] tidy up the README", "places")
    fleet.say("/fleet spawn product-c tidy up the README", "places")
    first, third = fleet.work("product-a")[0], fleet.work("product-c")[0]
    assert (third["state"], third["reason"]) == ("queued", "waits for a slot (2 of 2 in use)")
    said = fleet.say(f"/fleet why {third['id']}", "places")
    assert "waits for a slot (2 of 2 in use); 1st in the queue by priority, age and weight" in said

    until(lambda: fleet.work("product-a")[0]["state"] == "running", "the first to run", 60)
    fleet.say("/fleet stop product-a --yes", "places")
    ended = next(each for each in fleet.work("product-a") if each["id"] == first["id"])
    assert ended["state"] == "cancelled"
    started = until(lambda: _let_start(fleet, third["id"]), "the third to start by itself", 30) or {}
    waited = datetime.fromisoformat(started["at"]) - datetime.fromisoformat(ended["ended_at"])
    assert waited.total_seconds() < AT_ONCE, (ended, started)
    assert started["numbers"]["slots"] == [2, 2]
    assert fleet.finished("product-c", seconds=90)["state"] == "done"
    fleet.say("/fleet stop product-b --yes", "places")


def test_brake_halts_and_releases_agents_in_the_container(fleet: Fleet) -> None:
    fleet.say("/fleet spawn product-a [stall] tidy up again", "brake")
    until(lambda: fleet.product("product-a")["sessions"], "product-a to run", 60)
    assert "The brake is on for the fleet" in fleet.say("/fleet brake --yes", "brake")
    until(lambda: fleet.product("product-a")["state"] == "paused", "product-a to be paused")
    fleet.say("/fleet spawn product-b tidy up too", "brake")
    assert "the brake is on" in fleet.work("product-b")[0]["reason"]
    fleet.restart()
    assert fleet.work("product-b")[0]["state"] == "queued"
    assert "The brake is off" in fleet.command("brake", "--release")
    assert fleet.finished("product-b", seconds=90)["state"] == "done"
    until(lambda: fleet.product("product-a")["state"] == "running", "product-a to resume", 30)
    fleet.say("/fleet stop product-a --yes", "brake")


def test_queue_on_the_page_shows_reasons_and_can_be_reordered(fleet: Fleet, tab: Tab) -> None:
    for product in ("product-a", "product-b"):
        fleet.say(f"/fleet spawn {product} [stall] tidy up once more", "order")
    for product in ("product-c", "product-d"):
        fleet.say(f"/fleet spawn {product} write it down", "order")
    third, fourth = fleet.work("product-c")[0]["id"], fleet.work("product-d")[0]["id"]
    tab.find("capacity").click()
    expect(tab.find("slots").locator(".taken")).to_have_count(2)
    waiting = tab.find("queued").locator("> li")
    expect(waiting.first).to_contain_text("waits for a slot (2 of 2 in use)")
    expect(waiting.first).to_have_attribute("data-work", third)
    waiting.last.drag_to(waiting.first)
    expect(waiting.first).to_have_attribute("data-work", fourth)
    waiting.last.get_by_role("button", name=f"Move up {third}").click()
    expect(waiting.first).to_have_attribute("data-work", third)
    waiting.last.get_by_role("button", name=f"Cancel {fourth}").click()
    expect(waiting).to_have_count(1)
    assert fleet.work("product-d")[0]["state"] == "cancelled"
    fleet.say(f"/fleet cancel {third}", "order")
    for product in ("product-a", "product-b"):
        fleet.say(f"/fleet stop {product} --yes", "order")


def _let_start(fleet: Fleet, id: str) -> dict[str, Any] | None:
    """Return the decision that started this work."""
    answer = fleet.request("POST", "/api/skills/why", {"about": id})
    assert answer.status == 200, answer
    rulings: list[dict[str, Any]] = answer.body["data"]["rulings"]
    return next((each for each in rulings if each["verdict"] == "start"), None)
