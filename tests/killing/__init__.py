"""A fleet that is killed by SIGKILL at every point between a mail and a delivered decision.

`points` defines a point, `life` the path, and `world` everything that outlives the process. There are about 640
points, and 60 places at which the engine's channel is cut. `make test` tries an even spread of them, `make e2e` all.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LEAST, LEAST_CUTS = 600, 45
"""Minimum number of points and of places to cut. Fewer would mean that they are no longer counted."""


class Trial:
    """`python -m tests.killing` with these options, in its own process."""

    def __init__(self, folder: Path, *options: str) -> None:
        folder.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "tests.killing", str(folder), *options]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def verdict(self) -> dict[str, Any]:
        """Wait for the process and return `{"points", "tried", "broken": {number: problem}}`."""
        said, _ = self._process.communicate()
        assert said.strip().startswith("{"), said
        verdict: dict[str, Any] = json.loads(said)
        return verdict
