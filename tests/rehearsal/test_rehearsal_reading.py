"""Parsing of settings, bracket words, decisions and command lines."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as some

from bot.rehearsal import objective, settings
from bot.rehearsal.arguments import Grammar, parse
from bot.rehearsal.errors import BadUsage
from bot.rehearsal.mail import Message

names = some.from_regex(r"[a-z][A-Za-z0-9]{0,8}", fullmatch=True)
scalars = some.one_of(some.booleans(), some.integers(), names.filter(lambda name: isinstance(yaml.safe_load(name), str)))
configs = some.recursive(scalars, lambda inner: some.dictionaries(names, inner, min_size=1, max_size=4), max_leaves=12)


@given(some.dictionaries(names, configs, min_size=1, max_size=4))
def test_settings_match_yaml(config: dict[str, object]) -> None:
    text = yaml.safe_dump(config, default_flow_style=False)
    assert settings.parsed(f"# a comment\n{text}") == yaml.safe_load(text)


@given(some.text())
def test_settings_accept_any_text(text: str) -> None:
    assert isinstance(settings.parsed(text), dict)


def mail(subject: str, body: str = "") -> Message:
    return Message("msg-abcdef123456", "operator", "coordinator", subject, body, "dispatch")


@pytest.mark.parametrize(
    ("subject", "body", "title", "words", "cost"),
    [
        ("Ship it", "now", "Ship it", set(), 0),
        ("[complex] [cost 2.50] Ship it", "", "Ship it", {"complex", "cost"}, 2.5),
        ("Objective", "[QUESTION] which way\nmore", "which way", {"question"}, 0),
        ("", "[cost: $3]", "the objective", {"cost"}, 3),
        ("Fix list[0] and [unknown]", "", "Fix list[0] and [unknown]", set(), 0),
    ],
)
def test_objective_has_title_and_bracket_words(subject: str, body: str, title: str, words: set[str], cost: float) -> None:
    read = objective.read(mail(subject, body))
    assert (read.title, read.words, read.cost, read.task) == (title, frozenset(words), cost, "rehearsal-123456")


@pytest.mark.parametrize(
    ("subject", "body", "choice", "note"),
    [
        ("Re: Plan", "DECISION: approve", "approve", ""),
        ("Re: Plan", "decision: revise: use a table\nplease", "revise", "use a table\nplease"),
        ("Re: Plan", "DECISION: reject: too dear", "reject", "too dear"),
        ("approve: rehearsal-123456", "Use RS256", "approve", "Use RS256"),
        ("Re: Plan", "I would rather have it blue", "revise", "I would rather have it blue"),
        ("Re: Plan", "approvement is not a word", "revise", "approvement is not a word"),
    ],
)
def test_answer_is_read_as_a_decision(subject: str, body: str, choice: str, note: str) -> None:
    assert objective.decision(mail(subject, body)) == objective.Decision(choice, note)


@given(some.from_regex(r"\w", fullmatch=True), some.text())
def test_note_is_kept_verbatim(first: str, rest: str) -> None:
    said = objective.decision(mail("Re: Plan", f"DECISION: revise: {first}{rest}"))
    assert said == objective.Decision("revise", f"{first}{rest}".strip())


GRAMMAR = Grammar(("<id>",), ("--name <name>", "--force"), ("--body <text>",))


def test_flags_are_accepted_anywhere() -> None:
    read = parse(GRAMMAR, ["--force", "t-1", "--body=a=b", "--name", "n"], strict=True)
    assert (read.positionals, read.values, read.flags) == (["t-1"], {"--body": "a=b", "--name": "n"}, frozenset({"--force"}))


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("t --body", "error: option '--body <text>' argument missing"),
        ("t", "error: required option '--body <text>' not specified"),
        ("--body b", "error: missing required argument 'id'"),
        ("t u --body b", "error: too many arguments. Expected 1 arguments but got 2."),
        ("t --nam n --body b", "error: unknown option '--nam'\n(Did you mean --name?)"),
    ],
)
def test_invalid_arguments_are_refused(words: str, problem: str) -> None:
    with pytest.raises(BadUsage, match=r"^error") as refused:
        parse(GRAMMAR, words.split(), strict=True)
    assert refused.value.message == problem


@given(some.lists(some.sampled_from(["t-1", "--force", "--name", "n", "--body", "--what", "-x"])))
def test_old_parser_refuses_nothing(words: list[str]) -> None:
    assert set(parse(GRAMMAR, words, strict=False).values) <= {"--name", "--body"}
