"""`python -m supervisor`: `--socket PATH` runs the daemon, `--attach PATH` joins stdio to it, `--check PATH` asks how it is."""

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
    "The supervisor does not run as root: the engine refuses root, and what root creates in a product locks its agents out. "
    "Run it as the user that owns the products."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; the exit code (0 fine, 1 no, 2 cannot run)."""
    wanted = _parser().parse_args(arguments)
    if wanted.attach:
        return client.attach(wanted.attach)
    if wanted.check:
        return client.check(wanted.check)
    if wanted.socket is None:
        return _refuse("Say where to listen: --socket PATH, or SUPERVISOR_SOCKET.")
    logging.basicConfig(level=wanted.log.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    return asyncio.run(_run(wanted))


async def _run(wanted: argparse.Namespace) -> int:
    from bot.supervisor import daemon
    from bot.supervisor.engine import Engine
    from bot.supervisor.state import State

    engine = Engine(wanted.engine or shlex.split(os.environ.get("SUPERVISOR_ENGINE", "")))
    try:
        await engine.version()
    except ChannelError as error:
        logging.getLogger(__name__).warning("%s %s", error.message, error.hint)
    if os.getuid() == 0 and not wanted.allow_root and not engine.rehearsal:
        return _refuse(ROOT)
    try:
        state = State(wanted.state or _state_folder())
        await daemon.serve(wanted.socket, engine, state, idle_after=wanted.idle, make=wanted.make)
    except daemon.AlreadyRunning:
        return _refuse(f"Another supervisor serves {wanted.socket} already.", 1)
    except OSError as error:
        return _refuse(f"Cannot listen on {wanted.socket}: {error}.")
    return 0


def _refuse(words: str, code: int = 2) -> int:
    sys.stderr.write(f"{words}\n")
    return code


def _parser() -> argparse.ArgumentParser:
    env = os.environ
    parser = argparse.ArgumentParser(prog="supervisor", description="Owns the engine's processes of one runtime.")
    parser.add_argument("--socket", type=Path, default=_path(env.get("SUPERVISOR_SOCKET")), help="listen here")
    parser.add_argument("--attach", type=Path, help="join stdin and stdout to the supervisor that listens there")
    parser.add_argument("--check", type=Path, help="ask the supervisor that listens there how it is")
    parser.add_argument(
        "--engine",
        action="append",
        metavar="WORD",
        help="the engine's command, one option for each word of it (default: ov, overstory)",
    )
    parser.add_argument("--state", type=Path, default=_path(env.get("SUPERVISOR_STATE")), help="what outlives the supervisor")
    parser.add_argument("--idle", type=float, default=300.0, help="seconds after which a serve with nothing to do is ended")
    parser.add_argument("--make", default="", help="a word that hello repeats, to tell one supervisor from another")
    parser.add_argument("--log", default=env.get("SUPERVISOR_LOG", "info"), choices=["debug", "info", "warning", "error"])
    parser.add_argument("--allow-root", action="store_true", help="run as root all the same")
    return parser


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None


def _state_folder() -> Path:
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "fleet-supervisor"


if __name__ == "__main__":
    sys.exit(main())
