"""What a measurement gives: figures with their goals, and the arithmetic behind them."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from statistics import median


@dataclass(frozen=True, slots=True)
class Goal:
    """A limit that a figure has to keep: `under` it, or, with `at_least`, not below it."""

    limit: float
    at_least: bool = False

    def met(self, value: float) -> bool:
        """Whether a value keeps it."""
        return value >= self.limit if self.at_least else value < self.limit


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value in its unit; `spread` says in words how the single values lay."""

    what: str
    value: float
    unit: str
    goal: Goal | None = None
    openclaw: str = ""
    spread: str = ""

    @property
    def missed(self) -> bool:
        """Whether there is a goal that it does not keep."""
        return self.goal is not None and not self.goal.met(self.value)

    @property
    def measured(self) -> str:
        """The value as it is read, with its spread."""
        said = amount(self.value, self.unit)
        return f"{said} ({self.spread})" if self.spread else said

    @property
    def aim(self) -> str:
        """The goal as it is read; empty without one."""
        if self.goal is None:
            return ""
        return f"{'at least' if self.goal.at_least else 'under'} {amount(self.goal.limit, self.unit)}"


@dataclass(frozen=True, slots=True)
class Section:
    """One measurement: its title, its method in a sentence or two, its figures, and what has to be said beside them."""

    title: str
    method: str
    figures: tuple[Figure, ...] = ()
    notes: tuple[str, ...] = ()
    unmeasured: str = ""
    """Why there are no figures: what this machine lacks."""


class Unavailable(Exception):
    """This machine lacks what a measurement needs; in words."""


def amount(value: float, unit: str) -> str:
    """A value with three significant digits and its unit."""
    digits = 0 if abs(value) >= 100 or value == int(value) else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f} {unit}".strip()


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of all values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, ceil(len(ordered) * percent / 100) - 1)]


def middle(what: str, seconds: Sequence[float], *, goal: float | None = None, openclaw: str = "", unit: str = "ms") -> Figure:
    """The median of times (given in seconds) as a figure in ms or s, with the 95th percentile and the number of values."""
    scale = 1000.0 if unit == "ms" else 1.0
    spread = f"p95 {amount(percentile(seconds, 95) * scale, unit)}, n = {len(seconds)}"
    limit = None if goal is None else Goal(goal)
    return Figure(what, median(seconds) * scale, unit, limit, openclaw, spread)
