"""Points in time as people write them."""

from datetime import UTC, datetime

import pytest

from bot.domain import deadlines
from bot.domain.errors import UsageError

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)  # a Wednesday, 13:00 in Vienna


@pytest.mark.parametrize(
    ("said", "at"),
    [
        ("18:00", datetime(2026, 3, 4, 17, tzinfo=UTC)),
        ("9:00", datetime(2026, 3, 5, 8, tzinfo=UTC)),
        ("tomorrow 9:00", datetime(2026, 3, 5, 8, tzinfo=UTC)),
        ("friday 17:30", datetime(2026, 3, 6, 16, 30, tzinfo=UTC)),
        ("Wednesday 9:00", datetime(2026, 3, 11, 8, tzinfo=UTC)),
        ("friday", datetime(2026, 3, 6, 22, 59, tzinfo=UTC)),
        ("2026-03-20 18:00", datetime(2026, 3, 20, 17, tzinfo=UTC)),
        ("in 3h", datetime(2026, 3, 4, 15, tzinfo=UTC)),
        ("90 minutes", datetime(2026, 3, 4, 13, 30, tzinfo=UTC)),
        ("in 2 days", datetime(2026, 3, 6, 12, tzinfo=UTC)),
    ],
)
def test_read_accepts_common_forms(said: str, at: datetime) -> None:
    assert deadlines.read(said, NOW, "Europe/Vienna") == at


@pytest.mark.parametrize("said", ["", "soon", "25:00", "2026-13-01", "noday 9:00", "at", "in h"])
def test_read_refuses_invalid_times(said: str) -> None:
    with pytest.raises(UsageError, match="Not a valid time"):
        deadlines.read(said, NOW, "UTC")
