"""Live events of a turn: shown as they happen, never stored, and dropped where a platform cannot show them."""

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
