"""`kill -9` on the way from a mail to a delivered decision, and the engine's channel cut on it: some of all points, evenly
spread; `tests/e2e/test_killed_everywhere.py` tries every one."""

from pathlib import Path

from tests.killing import LEAST, LEAST_CUTS, Trial


def test_no_gate_and_no_decision_is_lost_or_repeated_wherever_it_is_killed(tmp_path: Path) -> None:
    verdict = Trial(tmp_path, "--most", "8").verdict()
    assert verdict["broken"] == {}
    assert verdict["points"] >= LEAST
    assert verdict["tried"] == 8


def test_no_gate_and_no_decision_is_lost_or_repeated_wherever_the_channel_is_cut(tmp_path: Path) -> None:
    verdict = Trial(tmp_path, "--cut", "--most", "8").verdict()
    assert verdict["broken"] == {}
    assert verdict["points"] >= LEAST_CUTS
    assert verdict["tried"] == 8
