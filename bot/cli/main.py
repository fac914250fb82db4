"""The command line of `fleet up`, `ask`, `doctor`, `init` and every skill, and the only module that prints.

A skill is run by the fleet that is running on this machine, or in this process if none is. Exit codes: 0 success, 1 the skill
refused or problems were found, 2 the command could not run, 130 interrupted. Heavy modules are imported where they are needed,
because most commands only ask a running fleet.
"""

import json
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.cli import render
from bot.cli.render import Screen, spoken
from bot.domain.errors import FleetError

if TYPE_CHECKING:
    import argparse

    from bot.commands.skill import Skill
    from bot.conversation.setup import SetupCommand
    from bot.report import Report
    from bot.settings import Settings

FINE, NO, CANNOT = 0, 1, 2
BASE = {
    "up": "Start the fleet: the page, the gateway, the chat platforms and the agent.",
    "ask": "Ask the agent in plain language, or ask a product.",
    "doctor": "Diagnose problems and suggest fixes.",
    "init": "Create a products.yaml and a .env to start with.",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    as_json = _take(words, "--json")
    try:
        return _main(words, as_json=as_json)
    except FleetError as error:
        return _refused(error, CANNOT, as_json=as_json)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FINE


def commands() -> dict[str, str]:
    """Return the summary of each command that is not a skill, by name."""
    return {**BASE, **{name: command.summary for name, command in _setup_commands().items()}}


def _main(words: list[str], *, as_json: bool) -> int:
    own: dict[str, Callable[[list[str], bool], int]] = {"up": _up, "ask": _ask, "doctor": _doctor, "init": _init}
    if words[:1] == ["--version"]:
        from importlib.metadata import version

        print(f"meta-coordinator {version('meta-coordinator')}")
        return FINE
    if not words or words[0] in {"-h", "--help"}:
        return _overview()
    if words[0] in own:
        return own[words[0]](words[1:], as_json)
    return _skill(words, as_json)


# -- skills ----------------------------------------------------------------------------------------------------------------


def _skill(words: list[str], as_json: bool) -> int:
    from bot.commands import catalogue

    one = catalogue.one(words[0])
    if one is None and (command := _setup_commands().get(words[0])):
        return _setup(command, words[1:], as_json)
    known = (one,) if one and "--help" not in words else catalogue.load()
    skill, arguments = catalogue.parse(words, known)
    if skill.name == "help":
        return _help(known if len(known) > 1 else catalogue.load(), arguments, as_json)
    result = _run(skill, arguments)
    return _show(result, as_json)


def _show(result: dict[str, Any], as_json: bool) -> int:
    if "error" in result:
        error = result["error"]
        return _refused(FleetError(error["message"], error.get("hint", ""), code=error.get("code")), NO, as_json=as_json)
    data = result.get("data")
    if as_json:
        _print_json(data if data is not None else {"text": result["text"]})
    else:
        print(_out().result(result))
    confirm = data.get("confirm") if isinstance(data, dict) else None
    if not confirm:
        return FINE
    if not as_json and sys.stdin.isatty() and sys.stdout.isatty() and input("Continue? [y/N] ").strip().lower() in {"y", "yes"}:
        return _skill(shlex.split(spoken(str(confirm)))[1:], as_json)
    return NO


def _run(skill: "Skill", arguments: dict[str, Any]) -> dict[str, Any]:
    """Return a skill's result as JSON values, from the running fleet or from one opened for this command."""
    from bot import running

    settings = _settings()
    fleet = running.find(settings.state)
    try:
        if fleet is not None:
            return fleet.skill(skill.name, arguments)
        return _here(_with_registry(settings), skill, arguments)
    except FleetError as error:
        if error.code in {"no_answer", "registry", "settings", "store", "running"}:
            raise
        return {"error": error.as_json()}


def _here(settings: "Settings", skill: "Skill", arguments: dict[str, Any]) -> dict[str, Any]:
    import asyncio

    from bot.cli import local

    return asyncio.run(local.run_skill(settings, skill.name, arguments, progress=_aside))


def _help(skills: "Sequence[Skill]", arguments: dict[str, Any], as_json: bool) -> int:
    """Show help, which is made from the declarations and needs no fleet."""
    import asyncio

    from bot.cli import local

    if not arguments and not as_json:
        return _overview()
    if (name := str(arguments.get("command", ""))) in commands() and name not in {each.name for each in skills}:
        return _main([name, "--help"], as_json=as_json)
    return _show(asyncio.run(local.help_text(skills, arguments)), as_json)


# -- commands other than skills --------------------------------------------------------------------------------------------


def _up(words: list[str], as_json: bool) -> int:
    import asyncio

    _parser("up", BASE["up"]).parse_args(words)
    settings = _with_registry(_settings())
    from bot import app

    def report(report: "Report") -> None:
        print(_out().report(report), flush=True)

    asyncio.run(app.run(settings, report))
    print("Stopped. Running sessions keep going.")
    return FINE


def _ask(words: list[str], as_json: bool) -> int:
    import asyncio

    from bot import running
    from bot.cli import local

    parser = _parser("ask", BASE["ask"])
    parser.add_argument("words", nargs="+", metavar="WORDS", help="the question; - reads it from standard input")
    parser.add_argument("--conversation", default=running.CONVERSATION, help="the conversation to use")
    parser.add_argument("--wait", type=float, help="seconds to wait for a product's answer")
    parser.usage = (
        'fleet ask "WORDS" [--conversation NAME] [--json]\n       fleet ask PRODUCT "WORDS" [--wait SECONDS] [--json]'
    )
    if not words:
        parser.print_usage(sys.stderr)
        return CANNOT
    given = parser.parse_args(words)
    settings = _settings()
    fleet = running.find(settings.state)
    settings = settings if fleet else _with_registry(settings)
    first = given.words[0]
    if first != "-" and " " not in first and local.is_product(first, fleet, settings):
        wait = ["--wait", str(60 if given.wait is None else given.wait)]
        return _skill(["ask", given.words[0], *wait, "--", *given.words[1:]], as_json)
    text = sys.stdin.read() if given.words == ["-"] else " ".join(given.words)
    write = None if as_json else _write_through
    answer = asyncio.run(local.talk(text, fleet, settings, given.conversation, write=write, aside=_aside))
    if as_json:
        _print_json(answer)
    else:
        print(_out().rest(answer))
    return NO if any(each["kind"] == "error" for each in answer["replies"]) else FINE


def _doctor(words: list[str], as_json: bool) -> int:
    import asyncio

    from bot import doctor

    parser = _parser("doctor", BASE["doctor"])
    parser.add_argument("--fix", action="store_true", help="also apply the fixes that are safe")
    parser.add_argument("--online", action="store_true", help="also try the Claude key (counts one token, costs nothing)")
    given = parser.parse_args(words)
    found = asyncio.run(doctor.examine(os.environ, Path(), fix=given.fix, online=given.online))
    if as_json:
        _print_json(found.as_json())
    else:
        print(_out().findings(found))
    return found.exit_code


def _init(words: list[str], as_json: bool) -> int:
    from bot.cli import init

    parser = _parser("init", BASE["init"])
    parser.add_argument("folder", nargs="?", default=".", metavar="FOLDER", help="where to write; default this folder")
    parser.add_argument("--demo", action="store_true", help="start with the four test products")
    given = parser.parse_args(words)
    created = init.begin(Path(given.folder), with_demo=given.demo)
    if as_json:
        files = {"written": list(map(str, created.written)), "existing": list(map(str, created.existing))}
        _print_json({**files, "products": list(created.products), "next": created.next})
        return FINE
    for path in created.written:
        print(f"created  {path}")
    for path in created.existing:
        print(f"skipped  {path} (it exists)")
    if created.products:
        print(f"added    {len(created.products)} git repositories: {', '.join(created.products)}")
    print(f"next     {created.next}")
    return FINE


def _setup_commands() -> "dict[str, SetupCommand]":
    from bot.platforms import PLATFORMS

    return {platform.command.name: platform.command for platform in PLATFORMS}


def _setup(command: "SetupCommand", words: list[str], as_json: bool) -> int:
    parser = _parser(command.name, command.summary)
    command.options(parser)
    output = command.run(parser.parse_args(words), _settings())
    if as_json:
        _print_json(output.data)
    else:
        print(output.text)
    for note in output.notes:
        _aside(note)
    return FINE


def _overview() -> int:
    from bot.commands import catalogue

    print(_out().overview(commands(), catalogue.load()))
    return FINE


# -- common parts ----------------------------------------------------------------------------------------------------------


def _settings() -> "Settings":
    from bot.settings import Settings

    return Settings.load()


def _with_registry(settings: "Settings") -> "Settings":
    from bot.demo import registry_of

    given = "FLEET_PRODUCTS" in settings.given
    return replace(settings, products=registry_of(settings.products, settings.state, given=given))


def _parser(name: str, summary: str) -> "argparse.ArgumentParser":
    import argparse

    parser = argparse.ArgumentParser(prog=f"fleet {name}", description=summary, allow_abbrev=False)
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of text")
    return parser


def _take(words: list[str], flag: str) -> bool:
    """Remove a flag from the words, wherever it is before `--`, and return True if it was there."""
    end = words.index("--") if "--" in words else len(words)
    found = flag in words[:end]
    words[:end] = [word for word in words[:end] if word != flag]
    return found


def _refused(error: FleetError, code: int, *, as_json: bool) -> int:
    if as_json:
        _print_json({"error": error.as_json()})
    else:
        print(_screen(sys.stderr.isatty()).error(error.message, error.hint), file=sys.stderr)
    return code


def _print_json(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=2 if sys.stdout.isatty() else None))


def _screen(terminal: bool) -> Screen:
    return render.screen(terminal=terminal, environ=os.environ)


def _out() -> Screen:
    return _screen(sys.stdout.isatty())


def _write_through(text: str) -> None:
    print(text, end="", flush=True)


def _aside(text: str) -> None:
    print(_screen(sys.stderr.isatty()).dim(f"· {text}"), file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
