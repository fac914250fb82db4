"""The command line: `fleet up`, `fleet ask`, `fleet doctor`, `fleet init`, and every skill. The only module that prints.

A skill is run by the coordinator that runs on this machine, or here and now when none does. Exit codes: 0 it went well,
1 the answer is no or there are problems, 2 it could not be run at all. Heavy modules are imported where they are needed,
because most commands only ask.
"""

import json
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.cli.render import Console, console, spoken
from bot.domain.errors import FleetError, UsageError

if TYPE_CHECKING:
    import argparse

    from bot.app import Report
    from bot.commands.skill import Skill
    from bot.settings import Settings

FINE, NO, CANNOT = 0, 1, 2
BASE = {
    "up": "Start the coordinator: the page, the gateway, the agent.",
    "ask": "Ask it in plain words; with a product first, ask that product.",
    "doctor": "Look what is wrong, and say how to mend it.",
    "init": "Write a products.yaml and a .env to begin with.",
    "slack-manifest": "Print the manifest from which Slack makes the app.",
    "discord-invite": "Print the link that invites the bot to a Discord server, and why it asks for what.",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    as_json = _take(words, "--json")
    try:
        return _main(words, as_json=as_json)
    except UsageError as error:
        return _refused(error, CANNOT, as_json=as_json)
    except FleetError as error:
        return _refused(error, CANNOT, as_json=as_json)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FINE


def _main(words: list[str], *, as_json: bool) -> int:
    commands: dict[str, Callable[[list[str], bool], int]] = {
        "up": _up,
        "ask": _ask,
        "doctor": _doctor,
        "init": _init,
        "slack-manifest": _slack_manifest,
        "discord-invite": _discord_invite,
    }
    if words[:1] == ["--version"]:
        from importlib.metadata import version

        print(f"meta-coordinator {version('meta-coordinator')}")
        return FINE
    if not words or words[0] in {"-h", "--help"}:
        return _overview()
    if words[0] in commands:
        return commands[words[0]](words[1:], as_json)
    return _skill(words, as_json)


# -- skills ----------------------------------------------------------------------------------------------------------------


def _skill(words: list[str], as_json: bool) -> int:
    from bot.commands import catalogue

    one = catalogue.one(words[0])
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
    if not as_json and sys.stdin.isatty() and sys.stdout.isatty() and input("Do it? [y/N] ").strip().lower() in {"y", "yes"}:
        return _skill(shlex.split(spoken(str(confirm)))[1:], as_json)
    return NO


def _run(skill: "Skill", arguments: dict[str, Any]) -> dict[str, Any]:
    """A skill's answer as JSON values, from the coordinator that runs or from one made for the occasion."""
    from bot import running as remote

    settings = _settings()
    running = remote.find(settings.state)
    try:
        if running is not None:
            return running.skill(skill.name, arguments)
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
    """Help needs no fleet: it is made from the declarations."""
    import asyncio

    from bot.cli import local

    if not arguments and not as_json:
        return _overview()
    return _show(asyncio.run(local.help_text(skills, arguments)), as_json)


# -- the commands of its own -----------------------------------------------------------------------------------------------


def _up(words: list[str], as_json: bool) -> int:
    import asyncio

    _parser("up").parse_args(words)
    settings = _with_registry(_settings())
    from bot import app

    def report(report: "Report") -> None:
        print(_out().report(report), flush=True)

    asyncio.run(app.run(settings, report))
    print("stopped; sessions run on")
    return FINE


def _ask(words: list[str], as_json: bool) -> int:
    import asyncio

    from bot import running as remote
    from bot.cli import local

    parser = _parser("ask")
    parser.add_argument("words", nargs="+", metavar="WORDS", help="what to ask; - reads it from standard input")
    parser.add_argument("--conversation", default=remote.CONVERSATION, help="the conversation it belongs to")
    parser.add_argument("--wait", type=float, help="seconds to wait for a product's answer")
    parser.usage = (
        'fleet ask "WORDS" [--conversation NAME] [--json]\n       fleet ask PRODUCT "WORDS" [--wait SECONDS] [--json]'
    )
    if not words:
        parser.print_usage(sys.stderr)
        return CANNOT
    given = parser.parse_args(words)
    settings = _settings()
    running = remote.find(settings.state)
    settings = settings if running else _with_registry(settings)
    first = given.words[0]
    if first != "-" and " " not in first and local.is_product(first, running, settings):
        wait = ["--wait", str(60 if given.wait is None else given.wait)]
        return _skill(["ask", given.words[0], *wait, "--", *given.words[1:]], as_json)
    text = sys.stdin.read() if given.words == ["-"] else " ".join(given.words)
    write = None if as_json else _write_through
    answer = asyncio.run(local.talk(text, running, settings, given.conversation, write=write, aside=_aside))
    if as_json:
        _print_json(answer)
    else:
        print(_out().rest(answer))
    return NO if any(each["kind"] == "error" for each in answer["replies"]) else FINE


def _doctor(words: list[str], as_json: bool) -> int:
    import asyncio

    from bot import doctor

    parser = _parser("doctor")
    parser.add_argument("--fix", action="store_true", help="mend what can be mended safely, and say what was done")
    parser.add_argument("--online", action="store_true", help="also try the Claude key (counts one token; costs nothing)")
    given = parser.parse_args(words)
    found = asyncio.run(doctor.examine(os.environ, Path(), fix=given.fix, online=given.online))
    if as_json:
        _print_json(found.as_json())
    else:
        print(_out().findings(found))
    return found.exit_code


def _init(words: list[str], as_json: bool) -> int:
    from bot.cli import init

    parser = _parser("init")
    parser.add_argument("folder", nargs="?", default=".", metavar="FOLDER", help="where to write; this folder when left out")
    parser.add_argument("--demo", action="store_true", help="begin with the four test products instead of your own")
    given = parser.parse_args(words)
    begun = init.begin(Path(given.folder), with_demo=given.demo)
    if as_json:
        files = {"written": list(map(str, begun.written)), "kept": list(map(str, begun.kept))}
        _print_json({**files, "products": list(begun.products), "next": begun.next})
        return FINE
    for path in begun.written:
        print(f"wrote   {path}")
    for path in begun.kept:
        print(f"kept    {path} (it was there)")
    if begun.products:
        print(f"entered {len(begun.products)} git repositories: {', '.join(begun.products)}")
    print(f"next    {begun.next}")
    return FINE


def _slack_manifest(words: list[str], as_json: bool) -> int:
    from bot.chat.slack import manifest
    from bot.commands import catalogue

    parser = _parser("slack-manifest")
    parser.add_argument(
        "--http", metavar="URL", help="for HTTP instead of Socket Mode: where Slack reaches the page, https://…"
    )
    url = parser.parse_args(words).http
    if url is not None and not url.startswith("https://"):
        raise UsageError(f"Slack sends only to https addresses, not to {url[:80]}.", "Give the public address, https://….")
    print(json.dumps(manifest.manifest(catalogue.load(), url and url.rstrip("/")), ensure_ascii=False, indent=2))
    for scope, why in {**manifest.SCOPES, **({} if url else manifest.APP_SCOPES)}.items():
        _aside(f"{scope}: {why}")
    return FINE


def _discord_invite(words: list[str], as_json: bool) -> int:
    from bot.chat.discord import invite

    parser = _parser("discord-invite")
    parser.add_argument("application", nargs="?", type=int, help="the application's id; else it is read from DISCORD_TOKEN")
    application = parser.parse_args(words).application
    if application is None:
        token = _settings().discord_token
        if token is None:
            raise UsageError("There is no DISCORD_TOKEN.", "Set it, or give the Application ID of the developer portal.")
        application = invite.application_of(token.get_secret_value())
    link = invite.link(application)
    if as_json:
        _print_json({"url": link, "permissions": invite.REASONS, "scopes": invite.SCOPES, "intents": invite.INTENTS})
        return FINE
    print(link)
    for title, reasons in (("scopes", invite.SCOPES), ("permissions", invite.REASONS), ("privileged intents", invite.INTENTS)):
        print(f"\n{title}")
        for name, reason in reasons.items():
            print(f"  {name:26} {reason}")
    return FINE


def _overview() -> int:
    from bot.commands import catalogue

    print(_out().overview(BASE, catalogue.load()))
    return FINE


# -- what they share -------------------------------------------------------------------------------------------------------


def _settings() -> "Settings":
    from bot.settings import Settings

    return Settings.load()


def _with_registry(settings: "Settings") -> "Settings":
    from bot.cli.init import registry_of

    given = "FLEET_PRODUCTS" in settings.given
    return replace(settings, products=registry_of(settings.products, settings.state, given=given))


def _parser(name: str) -> "argparse.ArgumentParser":
    import argparse

    parser = argparse.ArgumentParser(prog=f"fleet {name}", description=BASE[name], allow_abbrev=False)
    parser.add_argument("--json", action="store_true", help="one JSON document instead of text")
    return parser


def _take(words: list[str], flag: str) -> bool:
    """Take a flag out of the words, wherever it stands before `--`."""
    end = words.index("--") if "--" in words else len(words)
    found = flag in words[:end]
    words[:end] = [word for word in words[:end] if word != flag]
    return found


def _refused(error: FleetError, code: int, *, as_json: bool) -> int:
    if as_json:
        _print_json({"error": error.as_json()})
    else:
        screen = console(screen=sys.stderr.isatty(), environ=os.environ)
        print(screen.error(error.message, error.hint), file=sys.stderr)
    return code


def _print_json(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=2 if sys.stdout.isatty() else None))


def _out() -> Console:
    return console(screen=sys.stdout.isatty(), environ=os.environ)


def _write_through(text: str) -> None:
    print(text, end="", flush=True)


def _aside(text: str) -> None:
    screen = console(screen=sys.stderr.isatty(), environ=os.environ)
    print(screen.dim(f"· {text}"), file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
