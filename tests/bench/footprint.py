"""Size of the installed packages."""

import re
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from tests.bench.bench import Bench
from tests.bench.figures import Figure, Section

NAME = re.compile(r"[A-Za-z0-9._-]+")


async def measure(bench: Bench) -> Section:
    """Measure the runtime dependencies and their dependencies."""
    found: dict[str, Distribution] = {}
    _take("meta-coordinator", found)
    sizes = {name: _size(each) for name, each in found.items() if name != "meta-coordinator"}
    largest = sorted(sizes, key=lambda name: -sizes[name])[:5]
    method = (
        f"Files of the {len(sizes)} distributions that `pip install` adds at run time (including compiled .pyc), without "
        "Python itself and without test tools."
    )
    note = "Largest: " + ", ".join(f"{name} {sizes[name] / 1e6:.0f} MB" for name in largest) + "."
    return Section(
        "Installed", method, (Figure("runtime dependencies", sum(sizes.values()) / 1e6, "MB", None, "832 MB"),), (note,)
    )


def _take(name: str, found: dict[str, Distribution]) -> None:
    key = re.sub(r"[-_.]+", "-", name).lower()
    if key in found:
        return
    try:
        found[key] = distribution(name)
    except PackageNotFoundError:
        return
    for wanted in found[key].requires or ():
        match = NAME.match(wanted)
        if match and "extra ==" not in wanted:
            _take(match[0], found)


def _size(each: Distribution) -> int:
    paths = [Path(str(each.locate_file(file))) for file in each.files or ()]
    return sum(path.stat().st_size for path in paths if path.is_file())
