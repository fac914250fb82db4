"""Docstrings of modules, classes, functions and attributes, checked by their first line."""

import ast
import re
from collections.abc import Iterator

from tests.voice.source import Finding, Source

RELATIVE = re.compile(r"(What|Whether|Who|Whom|Whose|How|Where|Those|Whoever|Nobody|Somebody|All that|That which)\b")
"""Openings that make a relative clause of a docstring, where an imperative or a noun phrase belongs."""
JOINED = re.compile(r";|: | — ")
"""Signs that join two clauses in one line."""
LONGEST = 100
"""Characters of a first line."""
CODE = re.compile(r"`[^`]*`")


def first_lines(source: Source) -> Iterator[tuple[ast.AST, str]]:
    """Yield every docstring's node and first line."""
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for before, statement in zip([None, *node.body], node.body, strict=False):
            documents = before is None or isinstance(before, ast.Assign | ast.AnnAssign)
            if documents and isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                text = statement.value.value
                if isinstance(text, str) and text.strip():
                    yield statement, text.strip().splitlines()[0].strip()


def relative(sources: list[Source]) -> list[Finding]:
    """Find docstrings that begin with a relative clause."""
    return [Finding(source.at(node), line) for source in sources for node, line in first_lines(source) if RELATIVE.match(line)]


def joined(sources: list[Source]) -> list[Finding]:
    """Find first lines that join clauses or are too long."""
    return [
        Finding(source.at(node), line)
        for source in sources
        for node, line in first_lines(source)
        if JOINED.search(CODE.sub("", line)) or len(line) > LONGEST
    ]


def count(sources: list[Source]) -> int:
    """Count the docstrings."""
    return sum(1 for source in sources for _ in first_lines(source))
