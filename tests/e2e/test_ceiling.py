"""Budgets against sessions that record costs (`[cost N]`), with the fleet killed in between."""

from pathlib import Path
from typing import Any

from tests.process import Process


def test_overspending_work_is_paused_and_resumes_after_approval_despite_kills(tmp_path: Path) -> None:
    with Process(tmp_path, REHEARSAL_SECONDS="40") as fleet:
        fleet.products.write_text(fleet.products.read_text() + "\nbudget: {per_day_usd: 2}\n")
        fleet.start()
        fleet.say("/fleet spawn product-a [cost 400] fix the failing test", id="spend")

        def gate() -> dict[str, Any] | None:
            return next((each for each in fleet.gates() if each["kind"] == "action"), None)

        fleet.until(lambda: product(fleet)["cost_usd_today"] > 0, "it has cost something")
        fleet.kill()
        fleet.start()
        asked = fleet.until(gate, "a gate is open") or {}
        assert product(fleet)["state"] == "paused"
        spent = product(fleet)["cost_usd_today"]
        assert 2 <= spent < 300, "work is paused long before its full cost"
        assert fleet.work()[0]["state"] == "paused"
        fleet.kill()
        fleet.start()
        fleet.until(lambda: product(fleet)["state"] == "paused", "it is still paused")
        assert product(fleet)["cost_usd_today"] == spent, "paused work costs nothing"
        fleet.ask("POST", f"/api/gates/{asked['id']}/decision", {"choice": "approve", "note": "", "revision": 1})
        fleet.until(lambda: product(fleet)["cost_usd_today"] > spent, "it resumes")
        assert len(fleet.work()) == 1


def test_overspend_is_bounded_by_the_polling_interval(tmp_path: Path) -> None:
    with Process(tmp_path, REHEARSAL_SECONDS="40") as fleet:
        fleet.products.write_text(fleet.products.read_text() + "\nbudget: {per_day_usd: 50}\n")
        fleet.start()
        fleet.say("/fleet spawn product-a [cost 400] fix the failing test", id="spend")
        fleet.until(lambda: any(each["kind"] == "action" for each in fleet.gates()), "a gate is open")
        spent, step = product(fleet)["cost_usd_today"], 400 / 20
        assert 50 <= spent <= 50 + 3 * step, (
            "one step crosses the limit, one may follow before the check and one before the halt"
        )


def product(fleet: Process) -> dict[str, Any]:
    """Return the status of product-a."""
    found: list[dict[str, Any]] = fleet.ask("GET", "/api/status")["products"]
    return next(each for each in found if each["name"] == "product-a")
