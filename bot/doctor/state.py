"""Check of the state folder."""

import errno
import shutil
import stat
import tempfile
from pathlib import Path

from bot.domain.checks import Check, Status

FREE_DISK = (200 * 2**20, 2**30)
"""Bytes of free disk below which the fleet cannot start, and below which there is a warning."""
REASONS = {
    errno.ENOTDIR: "there is a file where its parent folder should be",
    errno.EEXIST: "there is a file where the folder should be",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "this user has no permission to write there",
    errno.EPERM: "the folder is protected against changes (immutable)",
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
}
"""Reasons why a file could not be written, by error number."""


def check(folder: Path) -> list[Check]:
    """Check that the folder exists or can be created, is writable and private, and has free disk."""
    if not folder.exists() and not folder.is_symlink():
        if problem := _unwritable(_nearest(folder)):
            message = f"{folder} cannot be created: {problem}."
            return [Check("state", "fail", message, "Set FLEET_STATE to a folder that you can write to.", fatal=True)]
        return [Check("state", "ok", f"{folder} is created at the first start")]
    if problem := _unwritable(folder):
        fix = "Make it writable for this user, or set FLEET_STATE to another folder."
        return [Check("state", "fail", f"{folder} is not writable: {problem}.", fix, fatal=True)]
    free = shutil.disk_usage(folder).free
    if free < FREE_DISK[1]:
        status: Status = "fail" if free < FREE_DISK[0] else "warn"
        message = f"{folder} has {free // 2**20} MiB of free disk."
        return [Check("state", status, message, "Free some disk space there.", fatal=status == "fail")]
    if loose := [path for path in private_files(folder) if stat.S_IMODE(path.stat().st_mode) & 0o077]:
        names = " and ".join(_name(path, folder) for path in loose)
        message = f"Other users on this machine can read {names}."
        return [Check("state", "warn", message, "Run `fleet doctor --fix` to restrict access.")]
    return [Check("state", "ok", f"{folder}, {free / 2**30:.0f} GiB free")]


def private_files(folder: Path) -> list[Path]:
    """Return the state folder and its token files, as far as they exist, which only their owner may read."""
    files = [folder / name for name in ("web-token", "bot.json")]
    return [path for path in (folder, *files) if path.exists()]


def _name(path: Path, folder: Path) -> str:
    return str(folder) if path == folder else f"{folder.name}/{path.name}"


def _nearest(folder: Path) -> Path:
    return next(parent for parent in folder.absolute().parents if parent.exists())


def _unwritable(folder: Path) -> str:
    """Return the reason why nothing can be written into a folder, or nothing if it is writable."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".doctor-"):
            return ""
    except OSError as error:
        return REASONS.get(error.errno or 0, error.strerror or str(error))
