"""Source files as the checks read them."""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Source:
    """A Python file."""

    path: Path

    @cached_property
    def text(self) -> str:
        """The content of the file."""
        return self.path.read_text("utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree of the file."""
        return ast.parse(self.text)

    @property
    def name(self) -> str:
        """The path, from the repository's root if it is inside."""
        return shown(self.path)

    def at(self, node: ast.AST) -> str:
        """Return the position of a node as `file:line`."""
        return f"{self.name}:{getattr(node, 'lineno', 1)}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One place in one file that a check counts."""

    where: str
    """Position as `file:line`."""
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def shown(path: Path) -> str:
    """Return a path for messages, from the repository's root if it is inside."""
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


def python(paths: Iterable[Path]) -> list[Source]:
    """Return the Python files in the given files and folders."""
    return [Source(path) for path in files(paths, ".py")]


def files(paths: Iterable[Path], *suffixes: str) -> Iterator[Path]:
    """Yield the files with one of these suffixes in the given files and folders."""
    for path in paths:
        if path.is_file() and path.suffix in suffixes:
            yield path
        elif path.is_dir():
            yield from sorted(each for each in path.rglob("*") if each.suffix in suffixes and each.is_file())
