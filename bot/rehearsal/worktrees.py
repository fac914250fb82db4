"""Git, as agents use it: worktrees, branches, small commits, merges into the product's branch."""

import fcntl
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bot.rehearsal.errors import EngineError
from bot.rehearsal.project import Project

OPTIONS = ("-c", "core.hooksPath=/dev/null", "-c", "commit.gpgsign=false", "-c", "gc.auto=0", "-c", "maintenance.auto=false")
"""A rehearsal runs nobody's hooks, signs nothing, and leaves no housekeeping running behind it."""


@dataclass(frozen=True)
class Worktree:
    """A checkout, as `git worktree list` shows it."""

    path: str
    head: str
    branch: str


def git(root: Path, *arguments: str, author: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run git in a folder; the caller looks at the exit code."""
    who = {}
    if author:
        email = f"{author}@rehearsal.invalid"
        who = {
            "GIT_AUTHOR_NAME": f"{author} (rehearsal)",
            "GIT_AUTHOR_EMAIL": email,
            "GIT_COMMITTER_NAME": f"{author} (rehearsal)",
            "GIT_COMMITTER_EMAIL": email,
        }
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    return subprocess.run(
        ["git", *OPTIONS, *arguments],
        cwd=root,
        env={**environment, **who, "GIT_TERMINAL_PROMPT": "0"},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )


def complaint(ran: subprocess.CompletedProcess[str]) -> str:
    """What git said, in one line."""
    return " ".join((ran.stderr or ran.stdout).split())[:300]


def listed(root: Path) -> list[Worktree]:
    """All checkouts of a repository, the main one first."""
    ran = git(root, "worktree", "list", "--porcelain")
    if ran.returncode:
        raise EngineError(f"git worktree list --porcelain failed (exit {ran.returncode}): {complaint(ran)}")
    found = []
    for block in ran.stdout.strip().split("\n\n"):
        fields = dict(line.partition(" ")[::2] for line in block.splitlines())
        branch = fields.get("branch", "").removeprefix("refs/heads/")
        found.append(Worktree(fields["worktree"], fields.get("HEAD", ""), branch))
    return found


@contextmanager
def locked(project: Project) -> Iterator[None]:
    """Only one process at a time changes the repository's worktrees and main branch."""
    with (project.state / "rehearsal.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def current_branch(root: Path) -> str | None:
    """The branch that is checked out; None when HEAD is detached."""
    return git(root, "symbolic-ref", "--quiet", "--short", "HEAD").stdout.strip() or None


def add(project: Project, agent: str, task: str, base: str | None = None) -> tuple[Path, str]:
    """A worktree and a new branch `overstory/<agent>/<task>` for an agent."""
    path = project.state / "worktrees" / agent
    branch = f"overstory/{agent}/{task}"
    with locked(project):
        ran = git(project.root, "worktree", "add", "-b", branch, str(path), base or "HEAD")
        if ran.returncode and "already exists" in ran.stderr and not path.exists():
            ran = git(project.root, "worktree", "add", str(path), branch)
    if ran.returncode:
        where = next((tree.path for tree in listed(project.root) if tree.branch == branch), None)
        reason = f"branch {branch} is already checked out at {where}" if where else complaint(ran)
        raise EngineError(reason)
    return path, branch


def remove(project: Project, path: str, branch: str, *, force: bool) -> tuple[bool, bool]:
    """Remove a worktree and then its branch: whether each is gone. Changes that are not committed stop it without force."""
    with locked(project):
        removed = git(project.root, "worktree", "remove", *(["--force"] if force else []), path).returncode == 0
        deleted = removed and git(project.root, "branch", "-D", branch).returncode == 0
    return removed, deleted


def commit(tree: Path, file: str, content: str, message: str, author: str) -> str:
    """Write and commit one file in a worktree; returns the commit's short id."""
    path = tree / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    for arguments in (["add", "--force", "--", file], ["commit", "--quiet", "--message", message, "--", file]):
        ran = git(tree, *arguments, author=author)
        if ran.returncode:
            raise EngineError(f"git {arguments[0]} failed in {tree}: {complaint(ran)}")
    return git(tree, "rev-parse", "--short", "HEAD").stdout.strip()


def changed_files(root: Path, base: str, branch: str) -> list[str]:
    """The files that a branch changes against the commit where it left the base."""
    return git(root, "diff", "--name-only", f"{base}...{branch}").stdout.split("\n")[:-1]


def is_merged(root: Path, branch: str, base: str) -> bool:
    """Whether all of a branch is in the base."""
    return git(root, "merge-base", "--is-ancestor", branch, base).returncode == 0


def merge(project: Project, branch: str, author: str, into: str | None = None) -> str | None:
    """Merge a branch into the product's branch; None when it worked, else why not. Never touches uncommitted work.

    Git itself refuses a merge that would overwrite changes which are not committed; a conflict is taken back.
    """
    base = into or project.branch
    with locked(project):
        on = current_branch(project.root)
        if on != base:
            return f"the product is on {on or 'no branch'}, not on {base}"
        if is_merged(project.root, branch, base):
            return None
        message = f"Merge branch '{branch}' (rehearsal)"
        ran = git(project.root, "merge", "--no-ff", "--no-edit", "--message", message, branch, author=author)
        if ran.returncode == 0:
            return None
        if git(project.root, "rev-parse", "--quiet", "--verify", "MERGE_HEAD").returncode == 0:
            git(project.root, "merge", "--abort")
        return complaint(ran)
