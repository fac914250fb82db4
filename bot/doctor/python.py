"""Check of Python, the installed packages, and git."""

import shutil
import sys
from importlib import metadata

from bot.domain.checks import Check


def check() -> list[Check]:
    """Check that every required package is installed, and git."""
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
    checks = [Check("python", "ok", f"{said}, meta-coordinator {metadata.version('meta-coordinator')}")]
    if shutil.which("git") is None:
        fix = "Install git, or run products in a container."
        checks.append(Check("git", "warn", "git is not installed; an engine on this machine needs it.", fix))
    return checks
