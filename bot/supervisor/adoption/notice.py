"""Cached notice of a product's adoption, read again only when one of its files changes."""

from pathlib import Path

from bot.supervisor.adoption import records
from bot.supervisor.adoption.edits import MANIFEST

Stamp = tuple[tuple[int, int] | None, ...]


class Adoption:
    """Adoption of one product, by its `.overstory` folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stamp: Stamp | None = None
        self._notice: dict[str, str] | None = None

    def notice(self) -> dict[str, str] | None:
        """Return the notice as the channel carries it, None if there is nothing to report."""
        backups = self._folder / records.BACKUPS
        named = (self._folder / records.COORDINATOR, self._folder / MANIFEST, backups)
        stamp = tuple(map(_stamp, (*named, *sorted(backups.glob(f"*/{records.RECORD}")))))
        if stamp != self._stamp:
            found = records.notice(self._folder)
            self._stamp = stamp
            self._notice = {"code": found.code, "message": found.message} if found else None
        return self._notice


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
