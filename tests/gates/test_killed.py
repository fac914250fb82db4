"""`kill -9` and cut channels between a mail and its delivered decision.

These tests try an even spread of all points. `tests/e2e/test_killed_everywhere.py` tries every one.
"""

from pathlib import Path

from tests.killing import LEAST, LEAST_CUTS, Trial


def test_crash_at_any_point_loses_and_repeats_no_decision(tmp_path: Path) -> None:
    verdict = Trial(tmp_path, "--most", "8").verdict()
    assert verdict["broken"] == {}
    assert verdict["points"] >= LEAST
    assert verdict["tried"] == 8


def test_cut_channel_at_any_point_loses_and_repeats_no_decision(tmp_path: Path) -> None:
    verdict = Trial(tmp_path, "--cut", "--most", "8").verdict()
    assert verdict["broken"] == {}
    assert verdict["points"] >= LEAST_CUTS
    assert verdict["tried"] == 8
