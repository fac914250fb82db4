"""The command `python -m tests.killing FOLDER [--stripe 0/4] [--most N] [--cut]`.

It dies at every point and prints as JSON how many points there are, how many were tried and what broke. Each life is
a fork of this process, which has one thread and has imported everything. The first life counts the points. Each later
one is killed at one of them, and the next process has to finish everything. With `--cut`, the engine's channel is cut
instead.
"""

import argparse
import asyncio
import gc
import json
import logging
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from bot.commands import catalogue
from tests.killing.life import Life
from tests.killing.points import Fate, HastyLoop

AGAIN = 61
"""Number of first points at which a following process may die too. A third process then finishes."""


def forked(folder: Path, at: int = 0, cut: int = 0) -> int:
    """Run one life in a forked process and return its wait status.

    It dies at point `at`, or its channel is cut at point `cut`. Its output goes to `log` in the folder, the points it
    passed to `met`.
    """
    if child := os.fork():
        return os.waitpid(child, 0)[1]
    try:
        out = os.open(folder / "log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        os.dup2(out, 1)
        os.dup2(out, 2)
        fate, cuts = Fate(at), Fate(cut)
        with asyncio.Runner(loop_factory=lambda: HastyLoop(fate)) as runner:
            runner.run(Life(folder, fate, cuts).live())
        (folder / "met").write_text(json.dumps([fate.met, cuts.met]))
    except BaseException:  # noqa: BLE001  a fork must not go on as its parent
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def killed(folder: Path, at: int) -> str:
    """Return the problem after a death at a point, or an empty string. At every second point the next process dies too."""
    ended = forked(folder, at)
    if not os.WIFSIGNALED(ended) or os.WTERMSIG(ended) != signal.SIGKILL:
        return f"it did not die: {(folder / 'log').read_text()}"
    again = 1 + at % AGAIN if at // 2 % 2 else 0
    ended = forked(folder, again)
    if again and os.WIFSIGNALED(ended):
        ended = forked(folder)
    return "" if ended == 0 else (folder / "log").read_text()


def cut(folder: Path, at: int) -> str:
    """Return the problem after the channel was cut at a point, or an empty string."""
    return "" if forked(folder, cut=at) == 0 else (folder / "log").read_text()


def main() -> int:
    given = _given()
    logging.disable(logging.CRITICAL)
    catalogue.load()
    gc.freeze()
    whole = given.folder / "whole"
    whole.mkdir()
    if forked(whole):
        print((whole / "log").read_text())
        return 1
    points = json.loads((whole / "met").read_text())[given.cut]
    stripe, stripes = map(int, given.stripe.split("/"))
    chosen: Sequence[int] = given.only or range(1 + stripe, len(points) + 1, stripes)
    if 0 < given.most < len(chosen):
        chosen = [chosen[n * len(chosen) // given.most] for n in range(given.most)]
    broken = {}
    for at in chosen:
        folder = given.folder / str(at)
        folder.mkdir()
        if wrong := cut(folder, at) if given.cut else killed(folder, at):
            broken[at] = f"{points[at - 1]}: {wrong}"
        shutil.rmtree(folder)
    print(json.dumps({"points": len(points), "tried": len(chosen), "broken": broken}))
    return bool(broken)


def _given() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--stripe", default="0/1", help="only each so-manieth point, from this one on")
    parser.add_argument("--most", type=int, default=0, help="only so many of them, evenly spread")
    parser.add_argument("--only", type=int, nargs="*", help="only these points")
    parser.add_argument("--cut", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
