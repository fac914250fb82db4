"""YAML with the position of every value and a list of all problems.

Scalars are read as text (`None` if empty), and the validating model decides what they mean. So a Discord id of eighteen digits
stays as typed, `22:00` is a time, and `no` may be a name. Anchors, aliases and merge keys work. Tags, keys that are not words,
a second document and exponentially expanding aliases are problems.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from bot.domain.errors import Problem

MAX_CHARACTERS = 4 * 1024 * 1024
"""Size limit of a file, in characters."""
MAX_DEPTH = 32
"""Limit on nesting, counted with aliases expanded."""
MAX_VALUES = 200_000
"""Limit on the number of values, counted with aliases expanded."""

Path = tuple[str | int, ...]
"""Keys and indices from the top of the file to a value."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NOTHING = {"", "~", "null", "Null", "NULL"}
_PLAIN_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "map", "seq")}
_LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(slots=True)
class _Node:
    """A value with its start as a character index. Children of a mapping alternate keys and values."""

    index: int
    kind: str
    """`scalar`, `list` or `mapping`."""
    text: str | None = None
    plain: bool = False
    """True if it is written without quotes."""
    children: "list[_Node]" = field(default_factory=list)

    def pairs(self) -> "Iterator[tuple[_Node, _Node]]":
        return zip(self.children[::2], self.children[1::2], strict=True)


class _Broken(Exception):
    """A problem that makes the rest of the text unreadable."""

    def __init__(self, index: int, message: str) -> None:
        super().__init__(message)
        self.index = index
        self.message = message


@dataclass(slots=True)
class Document:
    """A parsed file as dicts, lists and text in `value`, with all positions and the problems so far."""

    file: str
    text: str
    value: Any = None
    problems: list[Problem] = field(default_factory=list)
    keys: dict[Path, int] = field(default_factory=dict)
    values: dict[Path, int] = field(default_factory=dict)
    _lines: list[int] = field(default_factory=list)

    def problem(self, path: Path, message: str, *, key: bool = False) -> None:
        """Add a problem at the value of `path` (or at its `key`), or at the nearest parent in the file."""
        self.note(self._index(path, key), message)

    def at(self, path: Path) -> Any:
        """Return the value at `path`, or None."""
        value = self.value
        for part in path:
            if isinstance(value, dict):
                value = value.get(part)
            elif isinstance(value, list) and isinstance(part, int) and part < len(value):
                value = value[part]
            else:
                return None
        return value

    def find(self, path: Path, text: str) -> Path:
        """Return the path of `text` in the list at `path`, or `path` itself."""
        items = self.at(path)
        return (*path, items.index(text)) if isinstance(items, list) and text in items else path

    def line(self, path: Path) -> int:
        """Return the line (1-based) of the value at `path`."""
        return self.position(self._index(path, False))[0]

    def sorted_problems(self) -> list[Problem]:
        """Return the problems in the order of the file, without duplicates."""
        return sorted(set(self.problems), key=lambda problem: (problem.line, problem.column, problem.message))

    def _index(self, path: Path, key: bool) -> int:
        while path:
            index = (self.keys if key else self.values).get(path, self.values.get(path))
            if index is not None:
                return index
            path = path[:-1]
        return self.values.get((), 0)

    def position(self, index: int) -> tuple[int, int]:
        """Return the line and column (1-based) of a character."""
        if not self._lines:
            self._lines = [0, *(match.end() for match in _LINE_END.finditer(self.text))]
        index = min(index, len(self.text))
        line = bisect_right(self._lines, index)
        return line, index - self._lines[line - 1] + 1

    def note(self, index: int, message: str) -> None:
        """Add a problem at a character."""
        line, column = self.position(index)
        self.problems.append(Problem(self.file, line, column, message))


def read(text: str, file: str) -> Document:
    """Parse `text`, with problems naming it `file`. Never raises on invalid text."""
    document = Document(file, text.removeprefix("\ufeff"))
    try:
        _check_characters(document.text)
        root = _compose(document)
        if root is not None:
            document.value = _Reader(document).read(root, ())
    except _Broken as broken:
        document.note(broken.index, broken.message)
    return document


def _check_characters(text: str) -> None:
    if len(text) > MAX_CHARACTERS:
        raise _Broken(0, f"The file is longer than {MAX_CHARACTERS:,} characters.")
    bad = yaml.reader.Reader.NON_PRINTABLE.search(text)
    if bad:
        raise _Broken(bad.start(), f"YAML does not allow the character U+{ord(bad.group()):04X}. Remove it.")


