"""Custom ids of buttons, menus and forms, which any later process understands.

gate:<gate>:<option>:<revision>:<digest>   a choice on a gate's card, by the option's index
pick:<gate>:<revision>:<digest>            a menu of options, for gates with too many options for buttons
note:<gate>:<option>:<revision>:<digest>   the form of a choice that takes a note
say:<post>:<index>                         a suggestion of a post, by its index
sure:gate:… and sure:say:…                 the same, confirmed by the person
task:<message>                             the form that makes a message a task
stop                                       the Stop button of this conversation's turn
"""

import re
from dataclasses import dataclass

from bot.domain import Gate

LONGEST = 100
"""Characters that Discord allows."""
_BOUND = r"(?P<revision>\d{1,9}):(?P<digest>[0-9a-f]{64})"
GATE = re.compile(rf"(?P<sure>sure:)?gate:(?P<gate>g\d{{1,12}}):(?P<option>\d{{1,2}}):{_BOUND}")
PICK = re.compile(rf"pick:(?P<gate>g\d{{1,12}}):{_BOUND}")
NOTE = re.compile(rf"note:(?P<gate>g\d{{1,12}}):(?P<option>\d{{1,2}}):{_BOUND}")
SAY = re.compile(r"(?P<sure>sure:)?say:(?P<post>\d{1,15}):(?P<index>\d{1,2})")
TASK = re.compile(r"task:(?P<message>\d{1,20})")
STOP = re.compile(r"stop")


@dataclass(frozen=True, slots=True)
class Shown:
    """A choice as the person's card showed it.

    It has the option's index, and the gate's revision and digest at that time.
    """

    gate: str
    option: int
    revision: int
    digest: str
    confirmed: bool = False
    """True once the person confirmed an action that cannot be undone."""


def is_current(custom_id: str) -> bool:
    """Return True for a button or menu of this version."""
    return any(each.fullmatch(custom_id) for each in (GATE, PICK, SAY, STOP))


def shown(found: re.Match[str], option: int | None = None) -> Shown:
    """Return the choice in a match of GATE, PICK or NOTE. `option` is the one picked in a menu."""
    index = int(found["option"]) if option is None else option
    return Shown(found["gate"], index, int(found["revision"]), found["digest"], bool(found.groupdict().get("sure")))


def gate(gate: Gate, option: int) -> str:
    """Return the id of a gate's button."""
    return f"gate:{gate.id}:{option}:{gate.revision}:{gate.digest}"


def confirmed(custom_id: str) -> str:
    """Return the id of the button that confirms another."""
    return f"sure:{custom_id}"


def pick(gate: Gate) -> str:
    """Return the id of a gate's menu."""
    return f"pick:{gate.id}:{gate.revision}:{gate.digest}"


def note(each: Shown) -> str:
    """Return the id of the form that asks for a note."""
    return f"note:{each.gate}:{each.option}:{each.revision}:{each.digest}"


def say(post: int, index: int) -> str:
    """Return the id of a suggestion's button."""
    return f"say:{post}:{index}"


def task(message: int) -> str:
    """Return the id of the form that makes a message a task."""
    return f"task:{message}"
