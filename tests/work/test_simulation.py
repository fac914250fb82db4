"""Two days of the thirty-day simulation of `make bench`. No start exceeds a limit under any order."""

import pytest

from tests.bench.simulation import DAY, Fleet, best, by_arrival, by_priority, trace

PIECES, DAYS = 900, 2


@pytest.mark.parametrize("policy", ["weights", "arrival", "priority"])
def test_simulation_exceeds_no_limit_and_finishes_all_work(policy: str) -> None:
    products, drawn = trace(PIECES, DAYS)
    order = {"weights": None, "arrival": by_arrival, "priority": by_priority(products)}[policy]
    run = Fleet(products, drawn, order).live()
    assert (run.beyond, run.done) == (0, PIECES)
    assert run.crowded
    assert run.busy([(0.0, DAYS * DAY)]) >= 0.95 * best(products, drawn, DAYS)
