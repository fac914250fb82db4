"""Adoption of real repositories through the supervisor."""

import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.domain import Product
from bot.domain.errors import EngineError
from bot.engine.base import Adoption
from bot.engine.supervised import SupervisedEngine
from bot.supervisor.adoption import records
from bot.supervisor.adoption.backup import Backup, put, read
from bot.supervisor.adoption.edits import Draft, Edit
from tests.ending import end_everything_in
from tests.yard import Ear, Supervisor, Yard, command
from tests.yard_fixtures import NEW, OLD


def git(product: Product, *words: str) -> str:
    identity = ("-c", "user.name=ana", "-c", "user.email=ana@example.org")
    done = subprocess.run(["git", *identity, *words], cwd=product.path, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def tree(product: Product) -> dict[str, bytes]:
    """Return every file of the product except git's own, backups, databases and their side files."""
    root = Path(product.path)
    found = (path for path in root.rglob("*") if path.is_file() and ".git" not in path.parts and ".db" not in path.name)
    return {str(path.relative_to(root)): path.read_bytes() for path in found if records.BACKUPS not in path.parts}


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Supervisor]:
    """One supervisor of 0.11 for all tests of this module."""
    folder = tmp_path_factory.mktemp("adopt")
    made = Supervisor(folder / NEW, REHEARSAL_DIALECT=NEW)
    made.start()
    yield made
    made.end()
    end_everything_in(folder)


class Desk:
    """Client with a product to adopt."""

    def __init__(self, yard: Yard, engine: SupervisedEngine, ear: Ear, product: Product) -> None:
        self.yard, self.engine, self.ear, self.product = yard, engine, ear, product
        self.overstory = Path(product.path) / ".overstory"

    async def adopt(self, *, undo: bool = False) -> Adoption:
        return await self.engine.adopt(self.product, undo=undo, apply=True)

    async def refused(self, *, undo: bool = False) -> EngineError:
        with pytest.raises(EngineError) as caught:
            await self.adopt(undo=undo)
        return caught.value

    async def notice(self) -> str | None:
        (snapshot,) = await self.engine.snapshot([self.product.name])
        assert snapshot.trouble is None
        return snapshot.notice.code if snapshot.notice else None


@pytest.fixture
async def desk(yard: Yard, runtime: Supervisor) -> AsyncIterator[Desk]:
    product = yard.product("shop")
    engine, ear = await yard.engine(runtime, product)
    yield Desk(yard, engine, ear, product)


async def test_adoption_makes_one_commit_of_its_own_changes(desk: Desk) -> None:
    before = git(desk.product, "rev-parse", "HEAD")
    done = await desk.adopt()
    assert git(desk.product, "rev-parse", "HEAD~1") == before
    assert git(desk.product, "log", "-1", "--format=%h %an") == f"{done.commit} fleet"
    changed = {change.path for change in done.changes}
    assert set(git(desk.product, "show", "--name-only", "--format=").splitlines()) == changed
    assert changed == {".overstory/config.yaml", ".overstory/agent-defs/coordinator.md"}
    assert git(desk.product, "status", "--porcelain") == ""
    assert git(desk.product, "diff", "HEAD~1", "--", ".overstory/config.yaml").count("\n+") > 3


async def test_adopting_again_changes_nothing(desk: Desk) -> None:
    await desk.adopt()
    before, files = git(desk.product, "rev-parse", "HEAD"), tree(desk.product)
    again = await desk.adopt()
    assert (again.needed, again.done, again.commit) == (False, False, "")
    assert (git(desk.product, "rev-parse", "HEAD"), tree(desk.product)) == (before, files)


async def test_showing_an_adoption_changes_nothing(desk: Desk) -> None:
    files, state = tree(desk.product), git(desk.product, "status", "--porcelain", "--ignored")
    shown = await desk.engine.adopt(desk.product)
    assert shown.needed
    assert (tree(desk.product), git(desk.product, "status", "--porcelain", "--ignored")) == (files, state)


