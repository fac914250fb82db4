"""Discord's commands, made from the skills. Pure.

They are `/fleet <skill>` and a command on messages. Discord allows 25 subcommands, 25 in each group, and 8,000 characters for
one command with its descriptions. It refuses all commands if there is one too many, so a skill that does not fit is left out
and works as `!name`.
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
"""Name of the command on a message."""
CHAT, MESSAGE = 1, 3
SUBCOMMAND, GROUP, TEXT, INTEGER, BOOLEAN, NUMBER = 1, 2, 3, 4, 5, 10
MOST, SIZE = 25, 8000
MORE = "more"
"""Group of the skills beyond the first level. The second group is `more-2`."""
OFFERED = frozenset({"product", "products", "focus", "gate", "work", "before", "after", "what", "about", "agent", "command"})
"""Arguments that Discord completes while a person types."""
TYPES = {"integer": INTEGER, "number": NUMBER, "boolean": BOOLEAN}
LENGTHS = (100, 80, 60, 45, 30, 20)
"""Characters of a description. The longest that fits is used."""
LONGEST_TEXT = 6000
"""Characters of one option."""


def commands(skills: Sequence[Skill]) -> list[dict[str, Any]]:
    """Return all commands as Discord registers them, for servers and direct messages."""
    everywhere = {"contexts": [0, 1], "integration_types": [0]}
    fleet = {"name": "fleet", "description": "Ask about, start and decide work on your products.", "type": CHAT}
    offered = sorted(skills, key=lambda skill: (list(Role).index(skill.role), skill.name))

    def offering(number: int, most: int) -> dict[str, Any]:
        return {**fleet, "options": _all(offered[:number], most)}

    number, least = len(offered), LENGTHS[-1]
    most = next((most for most in LENGTHS if size(offering(number, most)) <= SIZE), least)
    if most == least:
        number = bisect(range(number + 1), SIZE, key=lambda number: size(offering(number, least))) - 1
    return [{**offering(number, most), **everywhere}, {"name": TASK, "type": MESSAGE, **everywhere}]


def size(node: Mapping[str, Any]) -> int:
    """Return the number of characters that Discord counts in a command."""
    choices = sum(len(each["name"]) + len(str(each["value"])) for each in node.get("choices") or ())
    return len(node["name"]) + len(node.get("description", "")) + choices + sum(map(size, node.get("options") or ()))


def left_out(made: Sequence[Mapping[str, Any]], skills: Sequence[Skill]) -> list[str]:
    """Return the skills that do not fit into these commands."""
    found = {leaf["name"] for each in made[0]["options"] for leaf in (each["options"] if each["type"] == GROUP else [each])}
    return [skill.name for skill in skills if skill.name not in found]


def _all(skills: Sequence[Skill], most: int) -> list[dict[str, Any]]:
    """Return the skills as subcommands, with groups for those beyond the first level."""
    groups = max(0, -(-(len(skills) - MOST) // (MOST - 1)))  # each uses one entry and holds 25
    row, rest = skills[: MOST - groups], skills[MOST - groups :]
    return [*_named(row, most), *(_group(rest[MOST * at : MOST * (at + 1)], at, most) for at in range(groups))]


def _group(skills: Sequence[Skill], at: int, most: int) -> dict[str, Any]:
    name = f"{MORE}-{at + 1}" if at else MORE
    return {"name": name, "description": "Less common commands.", "type": GROUP, "options": _named(skills, most)}


def _named(skills: Sequence[Skill], most: int) -> list[dict[str, Any]]:
    """Return the skills as subcommands in alphabetical order."""
    return [_one(skill, most) for skill in sorted(skills, key=lambda skill: skill.name)]


def _one(skill: Skill, most: int) -> dict[str, Any]:
    properties = skill.args.model_json_schema().get("properties", {})
    options = [_option(field, properties.get(field.key, {}), most) for field in fields(skill)]
    options.sort(key=lambda option: not option.get("required", False))
    return {"name": skill.name, "description": shortened(skill.summary, most), "type": SUBCOMMAND, "options": options[:MOST]}


def _option(field: Field, schema: Mapping[str, Any], most: int) -> dict[str, Any]:
    """Return one option. A product is optional, because a channel implies it."""
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
