"""Slash commands as typed command lines, and completions for their arguments. Pure."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from bot.chat.discord.to_commands import GROUP, SUBCOMMAND
from bot.commands.catalogue import fields, named
from bot.commands.grammar import QUOTES
from bot.commands.skill import Skill
from bot.domain import GateState, Person, Role, access
from bot.fleet import Fleet
from bot.text.wording import shortened

MOST = 25
"""Completions that Discord shows."""
Choice = tuple[str, str]
"""A completion's label (up to 100 characters) and value."""


def line(data: Mapping[str, Any], skills: Sequence[Skill]) -> str:
    """Return the command as one line, such as `/fleet spawn product-a --capability scout find out why`."""
    name, given = _leaf(data)
    skill = named(name, skills)
    if skill is None:
        return f"/fleet {name}"
    words = ["/fleet", name]
    rest = ""
    for field in fields(skill):
        value = given.get(field.name)
        if value is None or (value is False and field.flag):
            continue
        if field.kind == "rest":
            rest = str(value).strip()
        elif field.kind == "one":
            words.insert(_places(words), _word(str(value)))
        else:
            words.append(f"--{field.name}" if field.flag else f"--{field.name}={_word(str(value))}")
    if rest and (re.search(r"(^|\s)[-—–]", rest) or QUOTES.get(rest[0])):
        words.append("--")
    return " ".join([*words, *([rest] if rest else [])])


def typed(data: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return the skill, the argument and the partial value that a person is typing."""
    name, _ = _leaf(data)
    found = next((each for each in _options(data) if each.get("focused")), {})
    return name, str(found.get("name", "")), str(found.get("value", ""))


def choices(argument: str, so_far: str, fleet: Fleet, skills: Sequence[Skill], person: Person) -> list[Choice]:
    """Return the completions that contain the partial value, limited to what the person may see."""
    if access.may(person, Role.VIEWER):
        return []
    before, _, last = so_far.rpartition(" ") if argument == "products" else ("", "", so_far)
    wanted = last.strip().lower()
    known = (each for source in _SOURCES.get(argument, ()) for each in source(fleet, skills, person))
    found = [(shown, value) for shown, value in known if wanted in shown.lower()]
    found.sort(key=lambda each: not each[1].lower().startswith(wanted))
    whole = f"{before} " if before else ""
    return [(shortened(whole + shown, 100), (whole + value)[:100]) for shown, value in found[:MOST]]


def _products(fleet: Fleet, skills: Sequence[Skill], person: Person) -> Iterator[Choice]:
    for name in fleet.products:
        if access.may(person, Role.VIEWER, name) is None:
            yield name, name


def _gates(fleet: Fleet, skills: Sequence[Skill], person: Person) -> Iterator[Choice]:
    for gate in reversed(fleet.store.gates.in_states(GateState.OPEN)):
        if access.may(person, Role.VIEWER, gate.product) is None:
            yield f"{gate.id} · {gate.product}: {gate.title}", gate.id


def _work(fleet: Fleet, skills: Sequence[Skill], person: Person) -> Iterator[Choice]:
    for work in reversed(fleet.store.work.open()):
        if access.may(person, Role.VIEWER, work.product) is None:
            yield f"{work.id} · {work.product}, {work.state}: {work.objective}", work.id


def _agents(fleet: Fleet, skills: Sequence[Skill], person: Person) -> Iterator[Choice]:
    for snapshot in fleet.snapshots.values():
        if access.may(person, Role.VIEWER, snapshot.product) is None:
            yield from ((f"{each.agent} · {snapshot.product}", each.agent) for each in snapshot.active)


def _skills(fleet: Fleet, skills: Sequence[Skill], person: Person) -> Iterator[Choice]:
    return ((f"{skill.name}: {skill.summary}", skill.name) for skill in skills)


_SOURCES: dict[str, Sequence[Callable[[Fleet, Sequence[Skill], Person], Iterator[Choice]]]] = {
    "product": [_products],
    "products": [_products],
    "focus": [_products],
    "gate": [_gates],
    "work": [_work],
    "before": [_work],
    "after": [_work],
    "what": [_work, _products],
    "about": [_gates, _work, _products],
    "agent": [_agents],
    "command": [_skills],
}


def _leaf(data: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the skill's name and the given arguments."""
    node: Mapping[str, Any] = data
    while (inner := (node.get("options") or [{}])[0]).get("type") in (SUBCOMMAND, GROUP):
        node = inner
    return str(node.get("name", "")), {each["name"]: each.get("value") for each in node.get("options") or ()}


def _options(data: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for each in data.get("options") or ():
        yield each
        yield from _options(each)


def _places(words: Sequence[str]) -> int:
    """Return the index for the next positional word, before all options."""
    return next((at for at, word in enumerate(words) if word.startswith("--")), len(words))


def _word(text: str) -> str:
    """Return a text as one word of a command line, quoted if needed."""
    text = " ".join(text.split())
    if text and not re.search(r"\s", text) and text[0] not in "-—–" and text[0] not in QUOTES:
        return text
    for opening, closing in QUOTES.items():
        if closing not in text:
            return f"{opening}{text}{closing}"
    return '"' + text.replace('"', "'") + '"'