async def test_undo_restores_every_byte(desk: Desk) -> None:
    desk.overstory.joinpath("agent-defs/coordinator.md").write_bytes(b"# Mine\r\n\r\nno newline at the end")
    desk.overstory.joinpath("config.yaml").chmod(0o640)
    git(desk.product, "commit", "-qam", "mine")
    files, mode = tree(desk.product), desk.overstory.joinpath("config.yaml").stat().st_mode
    done = await desk.adopt()
    assert tree(desk.product) != files
    assert desk.overstory.joinpath("config.yaml").stat().st_mode == mode
    undone = await desk.adopt(undo=True)
    assert undone.commit != done.commit
    assert tree(desk.product) == files
    assert desk.overstory.joinpath("config.yaml").stat().st_mode == mode
    assert git(desk.product, "diff", "HEAD~2", "HEAD") == ""
    assert git(desk.product, "status", "--porcelain") == ""
    assert (await desk.refused(undo=True)).code == "not_found"


async def test_undo_shows_its_changes_first(desk: Desk) -> None:
    await desk.adopt()
    shown = await desk.engine.adopt(desk.product, undo=True)
    assert not shown.done
    assert any("-<!-- fleet adopt" in change.diff for change in shown.changes)
    with pytest.raises(EngineError) as caught:
        await desk.engine.adopt(desk.product, undo=True, apply=True, shown="other")
    assert caught.value.code == "changed"


async def test_undo_removes_a_new_file(desk: Desk) -> None:
    desk.product = replace(desk.product, type="support")
    done = await desk.adopt()
    path = desk.overstory / "agent-defs" / "support.md"
    assert ".overstory/agent-defs/support.md" in {change.path for change in done.changes}
    assert path.read_text().startswith("# Support agent")
    command(desk.product, "sling", "t-1", "--capability", "support", "--name", "s-1", "--parent", "operator", "--depth", "1",
            "--skip-task-check", "--json")  # fmt: skip
    git(desk.product, "worktree", "prune")
    await desk.engine.stop(desk.product.name)
    await desk.adopt(undo=True)
    assert not path.exists()
    assert '"support"' not in desk.overstory.joinpath("agent-manifest.json").read_text()


async def test_undo_refuses_files_changed_since(desk: Desk) -> None:
    await desk.adopt()
    config = desk.overstory / "config.yaml"
    config.write_text(config.read_text() + "# mine\n")
    git(desk.product, "commit", "-qam", "mine")
    files = tree(desk.product)
    refused = await desk.refused(undo=True)
    assert refused.code == "changed"
    assert ".overstory/config.yaml" in refused.message
    assert "backup-fleet" in refused.hint
    assert tree(desk.product) == files


@pytest.mark.parametrize("kind", ["changed", "staged", "new", "of the engine"])
async def test_uncommitted_changes_are_refused_by_name(desk: Desk, kind: str) -> None:
    name = {"changed": "README.md", "new": "notes.txt", "of the engine": ".overstory/config.yaml"}.get(kind, "README.md")
    path = Path(desk.product.path, name)
    path.write_text((path.read_text() if path.exists() else "") + "\n# more\n")
    if kind == "staged":
        git(desk.product, "add", name)
    files, head = tree(desk.product), git(desk.product, "rev-parse", "HEAD")
    shown = await desk.engine.adopt(desk.product)
    assert shown.needed
    assert name in shown.obstacles[0]
    refused = await desk.refused()
    assert (refused.code, name in refused.message) == ("dirty", True)
    assert ("git restore" in refused.hint) == (kind == "of the engine")
    assert (tree(desk.product), git(desk.product, "rev-parse", "HEAD")) == (files, head)
    assert git(desk.product, "status", "--porcelain").endswith(name)


async def test_files_left_by_the_engine_do_not_count_as_changes(desk: Desk) -> None:
    root = Path(desk.product.path)
    for name in (".claude/settings.local.json", ".seeds/issues.jsonl"):
        root.joinpath(name).parent.mkdir(exist_ok=True)
        root.joinpath(name).write_text("{}\n")
    git(desk.product, "add", ".seeds")
    git(desk.product, "commit", "-qm", "seeds")
    root.joinpath(".seeds/issues.jsonl").write_text("{}\n{}\n")
    root.joinpath(".overstory/.gitignore").write_text("*\n!config.yaml\n!agent-defs/\n!agent-defs/**\n")
    assert (await desk.adopt()).done
    assert ".seeds" not in git(desk.product, "show", "--name-only", "--format=")


