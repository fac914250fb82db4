"""YAML that knows where everything stands: plain values, the place of each, and every problem of the file.

Scalars are read as text (`None` where nothing is written): what they mean is decided by the model that validates them, so that
a Discord id of eighteen digits stays as typed, `22:00` is a time and `no` may be a name. Anchors, aliases and merge keys
work; tags, keys that are not words, a second document and aliases that multiply without bound are problems.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from bot.domain.errors import Problem

MAX_CHARACTERS = 4 * 1024 * 1024
"""Longest file that is read, in characters."""
MAX_DEPTH = 32
"""Deepest nesting, counted after aliases are followed."""
MAX_VALUES = 200_000
"""Most values, counted after aliases are followed (`a: [*b, *b]` counts b twice)."""

Path = tuple[str | int, ...]
"""Keys and indices from the top of the file to a value."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NOTHING = {"", "~", "null", "Null", "NULL"}
_PLAIN_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "map", "seq")}
_LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(slots=True)
class _Node:
    """A value with the character at which it starts. `children` of a mapping are key, value, key, value …"""

    index: int
    kind: str
    """`scalar`, `list` or `mapping`."""
    text: str | None = None
    plain: bool = False
    """Whether it is written without quotes."""
    children: "list[_Node]" = field(default_factory=list)

    def pairs(self) -> "Iterator[tuple[_Node, _Node]]":
        return zip(self.children[::2], self.children[1::2], strict=True)


class _Broken(Exception):
    """The text cannot be read any further."""

    def __init__(self, index: int, message: str) -> None:
        super().__init__(message)
        self.index = index
        self.message = message


@dataclass(slots=True)
class Document:
    """What a file says: `value` in dicts, lists and text, the places of its parts, and the problems found so far."""

    file: str
    text: str
    value: Any = None
    problems: list[Problem] = field(default_factory=list)
    keys: dict[Path, int] = field(default_factory=dict)
    values: dict[Path, int] = field(default_factory=dict)
    _lines: list[int] = field(default_factory=list)

    def problem(self, path: Path, message: str, *, key: bool = False) -> None:
        """Note a problem at the value of `path` (at its key, with `key`), or at its nearest parent that is in the file."""
        self.note(self._index(path, key), message)

    def at(self, path: Path) -> Any:
        """The value at `path`, None where there is none."""
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
        """The path of `text` in the list at `path`, or `path` itself."""
        items = self.at(path)
        return (*path, items.index(text)) if isinstance(items, list) and text in items else path

    def line(self, path: Path) -> int:
        """The 1-based line of the value at `path`."""
        return self.place(self._index(path, False))[0]

    def sorted_problems(self) -> list[Problem]:
        """The problems in the order of the file, each said once."""
        return sorted(set(self.problems), key=lambda problem: (problem.line, problem.column, problem.message))

    def _index(self, path: Path, key: bool) -> int:
        while path:
            index = (self.keys if key else self.values).get(path, self.values.get(path))
            if index is not None:
                return index
            path = path[:-1]
        return self.values.get((), 0)

    def place(self, index: int) -> tuple[int, int]:
        """The 1-based line and column of a character."""
        if not self._lines:
            self._lines = [0, *(match.end() for match in _LINE_END.finditer(self.text))]
        index = min(index, len(self.text))
        line = bisect_right(self._lines, index)
        return line, index - self._lines[line - 1] + 1

    def note(self, index: int, message: str) -> None:
        """Note a problem at a character."""
        line, column = self.place(index)
        self.problems.append(Problem(self.file, line, column, message))


def read(text: str, file: str) -> Document:
    """Read `text`; `file` is how problems name it. Never raises for what the text says."""
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
        raise _Broken(bad.start(), f"U+{ord(bad.group()):04X} is a character that YAML does not allow. Remove it.")


def _compose(document: Document) -> _Node | None:
    """The text as nodes, without recursion; an alias is the very node that it stands for. None for an empty text."""
    top = _Node(0, "list")
    open_nodes = [top]
    anchors: dict[str, _Node] = {}
    for event in _events(document.text):
        if isinstance(event, yaml.DocumentStartEvent) and top.children:
            raise _Broken(_start(event), "A second YAML document starts here; one file is one document. Remove the ---.")
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
        raise _Broken(node.index, f"Nested deeper than {MAX_DEPTH} levels.")


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
    """Say what a YAML error is most likely to be."""
    line = text[text.rfind("\n", 0, index) + 1 :].split("\n", 1)[0]
    indent = line[: len(line) - len(line.lstrip())]
    if "\t" in indent or "tab" in (error.problem or ""):
        return "A tab is used for indentation. YAML takes spaces only."
    if "mapping values are not allowed" in (error.problem or ""):
        return "A second colon: quote the value, or start a new line for the next key."
    where = f" ({error.context})" if error.context else ""
    return f"This is not YAML: {error.problem or error.context}{where}. Check quotes, brackets and indentation."


def _node(event: Any, document: Document) -> _Node:
    index = _start(event)
    if event.tag and event.tag != "!" and event.tag not in _PLAIN_TAGS:
        document.note(index, "Tags (words that start with !) are not used here. Remove it, or quote the value.")
    if isinstance(event, yaml.MappingStartEvent):
        return _Node(index, "mapping")
    if isinstance(event, yaml.SequenceStartEvent):
        return _Node(index, "list")
    plain = not event.style
    return _Node(index, "scalar", None if plain and event.value in _NOTHING else event.value, plain)


def _alias(event: Any, anchors: dict[str, _Node], open_nodes: list[_Node]) -> _Node:
    node = anchors.get(event.anchor)
    if node is None:
        raise _Broken(_start(event), f"*{event.anchor} stands for nothing: no &{event.anchor} comes before it.")
    if any(node is parent for parent in open_nodes):
        raise _Broken(_start(event), f"*{event.anchor} stands inside of what it stands for.")
    return node


class _Reader:
    """Turns nodes into values, and notes where each stands."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.count = 0

    def read(self, node: _Node, path: Path) -> Any:
        self.count += 1
        if self.count > MAX_VALUES:
            raise _Broken(node.index, f"The file comes to more than {MAX_VALUES:,} values once its aliases are followed.")
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
                self.document.note(key.index, "A key must be a word.")
            elif key.text in first:
                line = self.document.place(first[key.text])[0]
                self.document.note(key.index, f"{key.text} stands here a second time; the first is in line {line}.")
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
                self.document.note(mapping.index, "<< takes a mapping, or a list of them.")
                continue
            for key, value in mapping.pairs():
                if key.text and key.text.isprintable() and key.text not in result and not _is_merge(key):
                    self._entry(key.text, key, value, path, result)


def _is_merge(key: _Node) -> bool:
    return key.plain and key.text == "<<"
