"""The command `fleet init`, which creates a commented products.yaml and .env and keeps existing files."""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from bot import demo
from bot.domain.errors import FleetError
from bot.settings import VARIABLES

HEAD = """\
# The fleet. Every product is a git repository in which agents work; everything else has a default.
# Changes are loaded while the fleet runs. A mistake is reported with its line, and the last good version stays in use.

"""
EXAMPLE = """\
products: []                            # remove the brackets, and write one entry for each product:
#  - name: product-a                    # unique; what people call it
#    path: ../product-a                 # absolute, from ~, or relative to this file
#    type: code                         # code, marketing or support
#    priority: medium                   # critical, high, medium or low
#    resource_weight: 1                 # how much of the machine its work needs, relative to others
#    channels: ["slack:#product-a-dev"] # slack:#name, slack:C0123ABCD, discord:123456, web:name
"""
MOST = 30
"""Most repositories that are added automatically."""


@dataclass(frozen=True, slots=True)
class Created:
    """The result of `fleet init`."""

    written: tuple[Path, ...]
    existing: tuple[Path, ...]
    products: tuple[str, ...]
    next: str


def begin(folder: Path, *, with_demo: bool = False) -> Created:
    """Write products.yaml and .env into a folder, or for the demo a .env that points to the test products.

    Raises FleetError when the folder cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        found = () if with_demo else repositories(folder)
        files = {".env": (env_text(), 0o600)}
        if with_demo:
            state = folder / ".fleet"
            state.mkdir(parents=True, exist_ok=True, mode=0o700)
            registry = os.path.relpath(demo.prepare(state), folder)
            files = {".env": (env_text({"FLEET_PRODUCTS": registry}), 0o600)}
        else:
            files["products.yaml"] = (registry_text(found), 0o644)
        written = tuple(folder / name for name, (text, mode) in files.items() if _write(folder / name, text, mode))
    except OSError as error:
        raise FleetError(f"{folder} is not writable: {error.strerror}.", "Choose another folder: fleet init FOLDER.") from error
    existing = tuple(folder / name for name in files if folder / name not in written)
    go = "" if folder.resolve() == Path.cwd() else f"cd {folder} && "
    return Created(written, existing, tuple(path.name for path in found), f"{go}fleet up")


def repositories(folder: Path) -> tuple[Path, ...]:
    """Return the git repositories directly inside a folder, by name."""
    found = [each for each in sorted(folder.iterdir()) if not each.name.startswith(".") and (each / ".git").exists()]
    return tuple(found[:MOST])


def registry_text(found: tuple[Path, ...]) -> str:
    """Return a products.yaml with these products, and with every other section as a comment."""
    rest = demo.bundled().read_text("utf-8").partition("\nscheduling:")
    products = "products:\n" + "\n".join(_entry(path) for path in found) if found else EXAMPLE
    return f"{HEAD}{products}{rest[1]}{rest[2]}"


def env_text(values: dict[str, str] | None = None) -> str:
    """Return a .env with every variable and its description, commented out unless it has a value."""
    lines = ["# Environment variables override this file. Keep it private: it may contain keys.", ""]
    for variable in VARIABLES:
        value = (values or {}).get(variable.name)
        lines.append(f"# {variable.description}")
        lines.append(f"# {variable.name}={variable.default}" if value is None else f"{variable.name}={value}")
    return "\n".join(lines) + "\n"


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
