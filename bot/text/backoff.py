"""How long to wait between the attempts of something that fails."""

import random
from dataclasses import dataclass

HIGHEST_POWER = 64
"""Keeps the arithmetic finite for attempts that have gone on for months."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponentially growing pauses, in seconds."""

    first: float
    longest: float
    factor: float = 2.0
    jitter: float = 0.0
    """Share by which a pause varies at random: 0.25 means between 75 % and 125 % of it."""

    def pause(self, attempt: int) -> float:
        """Return the pause after the failed attempt with this number, counted from 1."""
        pause = min(self.first * self.factor ** min(max(attempt - 1, 0), HIGHEST_POWER), self.longest)
        return pause * random.uniform(1 - self.jitter, 1 + self.jitter) if self.jitter else pause  # noqa: S311
