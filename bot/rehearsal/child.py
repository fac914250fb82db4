"""The processes that the engine starts itself: `rehearsal-coordinator` and `rehearsal-worker`."""

from collections.abc import Sequence
from pathlib import Path

from bot.rehearsal.dialects import CHILD, chosen
from bot.rehearsal.project import Project


def run(words: Sequence[str]) -> int:
    """A process's whole life: its role, `--project PATH`, and what the role takes."""
    role, _, path, *rest = words
    project = Project(Path(path), chosen())
    if role == f"{CHILD}coordinator":
        from bot.rehearsal import coordinator

        return coordinator.run(project, served="--served" in rest)
    from bot.rehearsal import worker

    return worker.run(project, rest[0])
