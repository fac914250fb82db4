"""The processes that the engine starts itself: `rehearsal-coordinator` and `rehearsal-worker`."""

from collections.abc import Sequence
from pathlib import Path

from .dialects import CHILD, chosen
from .project import Project


def run(words: Sequence[str]) -> int:
    """A process's whole life: its role, `--project PATH`, and what the role takes."""
    role, _, path, *rest = words
    project = Project(Path(path), chosen())
    if role == f"{CHILD}coordinator":
        from . import coordinator

        return coordinator.run(project, served="--served" in rest)
    from . import worker

    return worker.run(project, rest[0])
