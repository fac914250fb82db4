"""`adopt`: makes a product ready for the fleet, as the agents' user, where its files are; safe to repeat, and to undo.

It shows what it would change; applies exactly that; keeps what was there before; makes one commit of its own. What a
supervisor that was killed left half done is taken back first. The hooks of agents are none of its business: the engine writes
them at every start, and `hooks` mends them each time.
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
TOLD_BY = ("Makefile", "package.json", "pyproject.toml", "tests/__init__.py")
"""Files whose texts tell which quality gates suit a product."""

BUN = frozenset({"bun.lock", "bun.lockb", "bunfig.toml"})


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked of a product."""

    name: str
    """As the fleet calls it."""
    type: str = "code"
    undo: bool = False
    apply: bool = False
    """False: only show."""
    shown: str = ""
    """Digest of what a person saw; another one then is refused. Empty: whatever there is."""


async def adopt(product: Product, wish: Wish, neighbours: Iterable[Path]) -> dict[str, Any]:
    """Show or do what is wished. `neighbours` are the folders of the other products of this runtime."""
    async with product.context.lock:
        await product.context.engine.version()
        problem = product.health()
        if problem is not None and problem.code != "not_initialised":
            raise problem
        await _take_back(product)
        answer = await (_undo(product, wish) if wish.undo else _adopt(product, wish, tuple(neighbours), problem is not None))
    product.changed()
    return answer


async def _adopt(product: Product, wish: Wish, neighbours: Sequence[Path], fresh: bool) -> dict[str, Any]:
    facts = await product.context.read(_facts, product, wish, neighbours)
    names = tuple(dict.fromkeys([CONFIG, MANIFEST, *VERBATIM, *(f"agent-defs/{name}.md" for name in AGENTS)]))
    files = (
        await _prepared(product, wish.name, names) if fresh else await product.context.read(read, product.context.folder, names)
    )
    planned = draft(files, facts)
    answer = _answer(planned, fresh)
    if not wish.apply or not (planned.edits or fresh):
        return {**answer, "obstacles": await _obstacles(product) if planned.edits or fresh else []}
    _same(wish, planned.digest)
    await _refuse(product)
    if fresh:
        await _initialise(product, wish.name)
        planned = draft(await product.context.read(read, product.context.folder, names), facts)
        _same(wish, planned.digest)
    backup = await _applied(product, planned, whole=fresh)
    return {**answer, "done": True, "commit": backup.record["commit"], "backup": str(backup.place)}


async def _initialise(product: Product, name: str) -> None:
    """Prepare a repository for the engine. The caller has checked that it is not prepared yet."""
    context = product.context
    command = driver_for(await context.engine.version()).init_command(name)
    await context.command(*command, deadline=60.0)
    if (problem := product.health()) is not None:
        raise problem


async def _undo(product: Product, wish: Wish) -> dict[str, Any]:
    folder = product.context.folder
    backup = Backup.newest(folder, "done", "undoing")
    if backup is None:
        raise ChannelError("not_found", f"There is no adoption of {wish.name} to undo.", "Nothing was changed.")
    left = ("after", "before") if backup.record["state"] == "undoing" else ("after",)
    states = backup.states()
    if changed := [f".overstory/{path}" for path, state in states.items() if state not in left]:
        said = f"{', '.join(changed)} changed since the adoption, which therefore cannot be undone exactly."
        raise ChannelError("changed", said, f"What was there before is in {backup.place}: put it back by hand.")
    now = {path: read(folder, (path,)).get(path) for path in backup.paths}
    changes = [
        {"path": f".overstory/{path}", "why": ["as it was before"], "diff": diff(path, now[path], backup.before(path))}
        for path in backup.paths
    ]
    answer = _empty() | {"changes": changes, "digest": sha256(backup.place.name.encode()).hexdigest()[:12]}
    ours = tuple(f".overstory/{path}" for path in backup.paths)
    if not wish.apply:
        return {**answer, "obstacles": await _obstacles(product, ours)}
    _same(wish, answer["digest"])
    await _refuse(product, ours)
    backup.note("undoing")
    await product.context.in_thread(backup.restore)
    commit = await git.commit(product.context.path, ours, "chore: undo the fleet's adoption")
    backup.note("undone")
    return {**answer, "done": True, "commit": commit, "backup": str(backup.place)}


async def _applied(product: Product, planned: Draft, *, whole: bool) -> Backup:
    """Write the edits and commit them; all or nothing."""
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
        raise ChannelError("engine_failed", f"The adoption could not be written: {error}.", "Nothing was kept.") from error
    backup.note("done", commit)
    return backup


async def _take_back(product: Product) -> None:
    """Bring what was cut short to an end: it stands if it was committed, and is taken back if not."""
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
    """What the engine would write into a product that it has not prepared yet: it does so in an empty repository."""
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


def _facts(product: Product, wish: Wish, neighbours: Sequence[Path]) -> Facts:
    root = product.context.path
    tops = sorted(entry.name for entry in root.iterdir())
    texts = {name: text for name in TOLD_BY if (text := _text(root / name)) is not None}
    taken = (value(_text(path / ".overstory" / CONFIG) or "", "project", "name") for path in neighbours if path != root)
    return Facts(
        name=wish.name,
        type=wish.type,
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
    """Raise what stands against changing the product now."""
    if alive := sorted(await product.alive(await product.context.rows())):
        said = f"{', '.join(alive)} at work there: agents merge into the same files, and have been told how they work."
        raise ChannelError("at_work", said, "Wait until nothing runs, or stop the product first.")
    git.refuse_dirty([path for path in await git.dirty(product.context.path) if path not in ours])


async def _obstacles(product: Product, ours: Sequence[str] = ()) -> list[str]:
    try:
        await _refuse(product, ours)
    except ChannelError as error:
        return [f"{error.message} {error.hint}"]
    return []


def _same(wish: Wish, digest: str) -> None:
    if wish.shown and wish.shown != digest:
        raise ChannelError("changed", "It is no longer what was shown.", "Look at it once more, then apply that.")


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
