"""Check of Python and the installed packages."""

import sys
from importlib import metadata

from bot.domain.checks import Check


def check() -> list[Check]:
    """Check that every required package is installed."""
    said = ".".join(map(str, sys.version_info[:3]))
    missing = []
    for wanted in metadata.requires("meta-coordinator") or ():
        name = wanted.split(";")[0].split("[")[0].rstrip("<>=!~ .0123456789,")
        try:
            _ = "extra ==" in wanted or metadata.version(name)
        except metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        said = f"These packages are missing: {', '.join(missing)}."
        return [
            Check("python", "fail", said, "Run `make install`, or reinstall with pip install meta-coordinator.", fatal=True)
        ]
    return [Check("python", "ok", f"{said}, meta-coordinator {metadata.version('meta-coordinator')}")]
