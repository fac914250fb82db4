"""How times, money and texts are said."""

from datetime import timedelta

import pytest

from bot.words import count, headline, listed, money, shortened, span


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-5, "0 s"),
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (7500, "2 h 5 min"),
        (90_000, "1 d"),
    ],
)
def test_lengths_of_time_are_short(seconds: int, said: str) -> None:
    assert span(timedelta(seconds=seconds)) == said


def test_a_headline_is_plain_words() -> None:
    assert (
        headline("<!-- written-by: scout -->\n# Findings\n\n- **three** files, `a.py` first\n", 80)
        == "Findings three files, a.py first"
    )


def test_long_texts_are_cut_at_a_word() -> None:
    assert shortened("one two three four", 12) == "one two…"
    assert shortened("x" * 50, 10) == "x" * 9 + "…"
    assert shortened("  fits \n well ", 20) == "fits well"


def test_numbers_and_lists_are_said_as_people_do() -> None:
    assert (count(1, "gate"), count(2, "gate"), money(1234.5)) == ("1 gate", "2 gates", "$1,234.50")
    assert [listed(names) for names in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]
