"""Parsers of a command's arguments, like overstory's two.

0.11.0 refuses what it does not know, 0.5.8 ignores it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from bot.rehearsal.errors import BadUsage, InvalidRequest

GLOBAL_FLAGS = ("--json", "--quiet", "-q", "--verbose", "--timing")


@dataclass(frozen=True)
class Grammar:
    """Arguments of a command in the notation of overstory's help.

    Examples are `<id>`, `[message...]`, `--to <agent>` and `--json`."""

    positionals: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    """Required flags, in the same notation."""
    apart: bool = False
    """True for commands with their own parser.

    It lacks the global flags and reports misuse as JSON too."""
    naive: bool = False
    """True if 0.5.8 mistakes the value of a leading flag for a positional, as its `sling` does."""

    def takes_value(self, name: str) -> bool | None:
        """Return True if a flag takes a value, None if there is no such flag."""
        if not self.apart and name in GLOBAL_FLAGS:
            return False
        if not self.apart and name == "--project":
            return True
        for written in (*self.flags, *self.required):
            if written.split()[0] == name:
                return " " in written
        return None

    @property
    def names(self) -> list[str]:
        """Names of all flags."""
        return [written.split()[0] for written in (*self.flags, *self.required)]


@dataclass(frozen=True)
class Arguments:
    """Parsed arguments of a command."""

    positionals: list[str] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)
    flags: frozenset[str] = frozenset()

    def get(self, name: str, default: str | None = None) -> str | None:
        """Return a flag's value."""
        return self.values.get(name, default)

    def has(self, name: str) -> bool:
        """Return True if a flag was given."""
        return name in self.flags

    def number(self, name: str, default: int) -> int:
        """Return a flag's value as a non-negative integer. Raises InvalidRequest if it is not one."""
        text = self.values.get(name)
        if text is None:
            return default
        if not text.isdigit():
            raise InvalidRequest(f"{name} must be a non-negative integer")
        return int(text)


def parse(grammar: Grammar, arguments: Sequence[str], *, strict: bool) -> Arguments:
    """Parse the words after a command. Raises BadUsage if strict and something does not fit."""
    if not strict:
        return _lenient(grammar, arguments)
    positionals: list[str] = []
    values: dict[str, str] = {}
    flags: set[str] = set()
    rest = list(arguments)
    while rest:
        token = rest.pop(0)
        if token == "--":  # noqa: S105
            positionals += rest
            break
        if not token.startswith("-"):
            positionals.append(token)
            continue
        name, has_value, value = token.partition("=")
        takes = grammar.takes_value(name)
        if takes is None:
            import difflib  # loaded late for a fast start, only a mistake needs it

            close = difflib.get_close_matches(name, grammar.names, 1)
            hint = f"\n(Did you mean {close[0]}?)" if close else ""
            raise BadUsage(f"error: unknown option '{name}'{hint}")
        if not takes:
            flags.add(name)
        elif has_value or rest:
            values[name] = value if has_value else rest.pop(0)
        else:
            raise BadUsage(f"error: option '{_written(grammar, name)}' argument missing")
    for written in grammar.required:
        if written.split()[0] not in values:
            raise BadUsage(f"error: required option '{written}' not specified")
    wanted = [one for one in grammar.positionals if one.startswith("<")]
    if len(positionals) < len(wanted):
        raise BadUsage(f"error: missing required argument '{wanted[len(positionals)].strip('<>')}'")
    if len(positionals) > len(grammar.positionals) and not any("..." in one for one in grammar.positionals):
        allowed, got = len(grammar.positionals), len(positionals)
        raise BadUsage(f"error: too many arguments. Expected {allowed} arguments but got {got}.")
    return Arguments(positionals, values, frozenset(flags))


def _lenient(grammar: Grammar, arguments: Sequence[str]) -> Arguments:
    """Parse like 0.5.8, which refuses nothing.

    A flag's value is the next token, and a positional is any token without a dash."""
    values = {}
    for name in grammar.names:
        if grammar.takes_value(name) and name in arguments:
            after = list(arguments).index(name) + 1
            if after < len(arguments):
                values[name] = arguments[after]
    taken = set() if grammar.naive else {list(arguments).index(name) + 1 for name in values}
    positionals = [one for place, one in enumerate(arguments) if not one.startswith("-") and place not in taken]
    return Arguments(positionals, values, frozenset(token for token in arguments if token.startswith("-")))


def _written(grammar: Grammar, name: str) -> str:
    return next((one for one in (*grammar.flags, *grammar.required) if one.split()[0] == name), name)
