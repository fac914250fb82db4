"""The command that prints the figures and fails beyond their limits."""

import sys
from dataclasses import dataclass
from pathlib import Path

from tests.voice import docstrings, structure, words
from tests.voice.source import ROOT, Finding, python

SHOWN = 8
"""Findings that are printed of each failing figure where no path was given."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure with its limit."""

    name: str
    found: list[Finding]
    limit: float | None
    """Maximum value, None where the figure is only printed."""
    of: int | None = None
    """Total for a percentage, None for a plain number."""

    @property
    def value(self) -> float:
        """The figure, in percent if it has a total."""
        return len(self.found) if self.of is None else 100 * len(self.found) / max(self.of, 1)

    @property
    def failed(self) -> bool:
        """True if the figure is beyond its limit."""
        return self.limit is not None and self.value > self.limit

    def __str__(self) -> str:
        value = f"{self.value:.1f} %" if self.of is not None else f"{len(self.found)}"
        limit = "" if self.limit is None else f"at most {self.limit:g}{' %' if self.of is not None else ''}"
        return f"{'FAIL' if self.failed else 'ok' if self.limit is not None else 'see':<5}{self.name:<52}{value:>8}   {limit}"


def measure(paths: list[Path]) -> list[Figure]:
    """Measure the given files and folders, or everything without any."""
    sources = python(paths or [ROOT / "bot", ROOT / "skills"])
    tests = python(paths or [ROOT / "tests"])
    total, of_tests = docstrings.count(sources), docstrings.count(tests)
    return [
        Figure("docstrings that begin with a relative clause", docstrings.relative(sources), 2, total),
        Figure("first lines that join clauses or exceed 100 characters", docstrings.joined(sources), 6, total),
        Figure("functions over 60 lines", structure.long_functions(sources), 0),
        Figure("files over 300 lines", structure.long_files(sources), None),
        Figure("modules directly in bot", structure.loose_modules(sources), 8),
        Figure("import cycles", [] if paths else structure.cycles(), 0),
        Figure("broad handlers outside events and jobs", structure.broad_handlers(sources), 0),
        Figure("patches in tests", structure.patches([each for each in tests if each.name.startswith("tests/")]), 0),
        Figure("words that are never right", words.find(words.NEVER, paths or words.EVERYWHERE), 0),
        Figure("relative docstrings in tests", docstrings.relative(tests), None, of_tests),
        Figure("joined or long first lines in tests", docstrings.joined(tests), None, of_tests),
        Figure("words to judge by eye", words.find(words.LOOK_AT, paths or words.EVERYWHERE), None),
    ]


def main(arguments: list[str]) -> int:
    """Print the figures and return the exit code."""
    figures = measure([Path(each).resolve() for each in arguments])
    for figure in figures:
        shown = figure.found if arguments else figure.found[:SHOWN] if figure.failed else []
        print("\n".join([str(figure), *(f"       {finding}" for finding in shown)]))
        if len(figure.found) > len(shown) > 0:
            print(f"       … and {len(figure.found) - len(shown)} more; name a folder to see all of its own")
    return int(any(figure.failed for figure in figures))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
