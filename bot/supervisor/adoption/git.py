"""Git operations of an adoption, which need a clean tree and make one separate commit."""

from collections.abc import Sequence
from pathlib import Path

from bot.supervisor import commands
from bot.supervisor.protocol import ChannelError

ENGINES = (".overstory/", ".claude/", ".seeds/", ".mulch/", ".canopy/", ".beads/")
"""Folders in which the engine and its tools create files."""

TOOLS = ENGINES[2:]
"""Folders whose tracked files the tools change all day and commit themselves."""

REWRITTEN = (".overstory/.gitignore", ".overstory/groups.json")
"""Files that the engine rewrites by itself."""

IDENTITY = ("-c", "user.name=fleet", "-c", "user.email=fleet@localhost", "-c", "commit.gpgsign=false")
MOST_NAMED = 8


async def dirty(root: Path) -> tuple[str, ...]:
    """Return the paths with uncommitted changes by people, without files of the engine."""
    words = ("status", "--porcelain=v1", "-z", "--untracked-files=normal", "--no-renames")
    found = []
    for entry in (await _git(root, *words)).split("\0"):
        state, path = entry[:2], entry[3:]
        engines = path.startswith(ENGINES if state == "??" else TOOLS)
        if path and not engines and path not in REWRITTEN:
            found.append(path)
    return tuple(found)


def refuse_dirty(paths: Sequence[str]) -> None:
    """Raise `dirty` with the file names, if there are any."""
    if paths:
        more = f" and {len(paths) - MOST_NAMED} more" if len(paths) > MOST_NAMED else ""
        summary = f"The repository has uncommitted changes: {', '.join(paths[:MOST_NAMED])}{more}."
        engines = all(path.startswith(".overstory/") for path in paths)
        back = " If the engine overwrote these files, `git restore .overstory` reverts them." if engines else ""
        raise ChannelError("dirty", summary, f"Commit or stash them, then try again.{back}")


async def commit(root: Path, paths: Sequence[str], message: str) -> str:
    """Commit only these files and return the short id, empty if there was nothing to commit."""
    known = await _committable(root, paths)
    if not known:
        return ""
    await _git(root, "add", "--all", "--", *known)
    if not await _git(root, "diff", "--cached", "--name-only", "--", *known):
        return ""
    await _git(root, *IDENTITY, "commit", "--quiet", "--no-verify", "--message", message, "--", *known)
    return (await _git(root, "rev-parse", "--short", "HEAD")).strip()


async def committed(root: Path, paths: Sequence[str]) -> bool:
    """Return True if none of these files differs from the last commit."""
    return not await _git(root, "status", "--porcelain=v1", "-z", "--untracked-files=all", "--", *paths)


async def unstage(root: Path, paths: Sequence[str]) -> None:
    """Remove these files from the index."""
    if known := await _committable(root, paths):
        await _git(root, "reset", "--quiet", "--", *known)


async def untracked(root: Path, path: str) -> bool:
    """Return True if git neither tracks nor ignores a file."""
    return (await _git(root, "status", "--porcelain=v1", "-z", "--untracked-files=all", "--", path)).startswith("??")


async def branch(root: Path) -> str:
    """Return the current branch, `main` if there is none."""
    return (
        await commands.run(("git", "symbolic-ref", "--quiet", "--short", "HEAD"), root, deadline=15.0)
    ).stdout.strip() or "main"


async def _committable(root: Path, paths: Sequence[str]) -> list[str]:
    """Return the paths that git does not ignore and that exist or are tracked."""
    outcome = await commands.run(("git", "check-ignore", "-z", "--stdin"), root, text="\0".join(paths), deadline=15.0)
    ignored = set(outcome.stdout.split("\0"))
    known = set((await _git(root, "ls-files", "-z", "--", *paths)).split("\0"))
    return [path for path in paths if path not in ignored and (path in known or (root / path).exists())]


async def _git(root: Path, *words: str) -> str:
    outcome = await commands.run(("git", *words), root, deadline=30.0)
    if outcome.code != 0:
        command = next(word for word in words if not word.startswith("-") and "=" not in word)
        summary = f"git {command}: {' '.join(outcome.error_text.split())[:600]}"
        if "dubious ownership" in summary:
            raise ChannelError("not_a_repository", summary, "Change the folder's owner to the runtime's user (chown -R).")
        raise ChannelError("engine_failed", summary, "Check the repository. The adoption was reverted.")
    return outcome.stdout
