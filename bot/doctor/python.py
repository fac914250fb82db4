"""Check of Python and the installed packages."""

import sys
from importlib import metadata

from bot.domain.checks import Check


def check() -> list[Check]:
    """Check that every required package is installed."""
    version = ".".join(map(str, sys.version_info[:3]))
    missing = []
    for wanted in metadata.requires("meta-coordinator") or ():
        name = wanted.split(";")[0].split("[")[0].rstrip("<>=!~ .0123456789,")
        try:
            _ = "extra ==" in wanted or metadata.version(name)
        except metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        message = f"These packages are missing: {', '.join(missing)}."
        return [
            Check("python", "fail", message, "Run `make install`, or reinstall with pip install meta-coordinator.", fatal=True)
        ]
    return [Check("python", "ok", f"{version}, meta-coordinator {metadata.version('meta-coordinator')}")]
