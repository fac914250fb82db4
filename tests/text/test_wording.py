"""How times, money and texts are said."""

from datetime import timedelta

import pytest

from bot.text.wording import count, headline, listed, money, shortened, span, summary


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


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        ("# Plan: a table\n\nReplace the *ladder*\nby a **table**.\n\n## Steps\n1. Do it", "Replace the *ladder* by a table."),
        ("1. Split `lex.py`\n2. Test it\n\nThat is all.", "Split lex.py · Test it"),
        ("# Table\nOf precedences\n## Steps", "Of precedences"),
        ("```py\nx = 1\n\ny = 2\n```\n\nSets two names.", "Sets two names."),
        ("```py\nnever closed", "py never closed"),
        ("# A\n\n## B\n\n| x | y |\n| - | - |", "A · B"),
        ("", ""),
    ],
)
def test_a_summary_is_what_a_plan_says_of_itself_first(plan: str, said: str) -> None:
    assert summary(plan, 80) == said


def test_a_summary_is_short_whatever_the_plan_is() -> None:
    assert len(summary("word " * 100_000, 80)) <= 80
    assert len(summary("`" * 100_000, 80)) <= 80


def test_long_texts_are_cut_at_a_word() -> None:
    assert shortened("one two three four", 12) == "one two…"
    assert shortened("x" * 50, 10) == "x" * 9 + "…"
    assert shortened("  fits \n well ", 20) == "fits well"


def test_numbers_and_lists_are_said_as_people_do() -> None:
    assert (count(1, "gate"), count(2, "gate"), money(1234.5)) == ("1 gate", "2 gates", "$1,234.50")
    assert [listed(names) for names in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]
