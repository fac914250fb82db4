"""Child processes of the engine, `rehearsal-coordinator` and `rehearsal-worker`."""

from collections.abc import Sequence
from pathlib import Path

from bot.rehearsal.dialects import CHILD, chosen
from bot.rehearsal.project import Project


def run(words: Sequence[str]) -> int:
    """Run a child process from its arguments, a role, `--project PATH` and the role's own ones."""
    role, _, path, *rest = words
    project = Project(Path(path), chosen())
    if role == f"{CHILD}coordinator":
        from bot.rehearsal import coordinator

        return coordinator.run(project, served="--served" in rest)
    from bot.rehearsal import worker

    return worker.run(project, rest[0])
