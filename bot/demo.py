"""The demo fleet, which is a copy of the four test products as git repositories in the state folder."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bot
from bot.domain.errors import FleetError

_IGNORED = shutil.ignore_patterns("__pycache__", "*.pyc", ".git", "*.db", "*.db-*", "worktrees", "logs", ".DS_Store")
_ENGINE_FOLDERS = ("agents", "worktrees", "specs", "logs")
"""Folders that `ov init` creates and `ov doctor` expects, which git does not store because they are empty."""
_AUTHOR = (("user.name", "Fleet demo"), ("user.email", "demo@fleet.invalid"))
_ENVIRONMENT = {
    "PATH": os.defpath,
    "HOME": "/nonexistent",
    "LC_ALL": "C",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_TERMINAL_PROMPT": "0",
}
"""Complete environment of git, so that no user configuration, hook or GIT_DIR affects the demo."""


def bundled() -> Path:
    """Return the `products.yaml` that came with the program, beside its `test-products/`.

    Raises FleetError."""
    package = Path(bot.__file__).resolve().parent
    for folder in (package / "share", package.parent):
        if (folder / "products.yaml").is_file() and (folder / "test-products").is_dir():
            return folder / "products.yaml"
    raise FleetError("This installation has no test products.", "Create a products.yaml with `fleet init`.")


def prepare(state: Path) -> Path:
    """Create `<state>/demo/` with the test products, unless it exists, and return its `products.yaml`.

    Each product is a git repository with one commit on `main`. An interrupted copy is started again."""
    demo = state / "demo"
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _alone(state / "demo.lock"):
            if not demo.exists():
                _build(bundled(), state / "demo.building").rename(demo)
    except OSError as error:
        raise FleetError(
            f"The test products cannot be copied to {demo}: {error}.", "Set FLEET_STATE to a writable folder."
        ) from None
    return demo / "products.yaml"


def registry_of(products: Path, state: Path, *, given: bool) -> Path:
    """Return the registry to use, which is the given or local one, else the demo's copy.

    Agents never work in the folder of the program itself, so the registry that came with it is copied."""
    try:
        own = not given and products.samefile(bundled())
    except (OSError, FleetError):
        own = False
    if not own:
        return products
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    return prepare(state)


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Wait until no other process prepares the same folder. The lock ends with the process."""
    with lock.open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _build(registry: Path, building: Path) -> Path:
    shutil.rmtree(building, ignore_errors=True)
    products = building / "test-products"
    shutil.copytree(registry.parent / "test-products", products, ignore=_IGNORED, copy_function=_copy)
    for folder in (products, *products.rglob("*/")):
        folder.chmod(0o755)
    _copy(str(registry), str(building / "products.yaml"))
    for product in sorted(products.iterdir()):
        if product.is_dir():
            _commit(product)
    return building


def _copy(source: str, target: str) -> str:
    """Copy a file as writable, and executable if the original is, however the program is installed."""
    shutil.copyfile(source, target)
    Path(target).chmod(0o755 if os.access(source, os.X_OK) else 0o644)
    return target


def _commit(product: Path) -> None:
    _git(product, "init", "--quiet", "--initial-branch=main")
    for key, value in _AUTHOR:
        _git(product, "config", key, value)  # agents commit too, on machines without a git identity
    _git(product, "add", "--all")
    _git(product, "commit", "--quiet", "--no-verify", "--message", f"{product.name}: initial commit")
    for folder in _ENGINE_FOLDERS:
        (product / ".overstory" / folder).mkdir(parents=True, exist_ok=True)


def _git(product: Path, *words: str) -> None:
    git = shutil.which("git")
    if git is None:
        raise FleetError("git is not installed.", "Install git, then start again.")
    identity = [part for key, value in _AUTHOR for part in ("-c", f"{key}={value}")]
    command = [git, *identity, "-c", "commit.gpgsign=false", "-c", "core.autocrlf=false", *words]
    done = subprocess.run(command, cwd=product, env=_ENVIRONMENT, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise FleetError(f"git {words[0]} failed in {product}: {done.stderr.strip()[:500]}", "Check that git works there.")
