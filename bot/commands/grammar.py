"""The grammar of commands, the same in Slack, Discord, the browser and the terminal.

The form is::

    /fleet <skill> [words] [--option value | --option=value | --flag] [-- words that begin with dashes]

`/fleet x`, `!x` and `fleet x` are the same. So are dashes and underscores, upper and lower case, straight and curly quotes, and
two dashes and the long dash that phones make of them. Quotes group words only around a whole word. Elsewhere they are
letters, so that “what's up” is two words. A field that takes the rest takes it as typed, including line breaks.
"""

import difflib
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from bot.commands.arguments import Field, arguments, fields, usage
from bot.commands.skill import Skill
from bot.domain import Suggestion
from bot.domain.errors import UsageError

PREFIX = re.compile(r"\s*(?:/fleet(?=\s|$)|!\s*(?=[A-Za-z-])|fleet(?=\s|$))\s*", re.IGNORECASE)
QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’", "«": "»"}
OPTION = re.compile(r"(--|—|–)([A-Za-z][\w-]*)(?:(=)|$)")


def named(name: str, skills: Sequence[Skill]) -> Skill | None:
    """Return the skill of this name, ignoring case and the difference between dashes and underscores."""
    name = name.lower().replace("_", "-")
    return next((skill for skill in skills if skill.name == name), None)


def is_command(text: str, skills: Sequence[Skill]) -> bool:
    """Return True for a message that is a command.

    `/fleet …` and `!word` always are, and `fleet …` when a skill's name follows."""
    found = PREFIX.match(text)
    if found is None:
        return False
    if found.group().strip().lower() != "fleet":
        return True
    rest = text[found.end() :].split(maxsplit=1)
    return not rest or named(rest[0], skills) is not None


def suggestions(text: str) -> tuple[Suggestion, ...]:
    """Return the complete commands in backticks of a text, as buttons.

    None of them decides a gate, which needs its card or typed words."""
    commands = dict.fromkeys(re.findall(r"`/fleet (?!approve-plan )([^`<>\[\]…]+)`", text))
    return tuple(Suggestion(command[:1].upper() + command[1:40], f"/fleet {command}") for command in commands)


def parse(
    line: str | Sequence[str], skills: Sequence[Skill], *, product: str | None = None, products: Collection[str] = ()
) -> tuple[Skill, dict[str, Any]]:
    """Return the skill that a line or shell command names, and its arguments as JSON values.

    `product` is the default where the skill needs one and the words begin with none of `products`. Raises UsageError, which
    suggests a similar command where there is one."""
    text, words = _read(line)
    words = words or [Word("help", 0, 0)]
    skill = named(words[0].text, skills)
    if skill is None:
        raise _unknown(words[0], text, skills)
    given = _options(skill, text, words[1:])
    if given is None:
        return _help(skill, skills)
    values = {**given.values, **_positional(skill, text, given.words, product, products)}
    return skill, arguments(skill, values).model_dump(mode="json", exclude_unset=True)


# -- words -----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a line and its position. `quoted` words are never options."""

    text: str
    start: int
    end: int
    quoted: bool = False


def _read(line: str | Sequence[str]) -> tuple[str, list[Word]]:
    if isinstance(line, str):
        found = PREFIX.match(line)
        return line, _split(line, found.end() if found else 0)
    text = ""
    words: list[Word] = []
    for each in line:
        start = len(text) + bool(words)
        text = f"{text} {each}" if words else each
        words.append(Word(each, start, len(text)))
    return text, words


def _split(line: str, at: int) -> list[Word]:
    """Split a line into words, quoted ones as one. A quote without its closing quote is a letter."""
    words: list[Word] = []
    while found := re.compile(r"\S+").search(line, at):
        start, at = found.span()
        option = OPTION.match(line, start)
        value = option.end() if option and option.group(3) else start
        if (end := _quoted(line, value)) is not None:
            at = end
            words.append(Word(line[start:value] + line[value + 1 : end - 1], start, end, quoted=value == start))
        else:
            words.append(Word(line[start:at], start, at))
    return words


def _quoted(line: str, start: int) -> int | None:
    """Return the end of the quotes that begin at `start`, or None without a closing quote before a space."""
    closing = QUOTES.get(line[start : start + 1])
    end = line.find(closing, start + 1) if closing else -1
    while closing and end != -1 and line[end + 1 : end + 2].strip():
        end = line.find(closing, end + 1)
    return end + 1 if end != -1 else None


# -- options ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Given:
    """Values of the options, and the other words, with None in place of each option."""

    values: dict[str, Any]
    words: list[Word | None]


def _options(skill: Skill, text: str, words: list[Word]) -> Given | None:
    """Separate options from words. None when help is requested."""
    known = {field.name: field for field in fields(skill) if field.kind == "option"}
    given = Given({}, [])
    at = 0
    while at < len(words):
        word, at = words[at], at + 1
        found = None if word.quoted else OPTION.match(word.text)
        if word.text == "--" and not word.quoted:
            given.words.extend(words[at:])
            break
        name = found.group(2).lower().replace("_", "-") if found else ""
        if found is None or (found.group(1) != "--" and name not in known):
            given.words.append(word)
            continue
        given.words.append(None)
        if name not in known and name in {"help", "json"}:
            if name == "help":
                return None
            continue
        field = known.get(name) or _no_option(skill, text, word, words, known)
        if found.group(3):
            given.values[field.key] = word.text[found.end() :]
        elif field.flag:
            given.values[field.key] = True
        elif at < len(words) and (words[at].quoted or not OPTION.match(words[at].text)):
            given.values[field.key], at = words[at].text, at + 1
        else:
            raise UsageError(f"`--{name}` needs a value.", f"Usage: `{usage(skill)}`")
    return given


