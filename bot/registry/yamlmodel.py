"""Validation of a YAML document by a pydantic model, with a position for each problem.

Invalid values are removed and the rest is validated again, so that later checks across sections still see all valid values
and one load reports every problem.
"""

from collections.abc import Callable
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, ClassVar, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bot.registry.yamlfile import Document, Path

_AT = "\0at"
"""Key that carries the path of a mapping to the model. No key of a file can contain it."""


class Section(BaseModel):
    """Base of every mapping of the file, frozen, without unknown keys, and aware of its path."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, str_strip_whitespace=True)
    noun: ClassVar[str] = ""
    """Name of one entry in a list of these, such as `product`, empty for a section that is not in a list."""
    renamed: ClassVar[dict[str, str]] = {}
    """Current names of keys that were renamed. Files with the former names still load."""

    at: Path = Field(default=(), alias="\0at", repr=False, exclude=True)
    """Path from the top of the file."""

    @classmethod
    def keys(cls) -> dict[str, Any]:
        """Return the keys as written in the file, with their fields."""
        return {info.alias or name: info for name, info in cls.model_fields.items() if name != "at"}


SectionT = TypeVar("SectionT", bound=Section)


def validate(model: type[SectionT], document: Document) -> SectionT:
    """Return the valid part of the document as `model`, and add every problem to the document."""
    if document.value is not None and not isinstance(document.value, dict):
        document.problem((), f"The file must be a mapping (key: value), not {_found(document.value)}.")
    _rename(model, document, document.value, ())
    value = _placed(document.value, ()) if isinstance(document.value, dict) else {}
    while True:
        try:
            return model.model_validate(value)
        except ValidationError as error:
            errors = error.errors(include_url=False)
        for item in errors:
            _report(model, document, _origin(value, item["loc"]), item)
        _prune(value, {item["loc"][:-1] if item["type"] == "missing" else item["loc"] for item in errors})


@lru_cache(maxsize=4096)
def suggestion(word: str, known: tuple[str, ...], otherwise: str = "") -> str:
    """Return ` Did you mean …?` with the most similar known word, else `otherwise`."""
    lower = {name.casefold(): name for name in known}
    near = get_close_matches(word.casefold()[:80], lower, n=1, cutoff=0.6)
    return f" Did you mean {lower[near[0]]}?" if near else otherwise


def label(document: Document, model: type[Section], path: Path) -> tuple[str, str]:
    """Return the entry of a path (`product-c: ` or nothing) and the keys inside (`approvals.required`)."""
    for depth, part in enumerate(path):
        if isinstance(part, int):
            section = _model_at(model, path[: depth + 1])
            if section is None or not section.noun:
                break
            return f"{_entry_name(document, path[: depth + 1], section)}: ", _dotted(path[depth + 1 :])
    return "", _dotted(path)


def _dotted(path: Path) -> str:
    return ".".join(part for part in path if isinstance(part, str))


def _entry_name(document: Document, path: Path, section: type[Section]) -> str:
    value = document.at(path)
    name = value.get("name") if isinstance(value, dict) else None
    return name if isinstance(name, str) and name else f"{section.noun} {int(path[-1]) + 1}"


def _rename(model: type[Section], document: Document, value: Any, path: Path) -> None:
    """Replace former key names by the current ones, in the document's values and positions."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            _rename(model, document, item, (*path, index))
    if not isinstance(value, dict):
        return
    section = _model_at(model, path)
    for former, current in section.renamed.items() if section else ():
        if former in value and current not in value:
            value[current] = value.pop(former)
            for positions in (document.keys, document.values):
                positions[(*path, current)] = positions[(*path, former)]
    for key, item in value.items():
        _rename(model, document, item, (*path, key))


def _placed(value: Any, path: Path) -> Any:
    """Return a copy in which every mapping carries its path, without empty sections at the top."""
    if isinstance(value, dict):
        kept = {key: item for key, item in value.items() if path or item is not None}
        return {**{key: _placed(item, (*path, key)) for key, item in kept.items()}, _AT: path}
    if isinstance(value, list):
        return [_placed(item, (*path, index)) for index, item in enumerate(value)]
    return value


