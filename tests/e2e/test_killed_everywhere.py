"""Kills at every point and seam of a day with work, and cuts of the engine's channel everywhere.

The plain suite tries some of each.
"""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.killing import LEAST, LEAST_CUTS, Trial
from tests.store import test_seams as seams
from tests.work import test_seams_work as queue


@pytest.mark.parametrize(("options", "least"), [((), LEAST), (("--cut",), LEAST_CUTS)], ids=["killed", "cut"])
def test_kill_at_every_point(tmp_path: Path, options: tuple[str, ...], least: int) -> None:
    number = os.cpu_count() or 1
    trials = [Trial(tmp_path / str(n), "--stripe", f"{n}/{number}", *options) for n in range(number)]
    verdicts = [trial.verdict() for trial in trials]
    print(f"{verdicts[0]['points']} points, {sum(each['tried'] for each in verdicts)} tried")
    assert [each["broken"] for each in verdicts] == [{}] * number
    assert sum(each["tried"] for each in verdicts) == verdicts[0]["points"] >= least


@pytest.mark.parametrize(
    ("once", "least"), [seams.KILLED, seams.CUT_OFF, (queue.run, queue.LEAST)], ids=["killed", "cut", "queue"]
)
async def test_kill_at_every_seam(tmp_path: Path, once: Any, least: int) -> None:
    await seams.every(once, tmp_path, least)