async def test_adoption_does_not_follow_a_link(desk: Desk, tmp_path: Path) -> None:
    path = desk.overstory / "agent-defs" / "coordinator.md"
    elsewhere = tmp_path / "elsewhere.md"
    elsewhere.write_bytes(path.read_bytes())
    path.unlink()
    path.symlink_to(elsewhere)
    git(desk.product, "commit", "-qam", "a link")
    before = elsewhere.read_bytes()
    refused = await desk.refused()
    assert (refused.code, "it is a link" in refused.message) == ("config_broken", True)
    assert elsewhere.read_bytes() == before


async def test_adoption_initialises_a_repository_once(desk: Desk, tmp_path: Path) -> None:
    product = Product("My Shop", str(tmp_path / "bare"))
    subprocess.run(["git", "init", "-q", "-b", "trunk", product.path], check=True)
    Path(product.path, "README.md").write_text("# Bare\n")
    git(product, "add", "-A")
    git(product, "commit", "-qm", "first")
    shown = await desk.engine.adopt(product)
    assert shown.initialises
    assert {change.path for change in shown.changes} == {".overstory/config.yaml", ".overstory/agent-defs/coordinator.md"}
    assert not Path(product.path, ".overstory").exists()
    done = await desk.engine.adopt(product, apply=True, shown=shown.digest)
    assert (done.done, done.initialises, done.changes) == (True, True, shown.changes)
    config = yaml.safe_load(Path(product.path, ".overstory/config.yaml").read_text())["project"]
    assert (config["root"], config["canonicalBranch"]) == (product.path, "trunk")
    assert git(product, "log", "--format=%an") == "fleet\noverstory (rehearsal)\nana"
    assert git(product, "status", "--porcelain") == ""
    config_before = Path(product.path, ".overstory/config.yaml").read_bytes()
    assert not (await desk.engine.adopt(product, apply=True)).needed
    assert Path(product.path, ".overstory/config.yaml").read_bytes() == config_before


async def test_adoption_gives_products_distinct_project_names(desk: Desk) -> None:
    twin = desk.yard.product("twin")
    await desk.engine.watch([desk.product, twin], {})
    await desk.engine.adopt(twin, apply=True)
    names = [
        yaml.safe_load(Path(each.path, ".overstory/config.yaml").read_text())["project"]["name"]
        for each in (desk.product, twin)
    ]
    assert names == ["shop", "twin"]


async def test_overwritten_adoption_is_reported_and_can_be_repeated(desk: Desk) -> None:
    assert await desk.notice() == "not_adopted"
    await desk.adopt()
    assert await desk.notice() is None
    command(desk.product, "init", "--yes", "--name", "shop", "--json")
    assert await desk.notice() == "overwritten"
    assert (await desk.adopt()).done
    assert await desk.notice() is None
    await desk.adopt(undo=True)
    assert await desk.notice() == "overwritten"


async def test_manifest_without_our_agent_counts_as_overwritten(desk: Desk) -> None:
    desk.product = replace(desk.product, type="marketing")
    before = desk.overstory.joinpath("agent-manifest.json").read_text()
    await desk.adopt()
    desk.overstory.joinpath("agent-manifest.json").write_text(before)
    assert await desk.notice() == "overwritten"


async def test_outdated_adoption_is_reported_and_renewed(desk: Desk) -> None:
    await desk.adopt()
    path = desk.overstory / "agent-defs" / "coordinator.md"
    path.write_text(path.read_text().replace(f"fleet adopt {records.VERSION}: begin", "fleet adopt 0: begin"))
    git(desk.product, "commit", "-qam", "as an older fleet wrote it")
    assert await desk.notice() == "outdated"
    done = await desk.adopt()
    assert [change.path for change in done.changes] == [".overstory/agent-defs/coordinator.md"]
    assert await desk.notice() is None


async def test_notice_does_not_stop_work(desk: Desk) -> None:
    assert await desk.notice() == "not_adopted"
    await desk.engine.send("shop", "Dark mode", "Please.", marker="[w1]")
    assert (await desk.ear.letter("shop", sender="coordinator", label="result")).recipient == "operator"
    await desk.engine.stop("shop")