def _origin(value: Any, loc: Path) -> Path:
    """Return the path in the file of the value that is now at `loc`."""
    path: Path = ()
    for part in loc:
        if isinstance(value, dict):
            path = value.get(_AT, path)
            value = value.get(str(part))
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        path = (*path, part)
    return value[_AT] if isinstance(value, dict) and _AT in value else path


def _prune(value: Any, targets: set[Path]) -> None:
    def order(path: Path) -> list[tuple[int, str]]:
        return [(part, "") if isinstance(part, int) else (-1, part) for part in path]

    for path in sorted(targets, key=order, reverse=True):
        if any(path[:depth] in targets for depth in range(len(path))):
            continue
        parent = value
        for part in path[:-1]:
            parent = parent[part]
        del parent[path[-1]]


def _report(model: type[Section], document: Document, path: Path, error: Any) -> None:
    kind, key = error["type"], str(path[-1])
    entry, what = label(document, model, path)
    subject = f"{entry}{what}" if what else entry.removesuffix(": ")
    if kind == "extra_forbidden":
        document.problem(path, f"{entry}{_unknown(model, document, path, key)}", key=True)
    elif kind == "value_error":
        document.problem(path, f"{subject}: {error['ctx']['error']}")
    elif kind != "missing":
        says = _WORDS[kind](error.get("ctx", {}), error["input"]) if kind in _WORDS else f"is invalid: {error['msg']}"
        text = f"{subject} {says}"
        document.problem(path, text if text.endswith("?") else f"{text}.")
    elif not isinstance(given := document.at(path[:-1]), dict) or key not in given:
        document.problem(path[:-1], f"{subject} is missing.")


def _unknown(model: type[Section], document: Document, path: Path, key: str) -> str:
    section = _model_at(model, path[:-1]) or model
    owner = f"a {section.noun}" if section.noun else label(document, model, path[:-1])[1]
    known = tuple(section.keys())
    return f"{key[:60]} is not a key of {owner or 'this file'}." + suggestion(key, known, f" Known keys: {', '.join(known)}.")


def _model_at(model: type[Section], path: Path) -> type[Section] | None:
    """Return the section at a path, or None for a plain value."""
    here: type[Section] | None = model
    for part in path:
        if isinstance(part, str) and here is not None:
            field = here.keys().get(part)
            here = _section_in(field.annotation) if field else None
    return here


def _section_in(annotation: Any) -> type[Section] | None:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    return next((found for inner in get_args(annotation) if (found := _section_in(inner))), None)


def _found(given: Any) -> str:
    if isinstance(given, dict):
        return "a mapping"
    if isinstance(given, list):
        return "a list"
    if given is None:
        return "nothing"
    text = str(given)
    return text if len(text) <= 40 else f"{text[:37]}…"


def _choice(context: dict[str, Any], given: Any) -> str:
    known = tuple(word.strip("'") for word in context["expected"].replace(" or ", ", ").split(", "))
    near = suggestion(given, known) if isinstance(given, str) else ""
    return f"must be one of {', '.join(known)}, not {_found(given)}{'.' if near else ''}{near}"


_Says = Callable[[dict[str, Any], Any], str]


def _must(what: str) -> _Says:
    return lambda context, given: f"must be {what.format(**context)}, not {_found(given)}"


_WORDS: dict[str, _Says] = {
    "literal_error": _choice,
    "enum": _choice,
    **dict.fromkeys(("string_type",), _must("text")),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float", "int_parsing_size"), _must("a whole number")),
    **dict.fromkeys(("float_type", "float_parsing", "finite_number"), _must("a number")),
    **dict.fromkeys(("bool_type", "bool_parsing"), _must("true or false")),
    **dict.fromkeys(("list_type", "tuple_type"), _must('a list (lines that begin with "- ", or [a, b])')),
    **dict.fromkeys(("model_type", "dict_type", "model_attributes_type"), _must("a mapping (key: value)")),
    "string_too_short": lambda context, given: "must not be empty",
    "string_too_long": _must("at most {max_length} characters"),
    "greater_than": _must("more than {gt:g}"),
    "greater_than_equal": _must("{ge:g} or more"),
    "less_than": _must("less than {lt:g}"),
    "less_than_equal": _must("{le:g} or less"),
}
"""Message for each type of pydantic error."""
