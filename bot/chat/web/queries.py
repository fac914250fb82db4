"""Filters in the query of a request."""

from bot.domain.errors import UsageError

DEFAULT_ROWS = 100
"""Default number of rows in an answer, for a request without `limit`."""


def states(wanted: str, known: dict[str, bool]) -> tuple[str, ...]:
    """Return the states that a query names, or an empty tuple for all of them.

    `open` stands for every open state. Raises UsageError.
    """
    if wanted in {"", "all"}:
        return ()
    if wanted == "open":
        return tuple(each for each, is_open in known.items() if is_open)
    named = tuple(wanted.split(","))
    if unknown := [each for each in named if each not in known]:
        raise UsageError(
            f"Unknown state “{unknown[0][:40]}”.", f"Use one of: {', '.join(dict.fromkeys(['open', 'all', *known]))}."
        )
    return named


def limit(text: str | None, most: int) -> int:
    """Return the number of rows asked for, at most `most`. Raises UsageError."""
    return max(1, min(number(text, "limit") if text else DEFAULT_ROWS, most))


def number(text: str | None, name: str) -> int:
    """Return a whole number, or 0 without one. Raises UsageError."""
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise UsageError(f"`{name}` must be a whole number, not “{text[:40]}”.", f"Omit `{name}` for the default.")
    return int(text)
