"""What the query of a request narrows an answer to; what means nothing is refused in words."""

from bot.domain.errors import UsageError

USUAL = 100
"""Rows in an answer that names no limit."""


def states(wanted: str, known: dict[str, bool]) -> tuple[str, ...]:
    """The states that a query names; `open` stands for those that are; none for all."""
    if wanted in {"", "all"}:
        return ()
    if wanted == "open":
        return tuple(each for each, is_open in known.items() if is_open)
    named = tuple(wanted.split(","))
    if unknown := [each for each in named if each not in known]:
        raise UsageError(f"There is no state “{unknown[0][:40]}”.", f"There are: open, all, {', '.join(known)}.")
    return named


def limit(text: str | None, most: int) -> int:
    """How many rows are wanted, `most` at the most."""
    return max(1, min(number(text, "limit") if text else USUAL, most))


def number(text: str | None, name: str) -> int:
    """A whole number; 0 where there is none."""
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise UsageError(f"{name} is “{text[:40]}”; it must be a whole number.", "Leave it out for the default.")
    return int(text)
