"""Tables of docs/reference.md, generated from the code.

`python -m tests.docs_tables` writes them into the page, between `<!-- made: NAME -->` and `<!-- end -->`.
`tests/test_docs.py` fails if a table is not current.
"""

import ast
import inspect
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from aiohttp import web
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from bot.chat.web import application, from_request
from bot.chat.web.auth import is_open
from bot.chat.web.errors import status_of
from bot.commands import catalogue
from bot.commands.skill import Skill
from bot.domain import Role
from bot.domain.errors import EngineError, RuntimeUnreachable
from bot.registry import schema, values
from bot.registry.yamlmodel import Section
from bot.settings import VARIABLES
from bot.supervisor.protocol import ERROR_CODES

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference.md"
BLOCK = re.compile(r"(<!-- made: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)

SECTIONS: dict[str, type[Section]] = {
    "registry": schema.RegistrySection,
    "products": schema.ProductSection,
    "scheduling": schema.Scheduling,
    "resource_budget": schema.ResourceBudget,
    "people": schema.PersonSection,
    "approvals": schema.ApprovalsSection,
    "budget": schema.BudgetSection,
    "runtimes": schema.Runtime,
    "paths": schema.PathMap,
    "schedules": schema.Schedule,
    "digest": schema.Digest,
    "quiet_hours": schema.QuietHours,
    "retention": schema.RetentionSection,
    "audit": schema.AuditSection,
    "agent": schema.AgentLimits,
}
"""Sections of products.yaml, by key."""

KINDS: tuple[tuple[Any, str], ...] = (
    (values.Name, "a name"),
    (values.Text, "text"),
    (values.Days, "a whole number"),
    (values.Minutes, "minutes, `2h` or `1d`"),
    (values.Dollars, "US dollars"),
    (values.Zone, "a time zone"),
    (values.Clock, "a time of day, `22:00`"),
    (values.Channel, "a channel"),
    (Role, " ".join(f"`{each}`" for each in Role)),
    (bool, "`true` or `false`"),
    (int, "a whole number"),
    (float, "a number"),
    (str, "text"),
)


def made() -> dict[str, str]:
    """Return every table, by its name on the page."""
    return {
        "variables": table(("variable", "meaning", "default"), _variables()),
        "make": table(("target", "effect"), ((f"`make {name}`", words) for name, words in targets())),
        **{f"registry-{key}": table(("key", "value", "default", "meaning"), _keys(each)) for key, each in SECTIONS.items()},
        "skills": "\n".join(_skill(each) for each in catalogue.load()),
        "routes": table(("route", "effect", "token"), _routes()),
        "says": table(("`type`", "keys", "effect"), _says()),
        "metrics": table(("metric", "labels", "meaning"), _metrics()),
        "engine-errors": table(("code", "status", "meaning"), _engine_errors()),
    }


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Render a Markdown table."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def filled(page: str) -> str:
    """Return the page with every table regenerated."""
    tables = made()
    return BLOCK.sub(lambda block: f"{block[1]}{tables[block[2]]}{block[3]}", page)


# -- settings of operators -------------------------------------------------------------------------------------------------


def _variables() -> Iterator[tuple[str, str, str]]:
    for each in VARIABLES:
        yield f"`{each.name}`", each.description, f"`{each.default}`" if each.default else ""


def targets() -> list[tuple[str, str]]:
    """Return the targets of the Makefile with their descriptions."""
    return re.findall(r"^([a-z0-9]+):.*?## (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)


def _keys(section: type[Section]) -> Iterator[tuple[str, str, str, str]]:
    kinds = get_type_hints(section, include_extras=True)
    names = {info.alias or name: name for name, info in section.model_fields.items()}
    for key, info in section.keys().items():
        yield f"`{key}`", _takes(kinds[names[key]], info), _default(info), info.description or ""


def _takes(kind: Any, info: FieldInfo) -> str:
    if get_origin(kind) in {Union, UnionType}:
        kind = next(each for each in get_args(kind) if each is not NoneType)
    said = next((words for known, words in KINDS if kind == known), "")
    if said:
        return said + _limits(info)
    if get_origin(kind) is Annotated:
        return _takes(get_args(kind)[0], info)
    if get_origin(kind) is Literal:
        return " ".join(f"`{each}`" for each in get_args(kind))
    if get_origin(kind) is tuple:
        return f"a list: {_takes(get_args(kind)[0], FieldInfo())}"
    key = next(key for key, section in SECTIONS.items() if section is kind)
    return f"[a mapping](#{key})"


def _limits(info: FieldInfo) -> str:
    signs = {"gt": "over {}", "ge": "from {}", "lt": "under {}", "le": "to {}"}
    bounds = [(words, getattr(each, sign, None)) for each in info.metadata for sign, words in signs.items()]
    said = [words.format(f"{bound:g}") for words, bound in bounds if bound is not None]
    return f", {' '.join(said)}" if said else ""


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    value = info.default
    if value in (None, (), PydanticUndefined):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value.value if isinstance(value, Enum) else f'{value:g}' if isinstance(value, float) else value}`"


# -- commands of people ----------------------------------------------------------------------------------------------------


def _skill(each: Skill) -> str:
    who = "" if each.model else "People only: it is not offered to the model. "
    lines = [
        f"### /fleet {each.name}",
        "",
        f"`{catalogue.usage(each)}`",
        "",
        f"{each.summary} {who}Requires the {each.role} role.",
    ]
    if arguments := catalogue.fields(each):
        lines += ["", table(("argument", "meaning"), ((f"`{field.shown}`", field.description) for field in arguments)).rstrip()]
    lines += ["", "Examples: " + ", ".join(f"`/fleet {example}`" for example in each.examples), ""]
    return "\n".join(lines)


# -- routes for programs ---------------------------------------------------------------------------------------------------


def routes() -> list[tuple[str, str, str]]:
    """Method, path and docstring of every route that the application serves."""
    modules = [each for each in vars(application).values() if isinstance(getattr(each, "routes", None), web.RouteTableDef)]
    tables = [each for module in modules for each in module.routes if isinstance(each, web.RouteDef)]
    return [(each.method, each.path, inspect.cleandoc(each.handler.__doc__ or "")) for each in tables]


def _routes() -> Iterator[tuple[str, str, str]]:
    for method, path, words in routes():
        name = "WS /ws" if path == "/ws" else f"{method} {path}"
        token = "" if is_open(path) else "yes"
        yield f"`{name}`", " ".join(words.split()), token


def messages_in() -> dict[str, type[BaseModel]]:
    """Return the messages the WebSocket accepts, by `type`."""
    union, _ = get_args(from_request.SocketInput)
    return {get_args(each.model_fields["type"].annotation)[0]: each for each in get_args(union)}


def _says() -> Iterator[tuple[str, str, str]]:
    for name, shape in messages_in().items():
        carried = [
            f"`{key}`" if info.is_required() else f"`{key}`?" for key, info in shape.model_fields.items() if key != "type"
        ]
        route = SAME_ROUTES.get(name)
        yield f"`{name}`", " ".join(carried), f"See `{route}`." if route else " ".join((shape.__doc__ or "").split())


SAME_ROUTES = {
    "message": "POST /api/messages",
    "decision": "POST /api/gates/{id}/decision",
    "stop": "POST /api/stop",
}
"""Route that takes the same body, by the type of a WebSocket message."""


def _metrics() -> Iterator[tuple[str, str, str]]:
    for call in _calls(ROOT / "bot/chat/web/health.py", "_gauge", "_counter"):
        name, words, _, *labels = call.args
        total = "_total" if getattr(call.func, "id", "") == "_counter" else ""
        yield f"`{_text(name)}{total}`", " ".join(f"`{_text(each)}`" for each in labels), f"{_text(words)}."


def _calls(file: Path, *names: str) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in names and isinstance(node.args[0], ast.Constant):
            yield node


def _engine_errors() -> Iterator[tuple[str, str, str]]:
    for code, words in ERROR_CODES.items():
        error = RuntimeUnreachable("") if code == RuntimeUnreachable.code else EngineError("", code=code)
        yield f"`{code}`", str(status_of(error)), words


def _text(node: ast.expr) -> str:
    return str(ast.literal_eval(node))


def rows(page: str, heading: str) -> Mapping[str, Sequence[str]]:
    """Return the rows of the first table below a heading, by the first word in backticks."""
    section = re.split(r"^#+ ", page.partition(f"# {heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    found = {}
    for line in section.splitlines():
        cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if cells and (name := re.match(r"`([^`]+)`", cells[0])):
            found[name[1]] = cells
    return found


def main() -> None:
    """Write the tables into the page."""
    REFERENCE.write_text(filled(REFERENCE.read_text()))


if __name__ == "__main__":
    main()
