"""Command line of the supervisor, `python -m bot.supervisor`.

`--socket PATH` runs the daemon, `--attach PATH` joins stdin and stdout to a running one, and `--check PATH` asks for its
health.
"""

import argparse
import asyncio
import logging
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from bot.supervisor import client
from bot.supervisor.protocol import ChannelError

ROOT = (
    "The supervisor does not run as root. The engine refuses root, and agents cannot change files that root created. "
    "Run it as the user that owns the products."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    0 means success, 1 a negative answer, 2 that it cannot run."""
    options = _parser().parse_args(arguments)
    if options.attach:
        return client.attach(options.attach)
    if options.check:
        return client.check(options.check)
    if options.socket is None:
        return _fail("No socket given. Use --socket PATH or set SUPERVISOR_SOCKET.")
    logging.basicConfig(level=options.log.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    from bot.supervisor import daemon
    from bot.supervisor.engine import Engine
    from bot.supervisor.state import State

    engine = Engine(options.engine or shlex.split(os.environ.get("SUPERVISOR_ENGINE", "")))
    try:
        await engine.version()
    except ChannelError as error:
        logging.getLogger(__name__).warning("%s %s", error.message, error.hint)
    if os.getuid() == 0 and not options.allow_root and not engine.rehearsal:
        return _fail(ROOT)
    try:
        state = State(options.state or _state_folder())
        await daemon.serve(options.socket, engine, state, idle_after=options.idle, make=options.make)
    except daemon.AlreadyRunning:
        return _fail(f"Another supervisor already listens on {options.socket}.", 1)
    except OSError as error:
        return _fail(f"Cannot listen on {options.socket}: {error}.")
    return 0


def _fail(words: str, code: int = 2) -> int:
    sys.stderr.write(f"{words}\n")
    return code


def _parser() -> argparse.ArgumentParser:
    env = os.environ
    parser = argparse.ArgumentParser(prog="python -m bot.supervisor", description="Run the engine's processes of one runtime.")
    parser.add_argument("--socket", type=Path, default=_path(env.get("SUPERVISOR_SOCKET")), help="socket to listen on")
    parser.add_argument("--attach", type=Path, help="connect stdin and stdout to the supervisor on this socket")
    parser.add_argument("--check", type=Path, help="check the supervisor on this socket")
    parser.add_argument(
        "--engine",
        action="append",
        metavar="WORD",
        help="the engine's command, one option per word (default: ov, overstory)",
    )
    parser.add_argument(
        "--state", type=Path, default=_path(env.get("SUPERVISOR_STATE")), help="folder for state that outlives the supervisor"
    )
    parser.add_argument("--idle", type=float, default=300.0, help="seconds after which an idle serve is stopped")
    parser.add_argument("--make", default="", help="label that the hello repeats, to tell supervisors apart")
    parser.add_argument("--log", default=env.get("SUPERVISOR_LOG", "info"), choices=["debug", "info", "warning", "error"])
    parser.add_argument("--allow-root", action="store_true", help="run as root anyway")
    return parser


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None


def _state_folder() -> Path:
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "fleet-supervisor"


if __name__ == "__main__":
    sys.exit(main())
