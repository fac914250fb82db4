"""Command line, which selects the dialect, the project and the command."""

import importlib
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bot.rehearsal import answers, grammar
from bot.rehearsal.answers import Answer
from bot.rehearsal.arguments import Grammar, parse
from bot.rehearsal.call import Call
from bot.rehearsal.dialects import Dialect, chosen
from bot.rehearsal.errors import BadUsage, EngineError, InvalidRequest
from bot.rehearsal.project import Project, find


def main(arguments: Sequence[str]) -> int:
    """Run the command and return the exit code."""
    words = list(arguments)
    wanted = taken(words, "--dialect")
    dialect = chosen(wanted)
    if "--version" in words[:2] or words[:1] == ["-v"]:
        return version(dialect, as_json="--json" in words)
    if not words or words[0] in {"--help", "-h", "help"}:
        print(usage(dialect))
        return 0
    try:
        return run(words, dialect)
    except BrokenPipeError:
        sys.stderr.close()
        return 0


def taken(words: list[str], flag: str) -> str | None:
    """Remove a flag and its value from the words before the command and return the value."""
    if words[:1] == [flag] and len(words) > 1:
        value = words[1]
        del words[:2]
        return value
    return None


def version(dialect: Dialect, *, as_json: bool) -> int:
    """Print the version, from which a client picks its dialect."""
    if not dialect.envelope:
        print(f"overstory v{dialect.label}")
    elif as_json:
        about = {"name": "rehearsal", "version": dialect.label, "runtime": "python", "platform": sys.platform}
        print(answers.compact(about))
    else:
        print(dialect.label)
    return 0


def usage(dialect: Dialect) -> str:
    """Return the help text."""
    width = max(map(len, grammar.COMMANDS))
    lines = [f"{dialect.program} {dialect.label}: simulates overstory without a model or tokens.", ""]
    lines += [f"Usage: {dialect.program} <command> [options]", "", "Commands:"]
    lines += [f"  {name:{width}}  {entry.says}" for name, entry in grammar.available(dialect).items()]
    options = "--json  --project PATH  --version  --help  --dialect 0.11|0.5.8 (must come first, or set REHEARSAL_DIALECT)"
    return "\n".join([*lines, "", f"Options: {options}"])


def run(words: list[str], dialect: Dialect) -> int:
    """Run a command of a dialect and return its exit code."""
    begun = time.monotonic()
    project_path = None
    before: list[str] = []
    while dialect.strict_flags and words and words[0].startswith("-"):
        if path := taken(words, "--project"):
            project_path = path
        elif words[0] in {"--json", "--quiet", "-q", "--verbose", "--timing"}:
            before.append(words.pop(0))
        else:
            print(f"error: unknown option '{words[0]}'", file=sys.stderr)
            return 1
    found = grammar.recognise(words, dialect) if words else None
    if found is None:
        return unknown(words or before, dialect)
    entry, rest = found.entry, found.rest
    as_json = "--json" in rest or "--json" in before
    if "--help" in rest or "-h" in rest:
        print(f"Usage: {dialect.program} {found.name} {described(entry.grammar)}\n\n{entry.says} (rehearsal)")
        return 0
    try:
        parsed = parse(entry.grammar, [*rest, *([] if entry.grammar.apart else before)], strict=dialect.strict_flags)
        project = located(project_path or parsed.get("--project"), dialect)
        module, _, function = entry.place.partition(":")
        act: Callable[[Call], Answer | int] = getattr(importlib.import_module(f".{module}", __package__), function)
        answer = act(Call(project, parsed, as_json))
        code = answer if isinstance(answer, int) else answers.show(answer, dialect, as_json=as_json)
    except EngineError as refused:
        code = answers.show_refusal(refused, dialect, as_json=as_json, apart=entry.grammar.apart)
    if "--timing" in before or "--timing" in rest:
        print(f"Done in {(time.monotonic() - begun) * 1000:.0f}ms", file=sys.stderr)
    return code


def described(syntax: Grammar) -> str:
    """Return a command's arguments in the notation of its help."""
    flags = [*syntax.required, *[f"[{flag}]" for flag in syntax.flags]]
    return " ".join([*syntax.positionals, *flags])


def located(path: str | None, dialect: Dialect) -> Project:
    """Return the project of --project, else of the current folder."""
    if path is None:
        return find(Path.cwd(), dialect)
    if not (Path(path) / ".overstory" / "config.yaml").exists():
        raise InvalidRequest(f"'{path}' is not an overstory project (missing .overstory/config.yaml). Run 'ov init' first.")
    return find(Path(path), dialect)


def unknown(words: list[str], dialect: Dialect) -> int:
    """Print that there is no such command, with the nearest one."""
    program, known = dialect.program, grammar.available(dialect)
    families = {name.split()[0] for name in known if " " in name}
    if words and words[0] in families and len(words) > 1:
        family, sub = words[0], next((word for word in words[1:] if not word.startswith("-")), "")
        if family == "mail" and dialect.envelope:
            problem = BadUsage(f"error: unknown command '{sub}'")
            return answers.show_refusal(problem, dialect, as_json="--json" in words, apart=True)
        told = f"Unknown {family} subcommand: {sub}. Run '{program} {family} --help' for usage."
        if dialect.envelope:
            print(f"error: unknown command '{sub}'", file=sys.stderr)
            return 1
        return answers.show_refusal(InvalidRequest(told), dialect, as_json=False)
    print(f"Unknown command: {words[0] if words else ''}", file=sys.stderr)
    import difflib  # loaded late for a fast start, only a mistake needs it

    names = sorted({name.split()[0] for name in known})
    if close := difflib.get_close_matches(words[0] if words else "", names, 1, 0.5):
        print(f"Did you mean '{close[0]}'?", file=sys.stderr)
    print(f"Run '{program} --help' for usage.", file=sys.stderr)
    return 1
