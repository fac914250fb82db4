"""The pauses between attempts."""

import pytest

from bot.text.backoff import Backoff


def test_pause_grows_by_the_factor_up_to_the_longest() -> None:
    backoff = Backoff(0.5, longest=10.0)
    assert [backoff.pause(attempt) for attempt in range(1, 7)] == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0]
    assert [Backoff(60, longest=900, factor=5).pause(attempt) for attempt in (1, 2, 3, 4)] == [60, 300, 900, 900]


@pytest.mark.parametrize("attempt", [0, -1])
def test_pause_before_any_failure_is_the_first(attempt: int) -> None:
    assert Backoff(2.0, longest=10.0).pause(attempt) == 2.0


def test_pause_stays_finite_after_any_number_of_attempts() -> None:
    assert Backoff(0.1, longest=15.0).pause(10**9) == 15.0


def test_jitter_varies_the_pause_within_its_share() -> None:
    pauses = {Backoff(8.0, longest=8.0, jitter=0.25).pause(1) for _ in range(50)}
    assert len(pauses) > 1
    assert all(6.0 <= pause <= 10.0 for pause in pauses)
