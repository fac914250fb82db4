"""What an adoption asks of git: whether the tree is clean, and one commit with nothing else in it."""

from collections.abc import Sequence
from pathlib import Path

from bot.supervisor import commands
from bot.supervisor.protocol import ChannelError

ENGINES = (".overstory/", ".claude/", ".seeds/", ".mulch/", ".canopy/", ".beads/")
"""Folders in which the engine and its tools leave files of their own."""

TOOLS = ENGINES[2:]
"""Those among them whose tracked files they change all day, and commit when they see fit."""

REWRITTEN = (".overstory/.gitignore", ".overstory/groups.json")
"""What the engine writes anew by itself."""

IDENTITY = ("-c", "user.name=fleet", "-c", "user.email=fleet@localhost", "-c", "commit.gpgsign=false")
MOST_NAMED = 8


async def dirty(root: Path) -> tuple[str, ...]:
    """What somebody has changed and not committed; what the engine leaves lying about is none of that."""
    words = ("status", "--porcelain=v1", "-z", "--untracked-files=normal", "--no-renames")
    found = []
    for entry in (await _git(root, *words)).split("\0"):
        state, path = entry[:2], entry[3:]
        engines = path.startswith(ENGINES if state == "??" else TOOLS)
        if path and not engines and path not in REWRITTEN:
            found.append(path)
    return tuple(found)


def refuse_dirty(paths: Sequence[str]) -> None:
    """Raise `dirty`, naming the files, if there are any."""
    if paths:
        more = f" and {len(paths) - MOST_NAMED} more" if len(paths) > MOST_NAMED else ""
        said = f"The repository has changes that are not committed: {', '.join(paths[:MOST_NAMED])}{more}."
        engines = all(path.startswith(".overstory/") for path in paths)
        back = " `git restore .overstory` there takes them back, if it was the engine that overwrote it." if engines else ""
        raise ChannelError("dirty", said, f"Commit or stash them, then try again.{back}")


async def commit(root: Path, paths: Sequence[str], message: str) -> str:
    """Commit these files and nothing else; its short id, empty when git ignores all of them or sees no difference."""
    known = await _committable(root, paths)
    if not known:
        return ""
    await _git(root, "add", "--all", "--", *known)
    if not await _git(root, "diff", "--cached", "--name-only", "--", *known):
        return ""
    await _git(root, *IDENTITY, "commit", "--quiet", "--no-verify", "--message", message, "--", *known)
    return (await _git(root, "rev-parse", "--short", "HEAD")).strip()


async def committed(root: Path, paths: Sequence[str]) -> bool:
    """Whether none of these files differs from what is committed."""
    return not await _git(root, "status", "--porcelain=v1", "-z", "--untracked-files=all", "--", *paths)


async def unstage(root: Path, paths: Sequence[str]) -> None:
    """Take these files out of what would be committed next."""
    if known := await _committable(root, paths):
        await _git(root, "reset", "--quiet", "--", *known)


async def untracked(root: Path, path: str) -> bool:
    """Whether git knows nothing of a file, though nobody has told it to ignore it."""
    return (await _git(root, "status", "--porcelain=v1", "-z", "--untracked-files=all", "--", path)).startswith("??")


async def branch(root: Path) -> str:
    """The branch that is checked out; `main` when none is."""
    return (
        await commands.run(("git", "symbolic-ref", "--quiet", "--short", "HEAD"), root, deadline=15.0)
    ).stdout.strip() or "main"


async def _committable(root: Path, paths: Sequence[str]) -> list[str]:
    """Those that git does not ignore and that are there, or were when it was last asked to keep them."""
    outcome = await commands.run(("git", "check-ignore", "-z", "--stdin"), root, text="\0".join(paths), deadline=15.0)
    ignored = set(outcome.stdout.split("\0"))
    known = set((await _git(root, "ls-files", "-z", "--", *paths)).split("\0"))
    return [path for path in paths if path not in ignored and (path in known or (root / path).exists())]


async def _git(root: Path, *words: str) -> str:
    outcome = await commands.run(("git", *words), root, deadline=30.0)
    if outcome.code != 0:
        command = next(word for word in words if not word.startswith("-") and "=" not in word)
        said = f"git {command}: {' '.join(outcome.error_text.split())[:600]}"
        if "dubious ownership" in said:
            raise ChannelError("not_a_repository", said, "Give the folder to the runtime's user.")
        raise ChannelError("engine_failed", said, "Look at the repository; nothing of the adoption was kept.")
    return outcome.stdout
