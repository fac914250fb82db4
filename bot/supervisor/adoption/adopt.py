"""Adoption of a product, and its undo.

An adoption runs as the agents' user, where the product's files are. It shows what it would change, applies exactly that, backs
up the old files and makes one commit of its own. Repeating it is safe. What a killed supervisor left half done is completed or
reverted first. Agents' hooks are not part of it, because the engine writes them at every start and `hooks` fixes them each
time.
"""

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bot.supervisor import commands, errors
from bot.supervisor.adoption import git
from bot.supervisor.adoption.backup import Backup, put, read
from bot.supervisor.adoption.config import value
from bot.supervisor.adoption.edits import CONFIG, MANIFEST, VERBATIM, Draft, Facts, diff, draft, suitable
from bot.supervisor.adoption.manifest import AGENTS
from bot.supervisor.drivers.table import driver_for
from bot.supervisor.product import Product
from bot.supervisor.protocol import ChannelError

DEFINITIONS = Path(__file__).resolve().parent / "definitions"
SOURCES = ("Makefile", "package.json", "pyproject.toml", "tests/__init__.py")
"""Files whose contents tell which quality gates suit a product."""

BUN = frozenset({"bun.lock", "bun.lockb", "bunfig.toml"})


@dataclass(frozen=True, slots=True)
class Request:
    """Adoption or undo to show or apply."""

    name: str
    """Name in the registry."""
    type: str = "code"
    undo: bool = False
    apply: bool = False
    """False only shows the changes."""
    shown: str = ""
    """Digest of the changes that a person saw.

    Other changes are refused. Empty accepts any."""


async def adopt(product: Product, request: Request, neighbours: Iterable[Path]) -> dict[str, Any]:
    """Show or apply an adoption or its undo.

    `neighbours` are the folders of the other products of this runtime."""
    async with product.context.lock:
        await product.context.engine.version()
        problem = product.health()
        if problem is not None and problem.code != "not_initialised":
            raise problem
        await _recover(product)
        answer = await (
            _undo(product, request) if request.undo else _adopt(product, request, tuple(neighbours), problem is not None)
        )
    product.changed()
    return answer


async def _adopt(product: Product, request: Request, neighbours: Sequence[Path], fresh: bool) -> dict[str, Any]:
    facts = await product.context.read(_facts, product, request, neighbours)
    names = tuple(dict.fromkeys([CONFIG, MANIFEST, *VERBATIM, *(f"agent-defs/{name}.md" for name in AGENTS)]))
    files = (
        await _prepared(product, request.name, names)
        if fresh
        else await product.context.read(read, product.context.folder, names)
    )
    planned = draft(files, facts)
    answer = _answer(planned, fresh)
    if not request.apply or not (planned.edits or fresh):
        return {**answer, "obstacles": await _obstacles(product) if planned.edits or fresh else []}
    _check_shown(request, planned.digest)
    await _refuse(product)
    if fresh:
        await _initialise(product, request.name)
        planned = draft(await product.context.read(read, product.context.folder, names), facts)
        _check_shown(request, planned.digest)
    backup = await _applied(product, planned, whole=fresh)
    return {**answer, "done": True, "commit": backup.record["commit"], "backup": str(backup.place)}


async def _initialise(product: Product, name: str) -> None:
    """Prepare a repository for the engine.

    The caller has checked that it is not prepared yet."""
    context = product.context
    command = driver_for(await context.engine.version()).init_command(name)
    await context.command(*command, deadline=60.0)
    if (problem := product.health()) is not None:
        raise problem


async def _undo(product: Product, request: Request) -> dict[str, Any]:
    folder = product.context.folder
    backup = Backup.newest(folder, "done", "undoing")
    if backup is None:
        raise ChannelError("not_found", f"There is no adoption of {request.name} to undo.", "Nothing was changed.")
    left = ("after", "before") if backup.record["state"] == "undoing" else ("after",)
    states = backup.states()
    if changed := [f".overstory/{path}" for path, state in states.items() if state not in left]:
        summary = f"{', '.join(changed)} changed since the adoption, so it cannot be undone exactly."
        raise ChannelError("changed", summary, f"Restore the old files by hand from {backup.place}.")
    now = {path: read(folder, (path,)).get(path) for path in backup.paths}
    changes = [
        {"path": f".overstory/{path}", "why": ["restores the old file"], "diff": diff(path, now[path], backup.before(path))}
        for path in backup.paths
    ]
    answer = _empty() | {"changes": changes, "digest": sha256(backup.place.name.encode()).hexdigest()[:12]}
    ours = tuple(f".overstory/{path}" for path in backup.paths)
    if not request.apply:
        return {**answer, "obstacles": await _obstacles(product, ours)}
    _check_shown(request, answer["digest"])
    await _refuse(product, ours)
    backup.note("undoing")
    await product.context.in_thread(backup.restore)
    commit = await git.commit(product.context.path, ours, "chore: undo the fleet's adoption")
    backup.note("undone")
    return {**answer, "done": True, "commit": commit, "backup": str(backup.place)}


