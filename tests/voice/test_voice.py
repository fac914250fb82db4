"""The checks of voice and structure find what they look for, and nothing else."""

from pathlib import Path
from textwrap import dedent

import pytest

from tests.voice import docstrings, structure, words
from tests.voice.source import Finding, Source


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "module.py"


def source(file: Path, text: str) -> list[Source]:
    file.write_text(dedent(text))
    return [Source(file)]


def lines(found: list[Finding]) -> list[int]:
    return [int(each.where.rpartition(":")[2]) for each in found]


def test_docstring_with_relative_opening_is_found(file: Path) -> None:
    found = docstrings.relative(
        source(
            file,
            '''\
            """Values of a product."""
            LIMIT = 3
            """Whether it holds."""
            def run() -> None:
                """Return where it is."""
            class Gate:
                """What waits."""
                state: str = ""
                """Who decided."""
            ''',
        )
    )
    assert lines(found) == [3, 7, 9]


def test_joined_or_long_first_line_is_found(file: Path) -> None:
    text = f'''\
        """One thing; another."""
        A = 1
        """Code may hold any sign: `a; b`."""
        B = 1
        """Only `a: b; c` in code."""
        C = 1
        """{"x" * 101}"""
        D = 1
        """A sentence.

        The reason: it may join clauses; here.
        """
        '''
    assert lines(docstrings.joined(source(file, text))) == [1, 3, 7]


def test_string_that_documents_nothing_is_ignored(file: Path) -> None:
    assert docstrings.count(source(file, 'A = 1\nif A:\n    "Whether it holds."\n')) == 0


def test_long_function_is_found(file: Path) -> None:
    body = "".join(f"    x = {number}\n" for number in range(structure.LONGEST_FUNCTION))
    assert lines(structure.long_functions(source(file, f"def long():\n{body}"))) == [1]
    assert not structure.long_functions(source(file, f"def short():\n{body[:-10]}"))


def test_broad_handler_is_found_unless_it_raises(file: Path) -> None:
    text = """\
        try:
            run()
        except (ValueError, Exception):
            pass
        try:
            run()
        except BaseException:
            undo()
            raise
        """
    assert lines(structure.broad_handlers(source(file, text))) == [3]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("monkeypatch.setattr(json, 'loads', None)", True),
        ("monkeypatch.setenv('A', '1')", False),
        ("json.loads = None", True),
        ("jobs.loop = None", True),
        ("sys.stdin = None", False),
        ("fleet.clock = None", False),
    ],
)
def test_patch_is_found(file: Path, line: str, found: bool) -> None:
    assert bool(structure.patches(source(file, f"import json, sys\nfrom bot import jobs\nfleet = object()\n{line}\n"))) is found


def test_words_are_found_in_strings_and_comments_only(file: Path) -> None:
    file.write_text("# Mend it.\nmend = 1\nTEXT = 'it stands still'\nx = f'whoever {TEXT}'\n")
    assert lines(words.find(words.NEVER, [file])) == [1, 3, 4]


def test_words_are_found_on_every_line_of_a_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Fleet\n\nIt runs on.\n\nIt runs on Linux. There is no gate g7.\n")
    assert lines(words.find(words.NEVER, [page])) == [3]
