"""Text that an agent takes for a decision of people, over every driver the fleet has.

Only the answer to a gate may contain such text. Everything else that the fleet sends is checked with `found_in` first.
"""

from bot.supervisor.drivers import conventions

DRIVERS = (conventions,)
"""The conventions of each driver. A second engine adds a row."""


def found_in(text: str) -> str | None:
    """Return the part of a text that an agent would take for a decision, or None."""
    return next((found for driver in DRIVERS if (found := driver.decision_in(text))), None)


def begins(text: str) -> bool:
    """Return True if an agent would take a text for a decision from its first words."""
    return any(driver.begins_as_decision(text) for driver in DRIVERS)


def written(choice: str, note: str) -> tuple[str, ...]:
    """Return the text in which each driver writes an answer to its agents."""
    return tuple(driver.answer(choice, note) for driver in DRIVERS)


def visible(text: str) -> str:
    """Return a text as a model reads it, without invisible characters."""
    return conventions.as_read(text)
