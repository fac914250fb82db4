"""Times, money, counts and lists as people read them."""

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
def test_span_uses_the_largest_units(seconds: int, said: str) -> None:
    assert span(timedelta(seconds=seconds)) == said


def test_headline_removes_markup() -> None:
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
def test_summary_is_the_first_paragraph_or_the_headings(plan: str, said: str) -> None:
    assert summary(plan, 80) == said


def test_summary_is_short_for_any_text() -> None:
    assert len(summary("word " * 100_000, 80)) <= 80
    assert len(summary("`" * 100_000, 80)) <= 80


def test_shortened_cuts_at_a_word() -> None:
    assert shortened("one two three four", 12) == "one two…"
    assert shortened("x" * 50, 10) == "x" * 9 + "…"
    assert shortened("  fits \n well ", 20) == "fits well"


def test_counts_money_and_lists() -> None:
    assert (count(1, "gate"), count(2, "gate"), money(1234.5)) == ("1 gate", "2 gates", "$1,234.50")
    assert [listed(names) for names in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]
