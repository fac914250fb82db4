"""Every point at which the coordinator can be killed on the way from a mail to a delivered decision, and every place at which
the engine's channel can be cut."""

import os
from pathlib import Path

import pytest

from tests.killing import LEAST, LEAST_CUTS, Trial


@pytest.mark.parametrize(("options", "least"), [((), LEAST), (("--cut",), LEAST_CUTS)], ids=["killed", "cut"])
def test_everywhere(tmp_path: Path, options: tuple[str, ...], least: int) -> None:
    number = os.cpu_count() or 1
    trials = [Trial(tmp_path / str(n), "--stripe", f"{n}/{number}", *options) for n in range(number)]
    verdicts = [trial.verdict() for trial in trials]
    print(f"{verdicts[0]['points']} points, {sum(each['tried'] for each in verdicts)} tried")
    assert [each["broken"] for each in verdicts] == [{}] * number
    assert sum(each["tried"] for each in verdicts) == verdicts[0]["points"] >= least
