"""Git as agents use it, with worktrees, branches, small commits and merges into the product's branch."""

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
"""Options that disable hooks, signing and background housekeeping."""


@dataclass(frozen=True)
class Worktree:
    """Checkout, as `git worktree list` shows it."""

    path: str
    head: str
    branch: str


def git(root: Path, *arguments: str, author: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run git in a folder. The caller checks the exit code."""
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
    """Return git's error message in one line."""
    return " ".join((ran.stderr or ran.stdout).split())[:300]


def listed(root: Path) -> list[Worktree]:
    """Return all checkouts of a repository, the main one first."""
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
    """Hold the lock for changes of the repository's worktrees and main branch."""
    with (project.state / "rehearsal.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def current_branch(root: Path) -> str | None:
    """Return the current branch, None if HEAD is detached."""
    return git(root, "symbolic-ref", "--quiet", "--short", "HEAD").stdout.strip() or None


def add(project: Project, agent: str, task: str, base: str | None = None) -> tuple[Path, str]:
    """Create a worktree and a new branch `overstory/<agent>/<task>` for an agent."""
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
    """Remove a worktree and its branch and return a pair of success flags.

    Uncommitted changes prevent it without force."""
    with locked(project):
        removed = git(project.root, "worktree", "remove", *(["--force"] if force else []), path).returncode == 0
        deleted = removed and git(project.root, "branch", "-D", branch).returncode == 0
    return removed, deleted


def commit(tree: Path, file: str, content: str, message: str, author: str) -> str:
    """Write and commit one file in a worktree and return the commit's short id."""
    path = tree / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    for arguments in (["add", "--force", "--", file], ["commit", "--quiet", "--message", message, "--", file]):
        ran = git(tree, *arguments, author=author)
        if ran.returncode:
            raise EngineError(f"git {arguments[0]} failed in {tree}: {complaint(ran)}")
    return git(tree, "rev-parse", "--short", "HEAD").stdout.strip()


def changed_files(root: Path, base: str, branch: str) -> list[str]:
    """Return the files that a branch changes since it left the base."""
    return git(root, "diff", "--name-only", f"{base}...{branch}").stdout.split("\n")[:-1]


def is_merged(root: Path, branch: str, base: str) -> bool:
    """Return True if the base contains the whole branch."""
    return git(root, "merge-base", "--is-ancestor", branch, base).returncode == 0


def merge(project: Project, branch: str, author: str, into: str | None = None) -> str | None:
    """Merge a branch into the product's branch. Return None, or the reason for a failure.

    Uncommitted work is never touched. Git refuses a merge that would overwrite it, and a conflict is aborted."""
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
