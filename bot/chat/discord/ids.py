"""What a button, a menu or a form carries: a few words in at most 100 characters, understood by any later process.

gate:<gate>:<option>:<revision>:<digest>   a choice on a gate's card; the option by its place
pick:<gate>:<revision>:<digest>            a menu of options, where they are too many for buttons
note:<gate>:<option>:<revision>:<digest>   the form for a choice that takes a note
say:<post>:<place>                         a suggestion of a post, by its place
sure:gate:… and sure:say:…                 the same, of what cannot be taken back: they were asked and are sure
task:<message>                             the form that makes a message a task
stop                                       stop the turn of this conversation
"""

import re
from dataclasses import dataclass

from bot.domain import Gate

LONGEST = 100
"""Characters that Discord takes."""
_BOUND = r"(?P<revision>\d{1,9}):(?P<digest>[0-9a-f]{64})"
GATE = re.compile(rf"(?P<sure>sure:)?gate:(?P<gate>g\d{{1,12}}):(?P<option>\d{{1,2}}):{_BOUND}")
PICK = re.compile(rf"pick:(?P<gate>g\d{{1,12}}):{_BOUND}")
NOTE = re.compile(rf"note:(?P<gate>g\d{{1,12}}):(?P<option>\d{{1,2}}):{_BOUND}")
SAY = re.compile(r"(?P<sure>sure:)?say:(?P<post>\d{1,15}):(?P<place>\d{1,2})")
TASK = re.compile(r"task:(?P<message>\d{1,20})")
STOP = re.compile(r"stop")


@dataclass(frozen=True, slots=True)
class Shown:
    """A choice as a card showed it: of this gate, this option by its place, at this revision with this digest."""

    gate: str
    option: int
    revision: int
    digest: str
    sure: bool = False
    """Whether the person was asked once more."""


def shown(found: re.Match[str], option: int | None = None) -> Shown:
    """What a match of GATE, PICK or NOTE says; a menu's option comes from what was picked."""
    place = int(found["option"]) if option is None else option
    return Shown(found["gate"], place, int(found["revision"]), found["digest"], bool(found.groupdict().get("sure")))


def gate(gate: Gate, option: int) -> str:
    """Of a button."""
    return f"gate:{gate.id}:{option}:{gate.revision}:{gate.digest}"


def sure(custom_id: str) -> str:
    """Of the button that does what cannot be taken back."""
    return f"sure:{custom_id}"


def pick(gate: Gate) -> str:
    """Of a menu."""
    return f"pick:{gate.id}:{gate.revision}:{gate.digest}"


def note(each: Shown) -> str:
    """Of the form that asks for a note."""
    return f"note:{each.gate}:{each.option}:{each.revision}:{each.digest}"


def say(post: int, place: int) -> str:
    """Of a suggestion."""
    return f"say:{post}:{place}"


def task(message: int) -> str:
    """Of the form that makes a message a task."""
    return f"task:{message}"
