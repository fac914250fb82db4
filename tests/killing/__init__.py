"""A coordinator that is killed by SIGKILL at every point of the way from a mail to a delivered decision: see `points` for what
a point is, `life` for the way, and `world` for what outlives it.

There are about 790 points, and 60 places at which the engine's channel is cut. `make test` tries some of them, evenly spread,
`make e2e` all.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LEAST, LEAST_CUTS = 600, 45
"""Points, and places to cut, that there have to be: fewer would mean that they are not counted any more."""


class Trial:
    """`python -m tests.killing` with these options, in a process of its own."""

    def __init__(self, folder: Path, *options: str) -> None:
        folder.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "tests.killing", str(folder), *options]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def verdict(self) -> dict[str, Any]:
        """`{"points", "tried", "broken": {number: what is wrong}}`, once it has ended."""
        said, _ = self._process.communicate()
        assert said.strip().startswith("{"), said
        verdict: dict[str, Any] = json.loads(said)
        return verdict
