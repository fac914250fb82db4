"""Live events of a turn, which are shown as they happen and never stored."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Delta:
    """More text of an answer that is being written."""

    text: str


@dataclass(frozen=True, slots=True)
class Doing:
    """Current activity of the turn, such as `reading product-a`. Empty text means that it has stopped."""

    text: str
    skill: str = ""


Live = Delta | Doing
