"""The brake in a shell without a model, a chat platform or a running fleet."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.process import ROOT, Process


def test_brake_works_from_a_shell_without_a_running_fleet(tmp_path: Path) -> None:
    with Process(tmp_path, REHEARSAL_SECONDS="60") as fleet:
        fleet.start()
        fleet.say("/fleet spawn product-a fix the failing test")
        fleet.until(lambda: product(fleet, "product-a")["sessions"], "product-a runs")
        fleet.kill()
        shown = shell(fleet, "brake")
        assert "product-a" in shown
        assert "in-flight response is lost" in shown
        assert "Nothing was changed." in shown
        assert "The brake is on for the fleet: product-a halted. No work starts until it is released." in shell(
            fleet, "brake", "--yes"
        )
        fleet.start()
        fleet.until(lambda: product(fleet, "product-a")["state"] == "paused", "product-a is paused")
        fleet.say("/fleet spawn product-b tidy up")
        assert "the brake is on" in fleet.work()[0]["reason"]
        fleet.kill()
        assert "The brake is off" in shell(fleet, "brake", "--release")
        fleet.start()
        fleet.until(lambda: fleet.work()[0]["state"] == "running", "product-b runs")
        fleet.until(lambda: product(fleet, "product-a")["state"] == "running", "product-a runs again")


def shell(fleet: Process, *words: str) -> str:
    """Return what a command prints when no fleet is running."""
    command = [sys.executable, "-m", "bot.cli", *words]
    return subprocess.run(command, cwd=ROOT, env=fleet.environment, capture_output=True, text=True, timeout=90).stdout


def product(fleet: Process, name: str) -> dict[str, Any]:
    """Return a product's status."""
    found: list[dict[str, Any]] = fleet.ask("GET", "/api/status")["products"]
    return next(each for each in found if each["name"] == name)