def _compose(document: Document) -> _Node | None:
    """Compose the text into nodes without recursion, an alias being the same node. None if empty."""
    top = _Node(0, "list")
    open_nodes = [top]
    anchors: dict[str, _Node] = {}
    for event in _events(document.text):
        if isinstance(event, yaml.DocumentStartEvent) and top.children:
            raise _Broken(_start(event), "A second YAML document starts here. Remove the ---.")
        if isinstance(event, yaml.CollectionEndEvent):
            open_nodes.pop()
        elif isinstance(event, yaml.AliasEvent):
            open_nodes[-1].children.append(_alias(event, anchors, open_nodes))
        elif isinstance(event, yaml.NodeEvent):
            node = _node(event, document)
            open_nodes[-1].children.append(node)
            if event.anchor:
                anchors[event.anchor] = node
            if isinstance(event, yaml.CollectionStartEvent):
                open_nodes.append(node)
                _check_depth(node, len(open_nodes) - 1)
    return top.children[0] if top.children else None


def _check_depth(node: _Node, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise _Broken(node.index, f"Nesting is deeper than {MAX_DEPTH} levels.")


def _start(event: Any) -> int:
    return int(event.start_mark.index)


def _events(text: str) -> Iterator[Any]:
    try:
        yield from yaml.parse(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        index: int = getattr(mark, "index", 0)
        raise _Broken(index, _syntax(text, index, error)) from None


def _syntax(text: str, index: int, error: yaml.MarkedYAMLError) -> str:
    """Return the most likely cause of a YAML error."""
    line = text[text.rfind("\n", 0, index) + 1 :].split("\n", 1)[0]
    indent = line[: len(line) - len(line.lstrip())]
    if "\t" in indent or "tab" in (error.problem or ""):
        return "The indentation contains a tab. Use spaces only."
    if "mapping values are not allowed" in (error.problem or ""):
        return "Unexpected colon. Quote the value, or start a new line for the next key."
    where = f" ({error.context})" if error.context else ""
    return f"Invalid YAML: {error.problem or error.context}{where}. Check quotes, brackets and indentation."


def _node(event: Any, document: Document) -> _Node:
    index = _start(event)
    if event.tag and event.tag != "!" and event.tag not in _PLAIN_TAGS:
        document.note(index, "Tags (words that start with !) are not supported. Remove it, or quote the value.")
    if isinstance(event, yaml.MappingStartEvent):
        return _Node(index, "mapping")
    if isinstance(event, yaml.SequenceStartEvent):
        return _Node(index, "list")
    plain = not event.style
    return _Node(index, "scalar", None if plain and event.value in _NOTHING else event.value, plain)


def _alias(event: Any, anchors: dict[str, _Node], open_nodes: list[_Node]) -> _Node:
    node = anchors.get(event.anchor)
    if node is None:
        raise _Broken(_start(event), f"*{event.anchor} is not defined. Add &{event.anchor} before it.")
    if any(node is parent for parent in open_nodes):
        raise _Broken(_start(event), f"*{event.anchor} contains itself.")
    return node


class _Reader:
    """Converts nodes to values and records their positions."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.count = 0

    def read(self, node: _Node, path: Path) -> Any:
        self.count += 1
        if self.count > MAX_VALUES:
            raise _Broken(node.index, f"The file has more than {MAX_VALUES:,} values once its aliases are expanded.")
        _check_depth(node, len(path))
        self.document.values.setdefault(path, node.index)
        if node.kind == "scalar":
            return node.text
        if node.kind == "list":
            return [self.read(child, (*path, index)) for index, child in enumerate(node.children)]
        result: dict[str, Any] = {}
        self._entries(node, path, result)
        for key, value in node.pairs():
            if _is_merge(key):
                self._merge(value, path, result)
        return result

    def _entries(self, node: _Node, path: Path, result: dict[str, Any]) -> None:
        first: dict[str, int] = {}
        for key, value in node.pairs():
            if _is_merge(key):
                continue
            if not key.text or not key.text.isprintable():
                self.document.note(key.index, "A key must be text on one line.")
            elif key.text in first:
                line = self.document.position(first[key.text])[0]
                self.document.note(key.index, f"{key.text} is repeated. The first is in line {line}.")
            else:
                first[key.text] = key.index
                self._entry(key.text, key, value, path, result)

    def _entry(self, name: str, key: _Node, value: _Node, path: Path, result: dict[str, Any]) -> None:
        here = (*path, name)
        self.document.keys[here] = key.index
        result[name] = self.read(value, here)

    def _merge(self, source: _Node, path: Path, result: dict[str, Any]) -> None:
        for mapping in source.children if source.kind == "list" else [source]:
            if mapping.kind != "mapping":
                self.document.note(mapping.index, "<< must be a mapping or a list of mappings.")
                continue
            for key, value in mapping.pairs():
                if key.text and key.text.isprintable() and key.text not in result and not _is_merge(key):
                    self._entry(key.text, key, value, path, result)


def _is_merge(key: _Node) -> bool:
    return key.plain and key.text == "<<"
