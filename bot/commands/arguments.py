"""A skill's arguments as people type them, the usage line, and validation with readable errors."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from bot.commands.skill import Skill, SkillArgs
from bot.domain.errors import UsageError

KINDS = {
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "int_type": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "bool_parsing": "yes or no",
    "bool_type": "yes or no",
    "string_type": "text",
    "list_type": "a list",
}
"""Expected values in words, by pydantic's error type."""


@dataclass(frozen=True, slots=True)
class Field:
    """One argument as people type it."""

    name: str
    """Name as typed, such as `max-steps`."""
    key: str
    """Name as declared, such as `max_steps`."""
    kind: str
    """Kind of argument, which is `one` word, the `rest` of the words, or `option`."""
    required: bool
    many: bool
    """True if it takes several words, each as one value."""
    flag: bool
    choices: tuple[str, ...]
    value: str
    """Placeholder for its value in a usage line."""
    description: str
    known: tuple[str, ...] = ()
    """Values that a plain sentence may name, of those that the argument takes."""

    @property
    def shown(self) -> str:
        """Text in help and errors, such as `<product>` or `--limit NUMBER`."""
        if self.kind == "option":
            return f"--{self.name}" if self.flag else f"--{self.name} {self.value}"
        word = f"{self.name}…" if self.kind == "rest" else self.name
        return f"<{word}>" if self.required else f"[{word}]"


def fields(skill: Skill) -> tuple[Field, ...]:
    """Return the skill's arguments in the order of their declaration."""
    return _fields(skill.args)


def usage(skill: Skill, prefix: str = "/fleet ") -> str:
    """Return the usage line, such as `/fleet spawn <product> <objective…> [--capability NAME]`."""
    shown = (f"[{field.shown}]" if field.kind == "option" else field.shown for field in fields(skill))
    return " ".join([f"{prefix}{skill.name}", *shown])


def arguments(skill: Skill, values: Mapping[str, Any]) -> SkillArgs:
    """Validate arguments, wherever they come from. Raises UsageError with every problem."""
    try:
        return skill.args.model_validate(dict(values))
    except ValidationError as error:
        said = [_said(skill, each["loc"], each["type"], each["msg"], each.get("input")) for each in error.errors()]
        raise UsageError(" ".join(dict.fromkeys(said)), f"Usage: `{usage(skill)}`") from error


def _said(skill: Skill, where: tuple[int | str, ...], kind: str, message: str, given: Any) -> str:
    key = str(where[0]) if where else ""
    field = next((each for each in fields(skill) if each.key == key), None)
    message = message.removeprefix("Value error, ").rstrip(".")
    if field is None:
        return f"`{skill.name}` has no argument “{key[:60]}”." if kind == "extra_forbidden" else f"{message}."
    if kind == "missing" or (kind == "string_too_short" and not str(given).strip()):
        return f"`{skill.name}` needs `{field.shown}`: {field.description[:1].lower()}{field.description[1:]}"
    shown = f"`--{field.name}`" if field.kind == "option" else f"`{field.name}`"
    takes = f"one of {', '.join(field.choices)}" if field.choices else KINDS.get(kind)
    if takes is not None:
        return f"{shown} must be {takes}, not “{str(given)[:60]}”."
    if kind == "string_pattern_mismatch":
        return f"{shown} cannot be “{str(given)[:60]}”. {field.description}"
    return f"{shown} {_rule(message)}, not “{str(given)[:60]}”."


def _rule(message: str) -> str:
    """Return a rule of pydantic's in our words: `must be at least 1` for `Input should be greater than or equal to 1`."""
    said = message.removeprefix("Input ").replace("should ", "must ", 1)
    return said.replace("greater than or equal to", "at least").replace("less than or equal to", "at most")


@cache
def _fields(args: type[SkillArgs]) -> tuple[Field, ...]:
    return tuple(_field(key, info) for key, info in args.model_fields.items())


def _field(key: str, info: FieldInfo) -> Field:
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    kinds = [kind for kind in get_args(info.annotation) or (info.annotation,) if kind is not NoneType]
    if get_origin(info.annotation) in {Literal, list, tuple}:
        kinds = [info.annotation]
    choices = [str(choice) for kind in kinds if get_origin(kind) is Literal for choice in get_args(kind)]
    return Field(
        name=key.replace("_", "-"),
        key=key,
        kind=str(extra.get("words", "option")),
        required=info.is_required(),
        many=any(get_origin(kind) in {list, tuple} for kind in kinds),
        flag=info.annotation is bool,
        choices=tuple(choices),
        value=str(extra.get("value") or "|".join(choices) or ("NUMBER" if {int, float} & set(kinds) else "NAME")),
        description=info.description or "",
        known=_known(extra),
    )


def _known(extra: Mapping[str, Any]) -> tuple[str, ...]:
    known = extra.get("known", ())
    return tuple(map(str, known)) if isinstance(known, (list, tuple)) else ()
