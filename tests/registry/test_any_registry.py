"""Loading of arbitrary text and bytes."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.errors import RegistryError
from bot.registry import load, parse
from tests.registry.reading import HERE, SEED

WORDS = """\
products people approvals budget runtimes schedules quiet_hours agent scheduling name path type role channels required approvers
a code slack:#x web:x 1 -1 0 1e9 true ~ 22:00 * & ! [ ] { } - : , ' " | > # % @ ` ? << &a *a !!str --- ... \\n é 😀"""
WORD = st.sampled_from([*WORDS.split(), "\t", "\n", "\r", "\x85"])
KEYS = [word for word in WORDS.split() if word.isidentifier()] + [
    "backups",
    "socket",
    "kind",
    "cron",
    "from",
    "to",
    "paths",
    "web",
]
SHAPES = st.recursive(
    st.one_of(WORD, st.none(), st.integers(-2, 3), st.sampled_from(["admin", "docker", "0 9 * * *", "07:00", "\0"])),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS), inner, max_size=6)),
    max_leaves=30,
)
TEXTS = st.one_of(
    st.dictionaries(st.sampled_from(KEYS[:9]), SHAPES).map(json.dumps),
    st.text(),
    st.lists(st.one_of(WORD, st.sampled_from(["\n", "\n  ", "\n  - ", ": ", " ", ", "])), max_size=40).map("".join),
    st.builds(
        lambda at, length, put: SEED[:at] + put + SEED[at + length :],
        st.integers(0, len(SEED)), st.integers(0, 20), st.one_of(st.text(max_size=8), WORD),
    ),
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(TEXTS)
def test_any_text_loads_or_is_refused_with_valid_positions(text: str) -> None:
    try:
        registry = parse(text, HERE)
    except RegistryError as error:
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        assert error.problems
        for problem in error.problems:
            assert 1 <= problem.line <= len(lines)
            assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1
            assert problem.message
    else:
        assert len(set(registry.names)) == len(registry.names)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_load_or_are_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_bytes(content)
    try:
        load(file)
    except RegistryError as error:
        assert error.problems
