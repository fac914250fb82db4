"""The demo fleet of four products, copied and committed once."""

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from bot import demo
from bot.domain.errors import FleetError
from bot.registry import load

NAMES = ["product-a", "product-b", "product-c", "product-d"]


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    )


def git(folder: Path, *words: str) -> str:
    done = run(folder, "git", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A demo that tests only read."""
    return demo.prepare(tmp_path_factory.mktemp("state") / "deep" / "state").parent / "test-products"


def test_demo_registry_loads_with_its_products(fleet: Path) -> None:
    registry = load(fleet.parent / "products.yaml", check_paths=True)
    assert list(registry.names) == NAMES
    assert [product.path for product in registry.products] == [str(fleet / name) for name in NAMES]
    assert [product.type for product in registry.products] == ["code", "code", "marketing", "support"]
    assert [product.priority for product in registry.products] == ["high", "medium", "medium", "medium"]
    assert [product.resource_weight for product in registry.products] == [3, 3, 1, 1]
    assert [str(product.channels[0]) for product in registry.products] == [
        "slack:#product-a-dev", "slack:#product-b-dev", "slack:#marketing", "slack:#support",
    ]  # fmt: skip
    assert (registry.scheduling.max_concurrent_sessions, registry.scheduling.max_memory_gb) == (2, 12)


def test_commented_registry_examples_are_valid(fleet: Path, tmp_path: Path) -> None:
    lines = (fleet.parent / "products.yaml").read_text("utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("# People who may use"))
    sections = [line.removeprefix("# ") for line in lines[start:] if line.startswith(("#   ", "# ")) and is_example(line)]
    shown = tmp_path / "products.yaml"
    shown.write_text("\n".join([*lines[:start], *sections]).replace("backups: [cyd]", "backups: [alice]"), "utf-8")
    registry = load(shown)
    assert [person.name for person in registry.people] == ["alice", "ben"]
    assert (registry.approvals.approvers, registry.approvals.escalate_after) == (("alice", "ben"), 120)
    assert (registry.budget.per_day_usd, registry.agent.per_day_usd) == (20, 5)
    assert [runtime.kind for runtime in registry.runtimes] == ["docker", "socket"]
    assert [schedule.name for schedule in registry.schedules] == ["weekday-marketing"]
    assert registry.quiet_hours is not None


def test_created_state_folder_is_private(fleet: Path) -> None:
    assert fleet.parent.parent.stat().st_mode & 0o777 == 0o700


def is_example(line: str) -> bool:
    """Return True for a comment that is an example and not a sentence."""
    return line.startswith("#   ") or line.removeprefix("# ").split(":")[0] in {
        "people", "approvals", "budget", "runtimes", "schedules", "quiet_hours", "retention", "agent",
    }  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_each_product_is_a_clean_repository_with_one_commit(fleet: Path, name: str) -> None:
    product = fleet / name
    assert git(product, "rev-list", "--count", "HEAD") == "1"
    assert git(product, "branch", "--show-current") == "main"
    assert git(product, "status", "--porcelain") == ""
    assert (product / "README.md").read_text("utf-8").startswith(f"# {name}")
    assert (product / ".gitignore").exists()


@pytest.mark.parametrize("name", NAMES)
def test_each_product_is_initialized_for_the_engine(fleet: Path, name: str) -> None:
    engine = fleet / name / ".overstory"
    config = yaml.safe_load((engine / "config.yaml").read_text("utf-8"))
    manifest = json.loads((engine / "agent-manifest.json").read_text("utf-8"))
    assert config["project"]["name"] == name
    assert config["project"]["qualityGates"]
    assert set(config["models"]) == set(manifest["agents"])
    assert {"coordinator", "lead", "scout", "builder", "reviewer", "merger"} <= set(manifest["agents"])
    for agent in manifest["agents"].values():
        assert set(agent) == {"file", "model", "tools", "capabilities", "canSpawn", "constraints"}
        definition = (engine / "agent-defs" / agent["file"]).read_text("utf-8")
        assert "{{" not in definition
        assert len(definition.encode()) < 12_000  # Overstory 0.5 puts it on tmux's command line, which is limited.
    for folder in ("agents", "worktrees", "specs", "logs"):
        assert (engine / folder).is_dir()


def test_marketing_and_support_have_their_own_workers(fleet: Path) -> None:
    def capabilities(name: str) -> set[str]:
        return set(json.loads((fleet / name / ".overstory/agent-manifest.json").read_text("utf-8"))["agents"])

    assert "marketing" in capabilities("product-c")
    assert "support" in capabilities("product-d")


def test_engine_files_stay_out_of_git(fleet: Path, tmp_path: Path) -> None:
    product = shutil.copytree(fleet / "product-a", tmp_path / "product-a")
    for made in (
        "mail.db",
        "mail.db-wal",
        "sessions.db",
        "current-run.txt",
        "worktrees/x/file",
        "agents/x/turn.pid",
        "logs/x/y.log",
    ):
        path = product / ".overstory" / made
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    assert git(product, "status", "--porcelain") == ""


# -- content of the products ---------------------------------------------------------------------------------------------

TESTS = (sys.executable, "-m", "unittest", "discover", "-s", "tests", "-t", ".")


def test_product_a_has_one_failing_test(fleet: Path) -> None:
    done = run(fleet / "product-a", *TESTS)
    assert done.returncode == 1
    assert "FAILED (failures=1)" in done.stderr
    assert "test_past_midnight" in done.stderr
    assert run(fleet / "product-a", sys.executable, "-m", "hours", "examples/march.txt").stdout.endswith("total     13:55\n")


def test_product_b_passes_its_tests(fleet: Path) -> None:
    assert run(fleet / "product-b", *TESTS).stderr.endswith("OK\n")
    assert (
        "total                    83.90" in run(fleet / "product-b", sys.executable, "-m", "quotes", "orders/1001.json").stdout
    )


def test_product_c_checks_its_style_guide(fleet: Path, tmp_path: Path) -> None:
    product = shutil.copytree(fleet / "product-c", tmp_path / "product-c")
    assert run(product, sys.executable, "scripts/check-copy").stdout == "7 texts, no problems\n"
    mail = product / "content/email/spring.md"
    mail.write_text(
        mail.read_text("utf-8").replace("Good morning,", "A revolutionary color!!").replace("£14.50", "£14.5"), "utf-8"
    )
    done = run(product, sys.executable, "scripts/check-copy")
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "content/email/spring.md:7: exclamation marks in a row",
        "content/email/spring.md:7: “color” is American: colour",
        "content/email/spring.md:7: “revolutionary” is a word we do not use",
        "content/email/spring.md:11: a price is written £4.50",
        "7 texts, 4 problems",
    ]


def test_product_d_has_an_inbox_and_checks_its_answers(fleet: Path, tmp_path: Path) -> None:
    product = shutil.copytree(fleet / "product-d", tmp_path / "product-d")
    check = (sys.executable, "scripts/check-replies")
    assert run(product, *check).stdout == "11 requests: 2 sorted, 1 answered; no problems\n"
    assert run(product, *check, "--all").stdout.endswith("9 problems\n")
    (product / "replies/03-charged-twice.md").write_text(
        "To: rosa\n\nDear customer, we will refund you. srl_live_9fQ2x\n", "utf-8"
    )
    done = run(product, *check)
    assert done.returncode == 1
    for said in (
        "does not begin with To: rosa.l@",
        "does not greet Rosa",
        "promises a refund",
        "repeats a key",
        "but not sorted",
    ):
        assert said in done.stdout


# -- how it is prepared --------------------------------------------------------------------------------------------------


def test_existing_copy_is_not_changed(tmp_path: Path) -> None:
    registry = demo.prepare(tmp_path)
    registry.write_text("products: []\n")
    shutil.rmtree(registry.parent / "test-products" / "product-b")
    assert demo.prepare(tmp_path) == registry
    assert registry.read_text() == "products: []\n"
    assert not (registry.parent / "test-products" / "product-b").exists()


def test_interrupted_copy_is_started_again(tmp_path: Path) -> None:
    half = tmp_path / "demo.building" / "test-products" / "product-a"
    half.mkdir(parents=True)
    (half / "half.txt").write_text("")
    registry = demo.prepare(tmp_path)
    assert list(load(registry, check_paths=True).names) == NAMES
    assert not (registry.parent / "test-products" / "product-a" / "half.txt").exists()
    assert not (tmp_path / "demo.building").exists()


def test_concurrent_calls_prepare_one_copy(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        registries = list(pool.map(demo.prepare, [tmp_path] * 4))
    assert set(registries) == {tmp_path / "demo" / "products.yaml"}
    assert git(tmp_path / "demo" / "test-products" / "product-a", "rev-list", "--count", "HEAD") == "1"


def test_user_git_configuration_does_not_affect_the_demo(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / ".gitconfig").write_text(
        "[commit]\n\tgpgsign = true\n[core]\n\thooksPath = /nowhere\n[user]\n\tname = Ana\n"
    )
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from pathlib import Path; from bot import demo; demo.prepare(Path(sys.argv[1]))",
            "state",
        ],
        cwd=tmp_path,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path / "home"),
            "GIT_DIR": str(tmp_path / "other"),
            "GIT_INDEX_FILE": str(tmp_path / "index"),
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    product = tmp_path / "state" / "demo" / "test-products" / "product-a"
    assert git(product, "log", "--format=%an <%ae>") == "Fleet demo <demo@fleet.invalid>"
    assert not (tmp_path / "other").exists()


def test_unwritable_state_folder_is_reported(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(FleetError, match=r"cannot be copied to .*Set FLEET_STATE to a writable folder"):
        demo.prepare(tmp_path / "state")
