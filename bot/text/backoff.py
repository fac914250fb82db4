"""Delays between the attempts of an operation that fails."""

import random
from dataclasses import dataclass

HIGHEST_POWER = 64
"""Largest exponent, which keeps the arithmetic finite after months of attempts."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponentially growing pauses, in seconds."""

    first: float
    longest: float
    factor: float = 2.0
    jitter: float = 0.0
    """Random variation of a pause, where 0.25 means between 75 % and 125 %."""

    def pause(self, attempt: int) -> float:
        """Return the pause after the failed attempt with this number, counted from 1."""
        pause = min(self.first * self.factor ** min(max(attempt - 1, 0), HIGHEST_POWER), self.longest)
        return pause * random.uniform(1 - self.jitter, 1 + self.jitter) if self.jitter else pause  # noqa: S311
