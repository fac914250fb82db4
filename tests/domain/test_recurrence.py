"""Recurring times in words and as cron expressions, across changes of the clock."""

from datetime import UTC, datetime

import pytest

from bot.domain import recurrence

VIENNA = "Europe/Vienna"


@pytest.mark.parametrize(
    ("said", "parts"),
    [
        ("every weekday at 9", "0 9 * * mon-fri"),
        ("weekdays at 9:30", "30 9 * * mon-fri"),
        ("Every day at 18:05", "5 18 * * *"),
        ("daily at 6 pm", "0 18 * * *"),
        ("daily at 12 am", "0 0 * * *"),
        ("every monday at 7:15 am", "15 7 * * mon"),
        ("Mondays and Thursdays at 8", "0 8 * * mon,thu"),
        ("tue, fri at 8", "0 8 * * tue,fri"),
        ("weekends at 10", "0 10 * * sat,sun"),
        ("hourly", "0 * * * *"),
        ("every 2 hours", "0 */2 * * *"),
        ("every 15 minutes", "*/15 * * * *"),
        ("0 9 * * mon-fri", "0 9 * * mon-fri"),
        ("*/5 8-18 1 * *", "*/5 8-18 1 * *"),
    ],
)
def test_read_returns_the_cron_expression(said: str, parts: str) -> None:
    assert recurrence.read(said) == parts


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("whenever you like", "Not a valid recurring time"),
        ("every monday", "Not a valid recurring time"),
        ("every moonday at 9", "Not a valid recurring time"),
        ("daily at 25:00", "Not a valid time of day: 25:00"),
        ("daily at 13 pm", "Not a valid time of day: 13 pm"),
        ("every 7 hours", "does not divide a day"),
        ("0 9 * * 1-5", "weekdays as names"),
        ("0 0 30 2 *", "never occurs"),
        ("61 9 * * mon", "61"),
        ("", "Not a valid recurring time"),
    ],
)
def test_read_refuses_invalid_text_with_the_reason(said: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        recurrence.read(said)


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ("0 9 * * mon-fri", "Monday to Friday at 09:00"),
        ("5 18 * * *", "every day at 18:05"),
        ("0 8 * * mon,thu", "Monday, Thursday at 08:00"),
        ("0 */2 * * *", "every 2 hours"),
        ("*/15 * * * *", "every 15 minutes"),
        ("0 * * * *", "every hour"),
        ("0 9 1 * *", "at 0 9 1 * *"),
    ],
)
def test_words_describe_common_expressions(parts: str, said: str) -> None:
    assert recurrence.words(parts) == said


def test_next_occurrence_follows_local_time() -> None:
    winter, summer = datetime(2026, 3, 27, 12, tzinfo=UTC), datetime(2026, 3, 29, 12, tzinfo=UTC)
    assert recurrence.following("0 9 * * *", VIENNA, winter) == datetime(2026, 3, 28, 8, tzinfo=UTC)
    assert recurrence.following("0 9 * * *", VIENNA, summer) == datetime(2026, 3, 30, 7, tzinfo=UTC)
    assert recurrence.zoned(datetime(2026, 3, 30, 7, tzinfo=UTC), VIENNA) == "Mon 30 Mar 09:00 Europe/Vienna (07:00 UTC)"


def test_repeated_hour_has_one_label_unless_the_hour_varies() -> None:
    first, second = datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert recurrence.label("30 2 * * *", VIENNA, first) == recurrence.label("30 2 * * *", VIENNA, second) == "2026-10-25T02:30"
    assert recurrence.label("30 * * * *", VIENNA, first) < recurrence.label("30 * * * *", VIENNA, second)


def test_occurrence_in_a_skipped_hour_moves() -> None:
    at = recurrence.following("30 2 * * *", VIENNA, datetime(2026, 3, 28, 12, tzinfo=UTC))
    assert at is not None
    assert datetime(2026, 3, 29, 0, 30, tzinfo=UTC) <= at <= datetime(2026, 3, 30, 1, tzinfo=UTC)