async def _applied(product: Product, planned: Draft, *, whole: bool) -> Backup:
    """Write the edits and commit them, all or nothing."""
    root, folder = product.context.path, product.context.folder
    paths = tuple(f".overstory/{edit.path}" for edit in planned.edits)
    backup = await product.context.in_thread(Backup.begin, folder, planned)
    scope = (".overstory",) if whole or await git.untracked(root, f".overstory/{CONFIG}") else paths
    try:
        for edit in planned.edits:
            put(folder / edit.path, edit.after)
        reasons = "\n".join(f"- {edit.path}: {'; '.join(edit.why)}" for edit in planned.edits)
        commit = await git.commit(root, scope, f"chore: adopt for the fleet\n\n{reasons}")
    except (ChannelError, OSError) as error:
        await product.context.in_thread(backup.restore)
        await git.unstage(root, paths)
        backup.note("undone")
        if isinstance(error, ChannelError):
            raise
        raise ChannelError(
            "engine_failed",
            f"The adoption could not be written: {error}.",
            "Everything was reverted. Fix the cause and try again.",
        ) from error
    backup.note("done", commit)
    return backup


async def _recover(product: Product) -> None:
    """Complete an interrupted adoption if it was committed, else revert it."""
    backup = Backup.newest(product.context.folder, "begun")
    if backup is None:
        return
    states = backup.states()
    paths = tuple(f".overstory/{path}" for path in backup.paths)
    if set(states.values()) == {"after"} and await git.committed(product.context.path, paths):
        backup.note("done")
        return
    await product.context.in_thread(backup.restore, [path for path, state in states.items() if state == "after"])
    await git.unstage(product.context.path, paths)
    backup.note("undone")


async def _prepared(product: Product, name: str, names: Sequence[str]) -> dict[str, str]:
    """Return the files that the engine would write into an unprepared product.

    It writes them into an empty repository."""
    engine, path = product.context.engine, product.context.path
    with TemporaryDirectory(prefix="fleet-adopt-") as folder:
        root = Path(folder).resolve() / path.name
        root.mkdir()
        for words in (
            ("git", "init", "--quiet", "--initial-branch", await git.branch(path)),
            ("git", *git.IDENTITY, "commit", "--quiet", "--allow-empty", "--message", "empty"),
            (*engine.argv, *driver_for(engine.known_version).init_command(name)),
        ):
            outcome = await commands.run(words, root, env=product.context.env, deadline=60.0)
            if outcome.code != 0:
                raise errors.from_engine(outcome.error_text, doing=" ".join(words[:2]))
        return {known: text.replace(str(root), str(path)) for known, text in read(root / ".overstory", names).items()}


def _facts(product: Product, request: Request, neighbours: Sequence[Path]) -> Facts:
    root = product.context.path
    tops = sorted(entry.name for entry in root.iterdir())
    texts = {name: text for name in SOURCES if (text := _text(root / name)) is not None}
    taken = (value(_text(path / ".overstory" / CONFIG) or "", "project", "name") for path in neighbours if path != root)
    return Facts(
        name=request.name,
        type=request.type,
        rules=driver_for(product.context.engine.known_version).rules,
        taken=frozenset(name for name in taken if name),
        tracker="beads" if (root / ".beads").is_dir() else "seeds",
        programs=frozenset(name for name in ("sd", "bd") if shutil.which(name)),
        gates=suitable(tops, texts),
        bun=not BUN.isdisjoint(tops),
        definitions={name: (DEFINITIONS / f"{name}.md").read_text("utf-8") for name in AGENTS},
        ours=Backup.written(product.context.folder),
    )


def _text(path: Path) -> str | None:
    try:
        return path.read_text("utf-8") if path.is_file() else None
    except (OSError, UnicodeDecodeError):
        return None


async def _refuse(product: Product, ours: Sequence[str] = ()) -> None:
    """Raise what forbids changing the product now."""
    if alive := sorted(await product.alive(await product.context.rows())):
        summary = (
            f"Agents are running there: {', '.join(alive)}. They merge into the same files and follow the old instructions."
        )
        raise ChannelError("at_work", summary, "Wait until none runs, or stop the product with `fleet stop`.")
    git.refuse_dirty([path for path in await git.dirty(product.context.path) if path not in ours])


async def _obstacles(product: Product, ours: Sequence[str] = ()) -> list[str]:
    try:
        await _refuse(product, ours)
    except ChannelError as error:
        return [f"{error.message} {error.hint}"]
    return []


def _check_shown(request: Request, digest: str) -> None:
    if request.shown and request.shown != digest:
        raise ChannelError("changed", "The changes are no longer the ones that were shown.", "Review them again, then apply.")


def _empty() -> dict[str, Any]:
    return {
        "done": False,
        "initialises": False,
        "changes": [],
        "digest": "",
        "notes": [],
        "obstacles": [],
        "commit": "",
        "backup": "",
    }


def _answer(planned: Draft, fresh: bool) -> dict[str, Any]:
    changes = [{"path": f".overstory/{edit.path}", "why": list(edit.why), "diff": edit.diff()} for edit in planned.edits]
    return _empty() | {
        "initialises": fresh,
        "changes": changes,
        "digest": planned.digest if changes or fresh else "",
        "notes": list(planned.notes),
    }