# -- positional arguments --------------------------------------------------------------------------------------------------


def _positional(
    skill: Skill, text: str, plain: list[Word | None], product: str | None, products: Collection[str]
) -> dict[str, Any]:
    """Return the values of the positional fields."""
    values: dict[str, Any] = {}
    wanted = [field for field in fields(skill) if field.kind != "option"]
    for field in wanted:
        left = [word for word in plain if word is not None]
        name, taken = _registered(left, products) if field.name == "product" else ("", 0)
        if field.name == "product" and product and not taken and _none_meant(left, wanted, products):
            values[field.key] = product
        elif left and field.many:
            values[field.key], plain = _names(left, products), []
        elif left and field.kind == "rest":
            values[field.key], plain = _as_typed(text, plain), []
        elif left:
            values[field.key] = name or left[0].text
            plain = plain[plain.index(left[max(taken, 1) - 1]) + 1 :]
    if left := [word for word in plain if word is not None]:
        raise UsageError(f"“{left[0].text[:60]}” is one word too many for `{skill.name}`.", f"Usage: `{usage(skill)}`")
    return values


def _registered(left: Sequence[Word], products: Collection[str]) -> tuple[str, int]:
    """Return the product that the words begin with, as in the registry, and the number of words it took.

    “Product A” takes two."""
    names = {_spoken(name): name for name in products}
    for taken in (3, 2, 1):
        said = _spoken("-".join(word.text for word in left[:taken]).rstrip(","))
        if len(left) >= taken and said in names:
            return names[said], taken
    return "", 0


def _names(left: Sequence[Word], products: Collection[str]) -> list[str]:
    names = []
    while left:
        name, taken = _registered(left, products)
        names.append(name or left[0].text.rstrip(","))
        left = left[taken or 1 :]
    return names


def _none_meant(left: Sequence[Word], wanted: Sequence[Field], products: Collection[str]) -> bool:
    """Return True if the words begin with no product, not even a misspelled one."""
    if not left or not products:
        return len(left) < sum(field.required for field in wanted)
    return not difflib.get_close_matches(_spoken(left[0].text), map(_spoken, products), n=1, cutoff=0.86)


def _spoken(name: str) -> str:
    return name.strip().casefold().replace("_", "-").replace(" ", "-")


def _as_typed(text: str, plain: Sequence[Word | None]) -> str:
    """Return the words as typed, without options and without quotes around the whole text."""
    left = [word for word in plain if word is not None]
    if len(left) == 1:
        return left[0].text
    runs: list[str] = []
    start = end = 0
    for word in [*plain, None]:
        if word is not None:
            start, end = (start if end else word.start), word.end
        elif end:
            runs.append(text[start:end])
            start = end = 0
    return " ".join(runs)


# -- errors ----------------------------------------------------------------------------------------------------------------


def _help(skill: Skill, skills: Sequence[Skill]) -> tuple[Skill, dict[str, Any]]:
    helping = named("help", skills)
    if helping is None:
        raise UsageError(f"{skill.name}: {skill.summary}", f"Usage: `{usage(skill)}`")
    return helping, {"command": skill.name}


def _unknown(word: Word, text: str, skills: Sequence[Skill]) -> UsageError:
    name, names = word.text.lower().replace("_", "-"), [skill.name for skill in skills]
    meant = [skill.name for skill in skills if name in skill.synonyms]
    near = meant or difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    near = near or [each for each in names if len(name) > 1 and each.startswith(name)][:1]
    hint = f"Did you mean `{_whole(near[0], text[word.end :])}`?" if near else "Run `/fleet help` to list all commands."
    return UsageError(f"There is no command “{word.text[:60]}”.", hint)


def _no_option(skill: Skill, text: str, word: Word, words: Sequence[Word], known: Collection[str]) -> Field:
    found = OPTION.match(word.text)
    name = found.group(2) if found else word.text
    near = difflib.get_close_matches(name.lower().replace("_", "-"), known, n=1, cutoff=0.6)
    hint = f"Usage: `{usage(skill)}`"
    if near:
        rest = text[words[0].start : word.start] + word.text.replace(name, near[0], 1) + text[word.end :]
        hint = f"Did you mean `{_whole(skill.name, rest)}`?"
    raise UsageError(f"`{skill.name}` has no option `--{name}`.", f"Put `--` before words that begin with dashes. {hint}")


def _whole(name: str, rest: str) -> str:
    """Return a command in full if it is short enough to read, else without its words."""
    whole = " ".join([f"/fleet {name}", *rest.replace("`", "'").split()])
    return whole if len(whole) <= 120 else f"/fleet {name}"