async def test_adoption_interrupted_by_a_kill_is_reverted_first(desk: Desk) -> None:
    files = tree(desk.product)
    was = {name: desk.overstory.joinpath(name).read_text() for name in ("config.yaml", "agent-manifest.json")}
    half = {**was, "agent-defs/new.md": None}
    draft = Draft(tuple(Edit(name, before, "half\n", ("a test",)) for name, before in half.items()))
    Backup.begin(desk.overstory, draft)
    put(desk.overstory / "config.yaml", "half\n")
    put(desk.overstory / "agent-defs" / "new.md", "half\n")
    git(desk.product, "add", "-A")
    shown = await desk.engine.adopt(desk.product)
    assert (shown.obstacles, tree(desk.product)) == ((), files)
    assert git(desk.product, "status", "--porcelain") == ""
    assert (await desk.adopt()).done


async def test_adoption_committed_before_a_kill_is_kept(desk: Desk) -> None:
    await desk.adopt()
    backup = Backup.newest(desk.overstory, "done")
    assert backup is not None
    backup.note("begun")
    assert not (await desk.engine.adopt(desk.product)).needed
    assert await desk.notice() is None
    assert (await desk.adopt(undo=True)).done


async def test_interrupted_undo_is_completed(desk: Desk) -> None:
    files = tree(desk.product)
    await desk.adopt()
    backup = Backup.newest(desk.overstory, "done")
    assert backup is not None
    backup.note("undoing")
    backup.restore(["config.yaml"])
    assert (await desk.adopt(undo=True)).done
    assert tree(desk.product) == files
    assert git(desk.product, "status", "--porcelain") == ""


async def test_failed_commit_reverts_the_adoption(desk: Desk) -> None:
    files = tree(desk.product)
    Path(desk.product.path, ".git", "index.lock").touch()
    refused = await desk.refused()
    assert "index.lock" in refused.message
    assert tree(desk.product) == files
    Path(desk.product.path, ".git", "index.lock").unlink()
    assert git(desk.product, "status", "--porcelain") == ""
    assert (await desk.adopt()).done


async def test_0_5_8_product_with_ignored_definitions_is_adopted(old_yard: Yard) -> None:
    product = old_yard.product("shop")
    ignored = Path(product.path, ".overstory/.gitignore")
    ignored.write_text(ignored.read_text().replace("!agent-defs/**\n", ""))
    git(product, "rm", "-rq", "--cached", ".overstory/agent-defs")
    git(product, "commit", "-qam", "as 0.5.8 keeps them")
    files = tree(product)
    engine, _ = await old_yard.engine(old_yard.supervisor(REHEARSAL_DIALECT=OLD), product)
    done = await engine.adopt(product, apply=True)
    assert {change.path for change in done.changes} == {".overstory/config.yaml", ".overstory/agent-defs/coordinator.md"}
    assert git(product, "show", "--name-only", "--format=") == ".overstory/config.yaml"
    assert git(product, "status", "--porcelain") == ""
    assert "plan_ready" in Path(product.path, ".overstory/agent-defs/coordinator.md").read_text()
    await engine.adopt(product, undo=True, apply=True)
    assert tree(product) == files


TEXTS = st.one_of(st.none(), st.text(st.characters(codec="utf-8"), max_size=60))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(["a", "b/c", "b/d", "é"]), st.tuples(TEXTS, st.text(max_size=20)), min_size=1))
def test_undo_is_the_inverse_of_apply(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, tuple[str | None, str]]
) -> None:
    folder = tmp_path_factory.mktemp("inverse")
    for name, (before, _) in files.items():
        if before is not None:
            put(folder / name, before)
    was = read(folder, list(files))
    draft = Draft(tuple(Edit(name, before, after, ("a test",)) for name, (before, after) in files.items()))
    backup = Backup.begin(folder, draft)
    for edit in draft.edits:
        put(folder / edit.path, edit.after)
    assert read(folder, list(files)) == {name: after for name, (_, after) in files.items()}
    backup.restore()
    assert read(folder, list(files)) == was
