"""Finds the skills and builds their Claude tools.

`bot.commands.grammar` reads a skill's words, and `bot.commands.arguments` validates them.
"""

import importlib
import importlib.util
import pkgutil
from typing import Any

from bot.commands.arguments import arguments, fields, usage
from bot.commands.grammar import PREFIX, is_command, named, parse, suggestions
from bot.commands.skill import Skill
from bot.domain.errors import FleetError

__all__ = [
    "PREFIX",
    "arguments",
    "fields",
    "input_schema",
    "irreversible",
    "is_command",
    "load",
    "named",
    "one",
    "parse",
    "suggestions",
    "tool",
    "usage",
]

OURS = frozenset({"title", "words", "value", "known"})
"""Keys of a field's schema that mean nothing to the model."""


def load(package: str = "skills") -> tuple[Skill, ...]:
    """Load every skill of the package, sorted by name.

    Raises FleetError for a module without exactly one skill, and for two skills of one name."""
    found: dict[str, Skill] = {}
    folder = importlib.import_module(package)
    for name in sorted(module.name for module in pkgutil.iter_modules(folder.__path__)):
        skill = _declared(package, name)
        if skill.name in found:
            raise FleetError(f"Two skills are named {skill.name}; one is in {package}/{name}.py.", "Rename one of them.")
        found[skill.name] = skill
    return tuple(found[name] for name in sorted(found))


def one(name: str, package: str = "skills") -> Skill | None:
    """Load the skill of this name without the others, so that a command starts at once.

    None if there is none."""
    module = name.lower().replace("-", "_")
    if not module.isidentifier() or importlib.util.find_spec(f"{package}.{module}") is None:
        return None
    return _declared(package, module)


def irreversible(command: str) -> bool:
    """Return True if a `/fleet …` command cannot be undone, so that its button asks for confirmation."""
    words = command.removeprefix("/fleet ").split(maxsplit=1)
    skill = one(words[0]) if words else None
    return skill is not None and skill.irreversible


def _declared(package: str, name: str) -> Skill:
    module = importlib.import_module(f"{package}.{name}")
    own = [each for each in vars(module).values() if isinstance(each, Skill) and each.run.__module__ == module.__name__]
    if len(own) != 1:
        raise FleetError(
            f"{package}/{name}.py declares {len(own)} skills.", "Give it exactly one function decorated with @skill."
        )
    return own[0]


def tool(skill: Skill) -> dict[str, Any]:
    """Return the skill as a tool of the Messages API.

    It names no product, so that the prompt cache stays valid."""
    return {"name": skill.tool, "description": skill.description, "input_schema": input_schema(skill)}


def input_schema(skill: Skill) -> dict[str, Any]:
    """Return the JSON Schema of the arguments, without keys that only cost tokens."""
    schema: dict[str, Any] = {"properties": {}, **_compact(skill.args.model_json_schema())}
    return {key: schema[key] for key in ("type", "properties", "required", "additionalProperties", "$defs") if key in schema}


def _compact(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_compact(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    options = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    if len(options) == 1:
        schema = {**options[0], **{key: value for key, value in schema.items() if key != "anyOf"}}
    return {
        key: {name: _compact(each) for name, each in value.items()} if key in {"properties", "$defs"} else _compact(value)
        for key, value in schema.items()
        if key not in OURS and (key, value) not in (("default", None), ("default", []), ("default", ""))
    }
