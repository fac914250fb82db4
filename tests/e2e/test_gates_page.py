"""Gates in a real browser, over the rehearsal on this machine: a whole round, several at once, and somebody who was faster."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Route, expect

from tests.e2e.bed import ARTIFACTS, until
from tests.e2e.fleets import Fleet, Rehearsing
from tests.e2e.tabs import PATIENCE, Tab


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A fleet without Docker, for the tests of this module."""
    with (ARTIFACTS / "gates-page-bot.log").open("w") as log:
        fleet = Rehearsing.fresh(tmp_path_factory.mktemp("rehearsal"), log)
        try:
            fleet.start()
            yield fleet
        finally:
            fleet.end()


def journal(fleet: Fleet, gate: str) -> list[str]:
    """What somebody chose at a gate, as the journal has it."""
    rows = fleet.get(f"/api/audit?about={gate}&kind=decision")["audit"]
    return [row["detail"]["choice"] for row in rows]


def test_a_plan_goes_back_and_its_second_revision_is_read_whole_and_approved(tab: Tab) -> None:
    tab.say("/fleet spawn product-b [complex] price quotes by table")
    gate = tab.gate("product-b")
    expect(gate.get_by_test_id("plan")).to_contain_text("price quotes by table", timeout=PATIENCE)
    expect(gate.get_by_test_id("needs")).to_contain_text("Needs")
    tab.picture("round-1-plan")
    gate.get_by_test_id("choose-changes").click()
    gate.get_by_test_id("send-note").click()
    expect(gate.get_by_test_id("gate-words")).to_contain_text("Say in a sentence")
    gate.get_by_test_id("note").fill("keep the old prices working")
    gate.get_by_test_id("send-note").click()
    expect(gate).to_contain_text("revision 2", timeout=PATIENCE)
    gate.get_by_test_id("diff").locator("summary").click()
    expect(gate.locator(".diff-lines .added").first).to_be_visible()
    expect(gate.locator(".diff-lines")).to_contain_text("keep the old prices working")
    tab.picture("round-2-diff")

    number = gate.get_attribute("data-gate")
    tab.page.goto(f"{tab.fleet.url}/gates/{number}")
    whole = tab.find("whole")
    expect(whole.locator(".diff-lines .added").first).to_be_visible()
    expect(whole.get_by_test_id("plan")).to_contain_text("price quotes by table")
    expect(tab.find("history")).to_contain_text("asked for changes in the browser")
    expect(tab.find("history")).to_contain_text("keep the old prices working")
    tab.picture("round-3-whole")
    whole.get_by_test_id("choose-approve").click()
    expect(whole.get_by_test_id("outcome")).to_contain_text("approved in the browser")
    expect(whole.get_by_test_id("outcome")).to_contain_text("has it and is working", timeout=PATIENCE)
    expect(tab.find("history")).to_contain_text("approved in the browser")
    tab.picture("round-4-approved")

    tab.find("to-fleet").click()
    expect(tab.find("connection")).to_have_attribute("data-state", "live")
    expect(tab.gate("product-b")).to_have_count(0)
    assert tab.fleet.finished("product-b")["state"] == "done"
    assert journal(tab.fleet, str(number)) == ["approve"]


def test_several_plans_are_approved_together_with_the_keyboard(tab: Tab) -> None:
    products = ("product-a", "product-c", "product-d")
    for name in products:
        tab.fleet.say(f"/fleet spawn {name} [complex] something small", "together")
    for name in products:
        expect(tab.gate(name)).to_have_count(1, timeout=PATIENCE)
    ids = [str(tab.gate(name).get_attribute("data-gate")) for name in products]
    tab.page.keyboard.press("s")
    tab.page.keyboard.press("Space")
    expect(tab.find("bulk")).to_contain_text("1 plan chosen")
    tab.find("choose-all").focus()
    tab.page.keyboard.press("Enter")
    approve = tab.find("bulk").get_by_test_id("choose-approve")
    expect(approve).to_have_text("Approve 3 plans")
    tab.picture("bulk-chosen")
    approve.focus()
    tab.page.keyboard.press("Enter")
    expect(tab.find("bulk")).to_be_hidden(timeout=PATIENCE)
    for name in products:
        expect(tab.gate(name)).to_have_count(0)
    tab.picture("bulk-approved")
    assert [journal(tab.fleet, id) for id in ids] == [["approve"]] * 3
    assert {tab.fleet.finished(name)["state"] for name in products} == {"done"}


def test_whoever_clicks_too_late_is_told_who_was_faster(tab: Tab) -> None:
    tab.say("/fleet spawn product-a [complex] count in minutes")
    gate = tab.gate("product-a")
    expect(gate.get_by_test_id("choose-approve")).to_be_visible(timeout=PATIENCE)
    number = str(gate.get_attribute("data-gate"))

    def somebody_else(route: Route) -> None:
        assert tab.fleet.decide(tab.fleet.gate("product-a"), "reject", "not now").status == 200
        route.continue_()

    tab.page.route("**/decision", somebody_else)
    gate.get_by_test_id("choose-approve").click()
    card = tab.find("gates").get_by_test_id(f"gate-{number}")
    expect(card.get_by_test_id("gate-words")).to_contain_text("nothing was changed by your click")
    expect(card.get_by_test_id("outcome")).to_contain_text("rejected")
    tab.picture("too-late")
    assert journal(tab.fleet, number) == ["reject"]
    tab.errors.clear()  # The browser counts the refusal as one.


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_a_gate_whole_and_decides_it(open_tab: Callable[..., Tab], scheme: str) -> None:
    tab = open_tab(viewport={"width": 390, "height": 844}, color_scheme=scheme, has_touch=True)
    tab.fleet.say("/fleet spawn product-c [question] a page about cold brew", f"phone-{scheme}")
    gate = until(lambda: tab.fleet.gates("product-c"), "a question of product-c")[0]
    tab.page.goto(f"{tab.fleet.url}/gates/{gate['id']}")
    expect(tab.find("whole").get_by_test_id("note")).to_be_visible()
    wide = tab.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide == 0, "nothing is cut off or has to be pushed sideways"
    tab.picture(f"phone-gate-{scheme}")
    tab.find("whole").get_by_test_id("note").fill("Cold brew, please.")
    tab.find("whole").get_by_test_id("send-note").tap()
    expect(tab.find("whole").get_by_test_id("outcome")).to_contain_text("answered in the browser", timeout=PATIENCE)
    tab.fleet.finished("product-c")


def test_a_gate_that_is_not_there_is_said(tab: Tab) -> None:
    tab.page.goto(f"{tab.fleet.url}/gates/g999")
    expect(tab.find("whole")).to_contain_text("There is no gate “g999”")
    tab.errors.clear()  # The browser counts the answer as one.
