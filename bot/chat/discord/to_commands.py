"""The commands that Discord offers, made of the skills: `/fleet <skill>` with typed options, and a command on messages. Pure.

Discord takes 25 subcommands, 25 in each group below them, and 8,000 characters for one command with all its descriptions. One
too many and it refuses all of them, so what finds no place is left out, and can still be said: `!name`.
"""

from bisect import bisect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bot.commands.arguments import Field
from bot.commands.catalogue import fields
from bot.commands.skill import Skill
from bot.domain import Role
from bot.text.wording import shortened

TASK = "Make this a task"
"""The command on a message."""
CHAT, MESSAGE = 1, 3
SUBCOMMAND, GROUP, TEXT, INTEGER, BOOLEAN, NUMBER = 1, 2, 3, 4, 5, 10
MOST, SIZE = 25, 8000
MORE = "more"
"""The group of the skills that find no place in the first row; a second one is `more-2`."""
OFFERED = frozenset({"product", "products", "focus", "gate", "work", "before", "after", "what", "about", "agent", "command"})
"""Arguments for which Discord asks us what there is while a person types."""
TYPES = {"integer": INTEGER, "number": NUMBER, "boolean": BOOLEAN}
LENGTHS = (100, 80, 60, 45, 30, 20)
"""Characters of a description, as long as there is room."""
LONGEST_TEXT = 6000
"""Characters of one option."""


def commands(skills: Sequence[Skill]) -> list[dict[str, Any]]:
    """All commands, as Discord registers them: in guilds and in direct messages."""
    everywhere = {"contexts": [0, 1], "integration_types": [0]}
    fleet = {"name": "fleet", "description": "The fleet of products: look, ask, start, decide.", "type": CHAT}
    offered = sorted(skills, key=lambda skill: (list(Role).index(skill.role), skill.name))

    def offering(number: int, most: int) -> dict[str, Any]:
        return {**fleet, "options": _all(offered[:number], most)}

    number, least = len(offered), LENGTHS[-1]
    most = next((most for most in LENGTHS if size(offering(number, most)) <= SIZE), least)
    if most == least:
        number = bisect(range(number + 1), SIZE, key=lambda number: size(offering(number, least))) - 1
    return [{**offering(number, most), **everywhere}, {"name": TASK, "type": MESSAGE, **everywhere}]


def size(node: Mapping[str, Any]) -> int:
    """Characters of a command that Discord counts."""
    choices = sum(len(each["name"]) + len(str(each["value"])) for each in node.get("choices") or ())
    return len(node["name"]) + len(node.get("description", "")) + choices + sum(map(size, node.get("options") or ()))


def left_out(made: Sequence[Mapping[str, Any]], skills: Sequence[Skill]) -> list[str]:
    """The skills for which there is no room among these commands."""
    found = {leaf["name"] for each in made[0]["options"] for leaf in (each["options"] if each["type"] == GROUP else [each])}
    return [skill.name for skill in skills if skill.name not in found]


def _all(skills: Sequence[Skill], most: int) -> list[dict[str, Any]]:
    """The skills in the first row; where they are too many, the last of them come in groups under `more`."""
    groups = max(0, -(-(len(skills) - MOST) // (MOST - 1)))  # each takes one place and gives 25
    row, rest = skills[: MOST - groups], skills[MOST - groups :]
    return [*_named(row, most), *(_group(rest[MOST * at : MOST * (at + 1)], at, most) for at in range(groups))]


def _group(skills: Sequence[Skill], at: int, most: int) -> dict[str, Any]:
    name = f"{MORE}-{at + 1}" if at else MORE
    return {"name": name, "description": "What is asked for less often.", "type": GROUP, "options": _named(skills, most)}


def _named(skills: Sequence[Skill], most: int) -> list[dict[str, Any]]:
    """In the order of their names, as people look for them."""
    return [_one(skill, most) for skill in sorted(skills, key=lambda skill: skill.name)]


def _one(skill: Skill, most: int) -> dict[str, Any]:
    properties = skill.args.model_json_schema().get("properties", {})
    options = [_option(field, properties.get(field.key, {}), most) for field in fields(skill)]
    options.sort(key=lambda option: not option.get("required", False))
    return {"name": skill.name, "description": shortened(skill.summary, most), "type": SUBCOMMAND, "options": options[:MOST]}


def _option(field: Field, schema: Mapping[str, Any], most: int) -> dict[str, Any]:
    """One option. A product may be left out: its channel says which is meant."""
    kinds = [each for each in (schema, *schema.get("anyOf", ())) if each.get("type") not in (None, "null", "array")]
    kind = TYPES.get(kinds[0]["type"], TEXT) if kinds else TEXT
    option: dict[str, Any] = {"name": field.name, "description": shortened(field.description, most) or field.name, "type": kind}
    if field.required and field.key != "product":
        option["required"] = True
    if field.choices:
        option["choices"] = [{"name": choice, "value": choice} for choice in field.choices[:MOST]]
    elif field.key in OFFERED:
        option["autocomplete"] = True
    option.update(_limits(kind, kinds[0] if kinds else {}))
    return option


def _limits(kind: int, schema: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    if kind in (INTEGER, NUMBER):
        for key, name in (("minimum", "min_value"), ("maximum", "max_value")):
            if key in schema:
                yield name, int(schema[key])
    elif kind == TEXT and "maxLength" in schema:
        yield "max_length", min(int(schema["maxLength"]), LONGEST_TEXT)
