"""Figures with their goals, and the arithmetic behind them."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from statistics import median


@dataclass(frozen=True, slots=True)
class Goal:
    """A limit for a figure, either an upper bound or, with `at_least`, a lower bound."""

    limit: float
    at_least: bool = False

    def met(self, value: float) -> bool:
        """Return True if a value meets the goal."""
        return value >= self.limit if self.at_least else value < self.limit


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value in its unit. `spread` describes the distribution of the single values."""

    what: str
    value: float
    unit: str
    goal: Goal | None = None
    openclaw: str = ""
    spread: str = ""

    @property
    def missed(self) -> bool:
        """True if there is a goal and the value misses it."""
        return self.goal is not None and not self.goal.met(self.value)

    @property
    def measured(self) -> str:
        """The formatted value with its spread."""
        said = amount(self.value, self.unit)
        return f"{said} ({self.spread})" if self.spread else said

    @property
    def aim(self) -> str:
        """The formatted goal, or an empty string without one."""
        if self.goal is None:
            return ""
        return f"{'at least' if self.goal.at_least else 'under'} {amount(self.goal.limit, self.unit)}"


@dataclass(frozen=True, slots=True)
class Section:
    """One measurement with its title, method, figures and notes."""

    title: str
    method: str
    figures: tuple[Figure, ...] = ()
    notes: tuple[str, ...] = ()
    unmeasured: str = ""
    """Reason why there are no figures, such as a missing Docker engine."""


class Unavailable(Exception):
    """Raised when this machine lacks something a measurement needs."""


def amount(value: float, unit: str) -> str:
    """Format a value with three significant digits and its unit."""
    digits = 0 if abs(value) >= 100 or value == int(value) else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f} {unit}".strip()


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that at least `percent` of all values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, ceil(len(ordered) * percent / 100) - 1)]


def middle(what: str, seconds: Sequence[float], *, goal: float | None = None, openclaw: str = "", unit: str = "ms") -> Figure:
    """Return the median of times (given in seconds) in ms or s, with the 95th percentile and the count."""
    scale = 1000.0 if unit == "ms" else 1.0
    spread = f"p95 {amount(percentile(seconds, 95) * scale, unit)}, n = {len(seconds)}"
    limit = None if goal is None else Goal(goal)
    return Figure(what, median(seconds) * scale, unit, limit, openclaw, spread)
