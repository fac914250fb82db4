"""Parses a command's arguments as overstory's two parsers do: 0.11.0 refuses what it does not know, 0.5.8 ignores it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from bot.rehearsal.errors import BadUsage, InvalidRequest

GLOBAL_FLAGS = ("--json", "--quiet", "-q", "--verbose", "--timing")


@dataclass(frozen=True)
class Grammar:
    """What a command takes, written as overstory's help writes it: `<id>`, `[message...]`, `--to <agent>`, `--json`."""

    positionals: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    """Flags that must be given, in the same writing."""
    apart: bool = False
    """Commands with a parser of their own: they do not know the global flags, and report misuse as JSON too."""
    naive: bool = False
    """In 0.5.8, takes a flag's value for a positional when it comes first (its `sling`)."""

    def takes_value(self, name: str) -> bool | None:
        """Whether a flag takes a value; None when there is no such flag."""
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
        """All its flags."""
        return [written.split()[0] for written in (*self.flags, *self.required)]


@dataclass(frozen=True)
class Arguments:
    """A command's parsed arguments."""

    positionals: list[str] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)
    flags: frozenset[str] = frozenset()

    def get(self, name: str, default: str | None = None) -> str | None:
        """A flag's value."""
        return self.values.get(name, default)

    def has(self, name: str) -> bool:
        """Whether a flag was given."""
        return name in self.flags

    def number(self, name: str, default: int) -> int:
        """A flag's value as a whole number that is not negative."""
        text = self.values.get(name)
        if text is None:
            return default
        if not text.isdigit():
            raise InvalidRequest(f"{name} must be a non-negative integer")
        return int(text)


def parse(grammar: Grammar, arguments: Sequence[str], *, strict: bool) -> Arguments:
    """Parse what follows a command; raises BadUsage when strict and something does not fit."""
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
            import difflib  # only a mistake needs it; starting fast matters

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
    """0.5.8: a flag's value is simply the next token, a positional is any token without a dash; nothing is refused."""
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
