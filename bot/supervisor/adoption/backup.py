"""Backups of the files that an adoption changes.

A backup is `.overstory/backup-fleet/<time>/` with the old files and a record. The record is written before the first file is
changed and has the state `begun`, `done`, `undoing` or `undone`. This tells an interrupted adoption from later edits by people.
"""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from bot.supervisor.adoption.edits import Draft, broken
from bot.supervisor.adoption.records import BACKUPS, RECORD, records
from bot.supervisor.protocol import ChannelError
from bot.supervisor.records import times

FILES = "files"


class Backup:
    """One adoption of one product, on disk."""

    def __init__(self, folder: Path, place: Path, record: dict[str, Any]) -> None:
        self._folder, self.place, self.record = folder, place, record

    @classmethod
    def newest(cls, folder: Path, *states: str) -> "Backup | None":
        """Return the newest backup in one of these states."""
        found = ((place, record) for place, record in records(folder) if record.get("state") in states)
        return next((cls(folder, place, record) for place, record in found), None)

    @classmethod
    def begin(cls, folder: Path, draft: Draft) -> "Backup":
        """Copy the files to change and record what they will contain."""
        place = _new_place(folder / BACKUPS)
        (folder / BACKUPS / ".gitignore").write_text("*\n")
        files = {}
        for edit in draft.edits:
            if edit.before is not None:
                copy = place / FILES / edit.path
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(folder / edit.path, copy)
            files[edit.path] = {"before": _digest(edit.before), "after": _digest(edit.after)}
        marks = [list(mark) for mark in draft.marks]
        found = cls(folder, place, {"at": times.now().isoformat(), "state": "", "files": files, "marks": marks, "commit": ""})
        found.note("begun")
        return found

    @property
    def paths(self) -> tuple[str, ...]:
        """Changed files, below `.overstory/`."""
        return tuple(self.record["files"])

    def note(self, state: str, commit: str = "") -> None:
        """Record the state."""
        self.record["state"] = state
        self.record["commit"] = commit or self.record["commit"]
        put(self.place / RECORD, json.dumps(self.record, indent=2))

    def before(self, path: str) -> str | None:
        """Return a file's old text, None if it did not exist."""
        return None if self.record["files"][path]["before"] is None else _text(self.place / FILES / path)

    def states(self) -> dict[str, str]:
        """Return each file's state, `before`, `after`, or `other` if it was edited since."""
        found = {}
        for path, digests in self.record["files"].items():
            now = _digest_of(self._folder / path)
            found[path] = next((each for each in ("after", "before") if digests[each] == now), "other")
        return found

    def restore(self, paths: Sequence[str] | None = None) -> None:
        """Restore the files (all, or these) exactly and remove new ones."""
        for path in self.paths if paths is None else paths:
            if self.record["files"][path]["before"] is None:
                (self._folder / path).unlink(missing_ok=True)
            else:
                draft = _draft(self._folder / path)
                shutil.copy2(self.place / FILES / path, draft)
                draft.replace(self._folder / path)

    @staticmethod
    def written(folder: Path) -> Mapping[str, str]:
        """Return the SHA-256 of each file that the newest applied adoption wrote."""
        found = Backup.newest(folder, "done")
        return {} if found is None else {path: digests["after"] for path, digests in found.record["files"].items()}


def read(folder: Path, names: Sequence[str]) -> dict[str, str]:
    """Return the texts of the existing files. Raises `config_broken` for one that is no plain text file."""
    return {name: _text(folder / name, name) for name in names if (folder / name).is_symlink() or (folder / name).exists()}


def put(path: Path, text: str) -> None:
    """Replace a file in one step and keep its permissions."""
    draft = _draft(path)
    draft.write_bytes(text.encode())
    if path.exists():
        shutil.copymode(path, draft)
    draft.replace(path)


def _draft(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(f".{path.name}.{os.getpid()}.new")


def _text(path: Path, name: str = "") -> str:
    if path.is_symlink() or not path.is_file():
        raise broken(name or path.name, "it is a link or not a regular file")
    try:
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise broken(name or path.name, f"it cannot be read ({error})") from error


def _new_place(base: Path) -> Path:
    stamp = times.now().strftime("%Y%m%dT%H%M%SZ")
    for number in range(1, 1000):
        place = base / (stamp if number == 1 else f"{stamp}-{number:03}")
        try:
            place.mkdir(parents=True, mode=0o700)
        except FileExistsError:
            continue
        return place
    raise ChannelError("engine_failed", f"{base} has too many backups from this second.", "Try again.")


def _digest(text: str | None) -> str | None:
    return None if text is None else sha256(text.encode()).hexdigest()


def _digest_of(path: Path) -> str | None:
    try:
        return sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None
