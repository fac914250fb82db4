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

from bot.errors import Problem

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
    """A value with the character at which it starts."""

    index: int
    value: str | None = None
    items: "list[_Node] | None" = None
    pairs: "list[tuple[_Node, _Node]] | None" = None
    plain: bool = False


class Broken(Exception):  # noqa: N818
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
    _keys: dict[Path, int] = field(default_factory=dict)
    _values: dict[Path, int] = field(default_factory=dict)
    _lines: list[int] = field(default_factory=list)

    def problem(self, path: Path, message: str, *, key: bool = False) -> None:
        """Note a problem at the value of `path` (at its key, with `key`), or at its nearest parent that is in the file."""
        self._note(self._index(path, key), message)

    def line(self, path: Path) -> int:
        """The 1-based line of the value at `path`."""
        return self._place(self._index(path, False))[0]

    def sorted_problems(self) -> list[Problem]:
        """The problems in the order of the file, each said once."""
        return sorted(set(self.problems), key=lambda problem: (problem.line, problem.column, problem.message))

    def _index(self, path: Path, key: bool) -> int:
        while path:
            index = (self._keys if key else self._values).get(path, self._values.get(path))
            if index is not None:
                return index
            path = path[:-1]
        return self._values.get((), 0)

    def _place(self, index: int) -> tuple[int, int]:
        if not self._lines:
            self._lines = [0, *(match.end() for match in _LINE_END.finditer(self.text))]
        index = min(index, len(self.text))
        line = bisect_right(self._lines, index)
        return line, index - self._lines[line - 1] + 1

    def _note(self, index: int, message: str) -> None:
        line, column = self._place(index)
        self.problems.append(Problem(self.file, line, column, message))


def read(text: str, file: str) -> Document:
    """Read `text`; `file` is how problems name it. Never raises for what the text says."""
    document = Document(file, text.removeprefix("\ufeff"))
    try:
        _check_characters(document.text)
        root = _compose(document)
        if root is not None:
            document.value = _Reader(document).read(root, (), 0)
    except Broken as broken:
        document._note(broken.index, broken.message)
    return document


def _check_characters(text: str) -> None:
    if len(text) > MAX_CHARACTERS:
        raise Broken(0, f"The file is longer than {MAX_CHARACTERS:,} characters.")
    bad = yaml.reader.Reader.NON_PRINTABLE.search(text)
    if bad:
        raise Broken(bad.start(), f"U+{ord(bad.group()):04X} is a character that YAML does not allow. Remove it.")


def _compose(document: Document) -> _Node | None:
    """The first document of the text as nodes; an alias is the very node that it stands for."""
    root: _Node | None = None
    stack: list[tuple[_Node, list[_Node]]] = []
    anchors: dict[str, _Node] = {}
    for event in _events(document.text):
        if isinstance(event, yaml.DocumentStartEvent) and root is not None:
            raise Broken(
                event.start_mark.index, "A second YAML document starts here; one file is one document. Remove the ---."
            )
        if isinstance(event, yaml.CollectionEndEvent):
            node, children = stack.pop()
            _fill(node, children)
            continue
        if not isinstance(event, yaml.NodeEvent):
            continue
        node = _alias(event, anchors, stack) if isinstance(event, yaml.AliasEvent) else _node(event, document)
        if event.anchor and not isinstance(event, yaml.AliasEvent):
            anchors[event.anchor] = node
        if stack:
            stack[-1][1].append(node)
        else:
            root = node
        if isinstance(event, yaml.CollectionStartEvent):
            if len(stack) >= MAX_DEPTH:
                raise Broken(event.start_mark.index, f"Nested deeper than {MAX_DEPTH} levels.")
            stack.append((node, []))
    return root


def _events(text: str) -> Iterator[yaml.Event]:
    try:
        yield from yaml.parse(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        index = mark.index if mark else 0
        raise Broken(index, _syntax(text, index, error)) from None


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
    index = event.start_mark.index
    if event.tag and event.tag != "!" and event.tag not in _PLAIN_TAGS:
        document._note(index, "Tags (words that start with !) are not used here. Remove it, or quote the value.")
    if not isinstance(event, yaml.ScalarEvent):
        return _Node(index)
    plain = not event.style
    return _Node(index, value=None if plain and event.value in _NOTHING else event.value, plain=plain)


def _alias(event: Any, anchors: dict[str, _Node], stack: list[tuple[_Node, list[_Node]]]) -> _Node:
    node = anchors.get(event.anchor)
    if node is None:
        raise Broken(event.start_mark.index, f"*{event.anchor} stands for nothing: no &{event.anchor} comes before it.")
    if any(node is parent for parent, _ in stack):
        raise Broken(event.start_mark.index, f"*{event.anchor} stands inside of what it stands for.")
    return node


def _fill(node: _Node, children: list[_Node]) -> None:
    node.items = children
