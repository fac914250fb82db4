"""Edits of `.overstory/config.yaml` as text, which keep comments and order.

The engine reads plain nested keys and lists only, with an indent of two spaces. Other YAML is refused with a message and stays
unchanged.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.supervisor.adoption.section import Unclear

KEY = re.compile(r"""^( *)(["']?)([\w.-]+)\2[ ]*:(?:[ \t]+(.*?))?[ \t]*$""")
NOTHING = {"", "~", "null", "{}", "[]"}
PLAIN = re.compile(r"[A-Za-z_./][\w./@%+=&|-]*(?: [\w./@%+=&|-]+)*")
WORDS = {"true", "false", "null", "yes", "no", "on", "off"}
"""Words that YAML takes for something other than text."""


@dataclass(frozen=True, slots=True)
class Gate:
    """Quality gate, a command that must succeed before a worker may report that it is done."""

    name: str
    command: str
    description: str


@dataclass(frozen=True, slots=True)
class Block:
    """Key with its line, its indentation, its value, and the line after its last child."""

    line: int
    indent: int
    value: str
    end: int


def value(text: str, *keys: str) -> str | None:
    """Return the scalar under nested keys, None if there is none."""
    found = _find(_lines(text), keys)
    return None if found is None or found.value in NOTHING else _unquoted(found.value)


def keys_under(text: str, *keys: str) -> tuple[str, ...]:
    """Return the keys of a mapping, none if there is no mapping."""
    lines = _lines(text)
    found = _find(lines, keys)
    return () if found is None else tuple(key for key, _ in _children(lines, found))


def with_value(text: str, keys: Sequence[str], new: str | bool) -> str:
    """Return the text with a scalar set. Raises Unclear."""
    lines, newline = _lines(text), _newline(text)
    found = _find(lines, keys)
    if found is not None:
        comment = re.search(r"[ \t]+#.*$", lines[found.line])
        head = lines[found.line].split(":", 1)[0]
        lines[found.line] = f"{head}: {scalar(new)}{comment[0] if comment else ''}"
        return newline.join(lines)
    return _extended(text, keys[:-1], [f"{keys[-1]}: {scalar(new)}"])


def with_models(text: str, models: Mapping[str, str]) -> str:
    """Return the text with a model for each of these agents that has none. Raises Unclear."""
    known = keys_under(text, "models")
    missing = {agent: model for agent, model in models.items() if agent not in known}
    return _extended(text, ("models",), [f"{agent}: {scalar(model)}" for agent, model in missing.items()]) if missing else text


def gates(text: str) -> tuple[str, ...] | None:
    """Return the commands of the project's quality gates, None if there are none."""
    lines = _lines(text)
    found = _find(lines, ("project", "qualityGates"))
    if found is None:
        return None
    if found.value not in NOTHING:
        return (found.value,)
    inside = lines[found.line + 1 : found.end]
    commands = [re.match(r"\s*(?:- +)?command:\s*(.*?)\s*$", line) for line in inside]
    return tuple(_unquoted(each[1]) for each in commands if each) or (None if not inside else ("?",))


def with_gates(text: str, wanted: Sequence[Gate]) -> str:
    """Return the text with these quality gates instead of the present ones. Raises Unclear."""
    lines, newline = _lines(text), _newline(text)
    found = _find(lines, ("project", "qualityGates"))
    if found is not None:
        del lines[found.line : found.end]
        text = newline.join(lines)
    rows = ["qualityGates:"]
    for gate in wanted:
        rows += [f"  - name: {scalar(gate.name)}", f"    command: {scalar(gate.command)}"]
        rows += [f"    description: {scalar(gate.description)}"]
    return _extended(text, ("project",), rows)


def scalar(text: str | bool) -> str:
    """Return a text or a boolean as YAML, quoted where YAML would misread it."""
    if isinstance(text, bool):
        return "true" if text else "false"
    plain = PLAIN.fullmatch(text) and text.lower() not in WORDS
    return text if plain else json.dumps(text, ensure_ascii=False)


def _extended(text: str, keys: Sequence[str], rows: Sequence[str]) -> str:
    """Return the text with rows at the end of a mapping, which is created if it is missing."""
    lines, newline = _lines(text), _newline(text)
    found = _find(lines, keys)
    if found is None:
        if len(keys) > 1:
            raise Unclear(f"it has no `{'.'.join(keys[:-1])}`")
        while lines and not lines[-1].strip():
            lines.pop()
        return newline.join([*lines, f"{keys[0]}:", *(f"  {row}" for row in rows), ""])
    if found.value not in NOTHING:
        raise Unclear(f"`{'.'.join(keys)}` is on one line ({found.line + 1}). Write one key per line")
    if found.value:
        lines[found.line] = re.sub(r":.*$", ":", lines[found.line])
    indent = _child_indent(lines, found)
    lines[found.end : found.end] = [f"{' ' * indent}{row}" for row in rows]
    return newline.join(lines)


def _find(lines: list[str], keys: Sequence[str]) -> Block | None:
    start, end, indent, found = 0, len(lines), 0, None
    for key in keys:
        found = next((block for name, block in _blocks(lines, start, end, indent) if name == key), None)
        if found is None:
            return None
        start, end, indent = found.line + 1, found.end, _child_indent(lines, found)
    return found


def _children(lines: list[str], parent: Block) -> list[tuple[str, Block]]:
    return _blocks(lines, parent.line + 1, parent.end, _child_indent(lines, parent))


def _blocks(lines: list[str], start: int, end: int, indent: int) -> list[tuple[str, Block]]:
    """Return the keys at one indentation in a range of lines."""
    found = []
    for at in range(start, end):
        match = KEY.match(_bare(lines[at]))
        if match and len(match[1]) == indent:
            found.append((match[3], Block(at, indent, match[4] or "", _end(lines, at, end, indent))))
    return found


def _end(lines: list[str], at: int, limit: int, indent: int) -> int:
    """Return the line after the last child of a key.

    Blank lines and comments after it do not belong to the key."""
    last = at
    for number in range(at + 1, limit):
        bare = _bare(lines[number])
        if not bare.strip():
            continue
        depth = len(bare) - len(bare.lstrip(" "))
        if depth < indent or (depth == indent and not bare.lstrip().startswith("- ")):
            break
        last = number
    return last + 1


def _child_indent(lines: list[str], parent: Block) -> int:
    for number in range(parent.line + 1, parent.end):
        bare = _bare(lines[number])
        if bare.strip():
            return len(bare) - len(bare.lstrip(" "))
    return parent.indent + 2


def _bare(line: str) -> str:
    """Return a line without its comment. A hash sign inside quotes starts none."""
    quote = ""
    for at, letter in enumerate(line):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        elif letter == "#" and (at == 0 or line[at - 1] in " \t"):
            return line[:at].rstrip()
    return line.rstrip()


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _lines(text: str) -> list[str]:
    return text.split(_newline(text))
