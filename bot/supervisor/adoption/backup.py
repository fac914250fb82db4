"""Backups of what an adoption changes: `.overstory/backup-fleet/<time>/` with the files as they were and a record.

The record is written before the first file is changed and says how far it got (`begun`, `done`, `undoing`, `undone`), so that
what a killed supervisor left half done can be told from what people changed.
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
        """The newest one in one of these states."""
        found = ((place, record) for place, record in records(folder) if record.get("state") in states)
        return next((cls(folder, place, record) for place, record in found), None)

    @classmethod
    def begin(cls, folder: Path, draft: Draft) -> "Backup":
        """Copy what will be changed, and write down what will be there afterwards."""
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
        """The files it concerns, below `.overstory/`."""
        return tuple(self.record["files"])

    def note(self, state: str, commit: str = "") -> None:
        """Write down how far it got."""
        self.record["state"] = state
        self.record["commit"] = commit or self.record["commit"]
        put(self.place / RECORD, json.dumps(self.record, indent=2))

    def before(self, path: str) -> str | None:
        """A file as it was; None if it was not there."""
        return None if self.record["files"][path]["before"] is None else _text(self.place / FILES / path)

    def states(self) -> dict[str, str]:
        """Each file's state now: `before`, `after`, or `other` when somebody has changed it since."""
        found = {}
        for path, digests in self.record["files"].items():
            now = _digest_of(self._folder / path)
            found[path] = next((each for each in ("after", "before") if digests[each] == now), "other")
        return found

    def restore(self, paths: Sequence[str] | None = None) -> None:
        """Put the files (all, or these) back exactly as they were; what was new goes away."""
        for path in self.paths if paths is None else paths:
            if self.record["files"][path]["before"] is None:
                (self._folder / path).unlink(missing_ok=True)
            else:
                draft = _draft(self._folder / path)
                shutil.copy2(self.place / FILES / path, draft)
                draft.replace(self._folder / path)

    @staticmethod
    def written(folder: Path) -> Mapping[str, str]:
        """SHA-256 of what the newest adoption that stands wrote, by file."""
        found = Backup.newest(folder, "done")
        return {} if found is None else {path: digests["after"] for path, digests in found.record["files"].items()}


def read(folder: Path, names: Sequence[str]) -> dict[str, str]:
    """The texts of those of these files that are there. Raises config_broken for one that is no plain text file."""
    return {name: _text(folder / name, name) for name in names if (folder / name).is_symlink() or (folder / name).exists()}


def put(path: Path, text: str) -> None:
    """Replace a file in one step, its rights kept."""
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
        raise broken(name or path.name, "it is a link or no file, and what is behind it is not ours to change")
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
    raise ChannelError("engine_failed", f"{base} takes no more backups of this second.", "Try again.")


def _digest(text: str | None) -> str | None:
    return None if text is None else sha256(text.encode()).hexdigest()


def _digest_of(path: Path) -> str | None:
    try:
        return sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None
