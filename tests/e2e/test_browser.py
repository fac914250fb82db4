"""The page in a real browser, for both ways to run a fleet. Every test saves a screenshot."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.e2e.bed import until
from tests.e2e.tabs import PATIENCE, Tab

PRODUCTS = ["product-a", "product-b", "product-c", "product-d"]


def test_printed_address_signs_in_and_hides_its_token(tab: Tab) -> None:
    assert "token" not in tab.page.url
    tab.page.goto(tab.fleet.url)
    expect(tab.find("connection")).to_have_attribute("data-state", "live")


def test_login_page_refuses_a_wrong_token_and_accepts_the_right_one(open_tab: Callable[..., Tab]) -> None:
    tab = open_tab(signed_in=False)
    tab.find("login-token").fill("not-the-token")
    tab.find("login-submit").click()
    expect(tab.find("login-words")).not_to_be_empty()
    tab.errors.clear()  # The browser reports the refused login as an error.
    tab.find("login-token").fill(tab.fleet.settings["FLEET_WEB_TOKEN"])
    tab.find("login-submit").click()
    expect(tab.find("connection")).to_have_attribute("data-state", "live")


def test_page_shows_products_capacity_and_rehearsal(tab: Tab) -> None:
    for name in PRODUCTS:
        expect(tab.find(f"product-{name}")).to_be_visible()
    expect(tab.find("rehearsal")).to_be_visible()
    expect(tab.find("capacity")).to_be_visible()
    expect(tab.page.locator("body")).not_to_contain_text(re.compile(r"\b(null|undefined|NaN)\b"))
    tab.picture("glance")


def test_status_of_all_products_is_one_reply(tab: Tab) -> None:
    tab.new_conversation()
    tab.say("check status of all products")
    expect(tab.last_reply()).to_contain_text("Here is the fleet.", timeout=PATIENCE)
    for name in PRODUCTS:
        expect(tab.last_reply()).to_contain_text(name)
    expect(tab.find("post-reply")).to_have_count(1)
    tab.picture("milestone-3-status")


def test_scout_reports_to_its_conversation(tab: Tab) -> None:
    tab.new_conversation()
    tab.say("run a scout on product-a")
    expect(tab.last_reply()).to_contain_text("The scout is on its way", timeout=PATIENCE)
    expect(tab.find("post-report").last).to_contain_text("hours", timeout=PATIENCE)
    tab.picture("milestone-4-scout")


def test_plan_is_revised_and_then_approved(tab: Tab) -> None:
    tab.new_conversation()
    tab.say("/fleet spawn product-b [complex] price quotes by table")
    gate = tab.gate("product-b")
    expect(gate.get_by_test_id("plan")).to_be_visible(timeout=PATIENCE)
    tab.picture("gate-revision-1")
    gate.get_by_test_id("choose-changes").click()
    gate.get_by_test_id("note").fill("keep the old prices working")
    gate.get_by_test_id("send-note").click()
    expect(gate).to_contain_text("revision 2", timeout=PATIENCE)
    expect(gate.get_by_test_id("diff")).to_be_visible()
    tab.picture("gate-revision-2")
    gate.get_by_test_id("choose-approve").click()
    expect(tab.gate("product-b")).to_have_count(0, timeout=PATIENCE)
    expect(tab.find("post-report").last).to_contain_text("rehearsal is complete", timeout=PATIENCE)
    tab.picture("gate-approved")
    assert tab.fleet.finished("product-b")["state"] == "done"


def test_gate_decided_elsewhere_leaves_the_inbox(tab: Tab) -> None:
    tab.say("/fleet spawn product-d [complex] answer by theme")
    expect(tab.gate("product-d").get_by_test_id("plan")).to_be_visible(timeout=PATIENCE)
    assert tab.fleet.decide(tab.fleet.gate("product-d"), "reject", "not now").status == 200
    expect(tab.gate("product-d")).to_have_count(0)
    tab.fleet.finished("product-d")


def test_page_reconnects_after_the_fleet_is_killed(tab: Tab) -> None:
    tab.say("/fleet spawn product-c [complex] a page about cold brew")
    expect(tab.gate("product-c").get_by_test_id("plan")).to_be_visible(timeout=PATIENCE)
    tab.fleet.kill()
    expect(tab.find("connection")).not_to_have_attribute("data-state", "live")
    tab.picture("connection-lost")
    tab.fleet.start()
    expect(tab.find("connection")).to_have_attribute("data-state", "live", timeout=PATIENCE)
    expect(tab.gate("product-c")).to_have_count(1)
    tab.gate("product-c").get_by_test_id("choose-approve").click()
    expect(tab.gate("product-c")).to_have_count(0, timeout=PATIENCE)
    assert tab.fleet.finished("product-c")["state"] == "done"
    tab.errors.clear()  # The browser reports each failed connection as an error.


def test_work_is_started_and_approved_with_the_keyboard(tab: Tab) -> None:
    tab.find("composer-text").focus()
    tab.page.keyboard.type("/fleet spawn product-a [complex] count in minutes")
    tab.page.keyboard.press("Enter")
    approve = tab.gate("product-a").get_by_test_id("choose-approve")
    expect(approve).to_be_visible(timeout=PATIENCE)

    def reached() -> bool:
        tab.page.keyboard.press("Tab")
        return bool(approve.evaluate("element => element === document.activeElement"))

    until(reached, "the Tab key to reach Approve")
    tab.page.keyboard.press("Enter")
    expect(tab.gate("product-a")).to_have_count(0, timeout=PATIENCE)
    assert tab.fleet.finished("product-a")["state"] == "done"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_phone_shows_one_panel_at_a_time(open_tab: Callable[..., Tab], scheme: str) -> None:
    tab = open_tab(viewport={"width": 390, "height": 844}, color_scheme=scheme, has_touch=True)
    for part in ("inbox", "products", "chat"):
        tab.find(f"tab-{part}").tap()
        expect(tab.find(f"panel-{part}")).to_be_visible()
        wide = tab.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide == 0, "the page scrolls sideways"
        tab.picture(f"phone-{scheme}-{part}")


def test_dark_mode_has_a_dark_background(open_tab: Callable[..., Tab]) -> None:
    tab = open_tab(color_scheme="dark")
    colours = tab.page.evaluate("getComputedStyle(document.body).backgroundColor.match(/[0-9.]+/g).slice(0, 3).map(Number)")
    assert max(colours) < 64, colours
    tab.find("product-product-a").click()
    expect(tab.find("product-dialog")).to_be_visible()
    tab.picture("dark-product")
