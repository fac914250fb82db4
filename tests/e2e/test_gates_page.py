"""Gates in a real browser, with the rehearsal on this machine."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Route, expect

from tests.e2e.bed import ARTIFACTS, until
from tests.e2e.fleets import Fleet, Rehearsing
from tests.e2e.tabs import PATIENCE, Tab


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Start a fleet without Docker for the tests of this module."""
    with (ARTIFACTS / "gates-page-bot.log").open("w") as log:
        fleet = Rehearsing.fresh(tmp_path_factory.mktemp("rehearsal"), log)
        try:
            fleet.start()
            yield fleet
        finally:
            fleet.end()


def journal(fleet: Fleet, gate: str) -> list[str]:
    """Return the choices made on a gate, from the audit log."""
    rows = fleet.get(f"/api/audit?about={gate}&kind=decision")["audit"]
    return [row["detail"]["choice"] for row in rows]


def test_plan_is_revised_and_approved_on_its_page(tab: Tab) -> None:
    tab.say("/fleet spawn product-b [complex] price quotes by table")
    gate = tab.gate("product-b")
    expect(gate.get_by_test_id("plan")).to_contain_text("price quotes by table", timeout=PATIENCE)
    expect(gate.get_by_test_id("needs")).to_contain_text("Needs")
    tab.picture("round-1-plan")
    gate.get_by_test_id("choose-changes").click()
    gate.get_by_test_id("send-note").click()
    expect(gate.get_by_test_id("gate-error")).to_contain_text("Enter what should change")
    gate.get_by_test_id("note").fill("keep the old prices working")
    gate.get_by_test_id("send-note").click()
    expect(gate).to_contain_text("revision 2", timeout=PATIENCE)
    gate.get_by_test_id("diff").locator("summary").click()
    expect(gate.locator(".diff-lines .added").first).to_be_visible()
    expect(gate.locator(".diff-lines")).to_contain_text("keep the old prices working")
    tab.picture("round-2-diff")

    number = gate.get_attribute("data-gate")
    tab.page.goto(f"{tab.fleet.url}/gates/{number}")
    full = tab.find("gate-page")
    expect(full.locator(".diff-lines .added").first).to_be_visible()
    expect(full.get_by_test_id("plan")).to_contain_text("price quotes by table")
    expect(tab.find("history")).to_contain_text("in the browser")
    expect(tab.find("history")).to_contain_text("keep the old prices working")
    tab.picture("round-3-page")
    full.get_by_test_id("choose-approve").click()
    expect(full.get_by_test_id("outcome")).to_contain_text("in the browser")
    expect(full.get_by_test_id("outcome")).to_contain_text("Work has resumed", timeout=PATIENCE)
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
    expect(tab.find("bulk")).to_contain_text("1 plan selected")
    tab.find("select-all").focus()
    tab.page.keyboard.press("Enter")
    approve = tab.find("bulk").get_by_test_id("choose-approve")
    expect(approve).to_have_text("Approve 3 plans")
    tab.picture("bulk-selected")
    approve.focus()
    tab.page.keyboard.press("Enter")
    expect(tab.find("bulk")).to_be_hidden(timeout=PATIENCE)
    for name in products:
        expect(tab.gate(name)).to_have_count(0)
    tab.picture("bulk-approved")
    assert [journal(tab.fleet, id) for id in ids] == [["approve"]] * 3
    assert {tab.fleet.finished(name)["state"] for name in products} == {"done"}


def test_late_click_names_the_earlier_decision(tab: Tab) -> None:
    tab.say("/fleet spawn product-a [complex] count in minutes")
    gate = tab.gate("product-a")
    expect(gate.get_by_test_id("choose-approve")).to_be_visible(timeout=PATIENCE)
    number = str(gate.get_attribute("data-gate"))

    def decide_first(route: Route) -> None:
        assert tab.fleet.decide(tab.fleet.gate("product-a"), "reject", "not now").status == 200
        route.continue_()

    tab.page.route("**/decision", decide_first)
    gate.get_by_test_id("choose-approve").click()
    card = tab.find("gates").get_by_test_id(f"gate-{number}")
    expect(card.get_by_test_id("gate-error")).to_contain_text("Your click changed nothing")
    expect(card.get_by_test_id("outcome")).to_contain_text("Rejected")
    tab.picture("too-late")
    assert journal(tab.fleet, number) == ["reject"]
    tab.errors.clear()  # The browser reports the refused decision as an error.


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_phone_answers_a_question_on_the_page_of_its_gate(open_tab: Callable[..., Tab], scheme: str) -> None:
    tab = open_tab(viewport={"width": 390, "height": 844}, color_scheme=scheme, has_touch=True)
    tab.fleet.say("/fleet spawn product-c [question] a page about cold brew", f"phone-{scheme}")
    gate = until(lambda: tab.fleet.gates("product-c"), "a question of product-c")[0]
    tab.page.goto(f"{tab.fleet.url}/gates/{gate['id']}")
    expect(tab.find("gate-page").get_by_test_id("note")).to_be_visible()
    wide = tab.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide == 0, "the page scrolls sideways"
    tab.picture(f"phone-gate-{scheme}")
    tab.find("gate-page").get_by_test_id("note").fill("Cold brew, please.")
    tab.find("gate-page").get_by_test_id("send-note").tap()
    expect(tab.find("gate-page").get_by_test_id("outcome")).to_contain_text("Answered by", timeout=PATIENCE)
    tab.fleet.finished("product-c")


def test_page_of_an_unknown_gate_says_so(tab: Tab) -> None:
    tab.page.goto(f"{tab.fleet.url}/gates/g999")
    expect(tab.find("gate-page")).to_contain_text("There is no gate “g999”")
    tab.errors.clear()  # The browser reports the 404 as an error.
