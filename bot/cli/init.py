"""`fleet init`: a commented products.yaml and .env to begin with. Writes what is missing and touches nothing that is there."""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from bot.cli import demo
from bot.domain.errors import FleetError
from bot.settings import VARIABLES

HEAD = """\
# The fleet. Every product is a git repository in which agents work; everything else has a default.
# A change is taken up while the fleet runs; a mistake is reported with its line, and the last good state stays in force.

"""
EXAMPLE = """\
products: []                            # take the brackets away, and write one entry for each product:
#  - name: product-a                    # unique; what people call it
#    path: ../product-a                 # absolute, from ~, or relative to this file
#    type: code                         # code, marketing or support
#    priority: medium                   # critical, high, medium or low
#    resource_weight: 1                 # how heavy its work is beside that of others
#    channels: ["slack:#product-a-dev"] # slack:#name, slack:C0123ABCD, discord:123456, web:name
"""
MOST = 30
"""Repositories that are entered by themselves; who has more, chooses."""


@dataclass(frozen=True, slots=True)
class Begun:
    """What `fleet init` did: files written, files left as they were, products entered, and what to do next."""

    written: tuple[Path, ...]
    kept: tuple[Path, ...]
    products: tuple[str, ...]
    next: str


def begin(folder: Path, *, with_demo: bool = False) -> Begun:
    """Write products.yaml and .env into a folder; with the demo, the test products and the .env that names them.

    Raises FleetError when the folder cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        found = () if with_demo else repositories(folder)
        files = {".env": (env_text(), 0o600)}
        if with_demo:
            registry = os.path.relpath(_demo(folder / ".fleet"), folder)
            files = {".env": (env_text({"FLEET_PRODUCTS": registry}), 0o600)}
        else:
            files["products.yaml"] = (registry_text(found), 0o644)
        written = tuple(folder / name for name, (text, mode) in files.items() if _write(folder / name, text, mode))
    except OSError as error:
        raise FleetError(
            f"{folder} cannot be written: {error.strerror}.", "Choose another folder: fleet init FOLDER."
        ) from error
    kept = tuple(folder / name for name in files if folder / name not in written)
    go = "" if folder.resolve() == Path.cwd() else f"cd {folder} && "
    return Begun(written, kept, tuple(path.name for path in found), f"{go}fleet up")


def repositories(folder: Path) -> tuple[Path, ...]:
    """The git repositories right inside a folder, by name."""
    found = [each for each in sorted(folder.iterdir()) if not each.name.startswith(".") and (each / ".git").exists()]
    return tuple(found[:MOST])


def registry_text(found: tuple[Path, ...]) -> str:
    """A products.yaml: these products, and every other section as a comment that says what it is for."""
    rest = demo.bundled().read_text("utf-8").partition("\nscheduling:")
    products = "products:\n" + "\n".join(_entry(path) for path in found) if found else EXAMPLE
    return f"{HEAD}{products}{rest[1]}{rest[2]}"


def env_text(values: dict[str, str] | None = None) -> str:
    """A .env: every variable with what it is for, commented out unless it has a value."""
    lines = ["# A variable of the environment comes before this file. Keep it to yourself: it may hold keys.", ""]
    for variable in VARIABLES:
        value = (values or {}).get(variable.name)
        lines.append(f"# {variable.description}")
        lines.append(f"# {variable.name}={variable.default}" if value is None else f"{variable.name}={value}")
    return "\n".join(lines) + "\n"


def registry_of(products: Path, state: Path, *, given: bool) -> Path:
    """The registry to use: as set; the one in this folder; or, where that is the one that came with the program, the demo's
    copy of it, so that no work is ever done in the program's own folder."""
    try:
        own = not given and products.samefile(demo.bundled())
    except (OSError, FleetError):
        own = False
    return _demo(state) if own else products


def _demo(state: Path) -> Path:
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    return demo.prepare(state)


def _entry(path: Path) -> str:
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", path.name).strip("-._") or "product"
    return (
        f"  - name: {json.dumps(name[:64])}\n    path: {json.dumps(f'./{path.name}')}\n    type: code\n    priority: medium\n"
    )


def _write(path: Path, text: str, mode: int) -> bool:
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
    except FileExistsError:
        return False
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    return True
