"""State that outlives the supervisor, such as adoptable processes and paused products.

One small JSON file per fact, replaced as a whole, in a folder that only the runtime's user can read.
"""

import contextlib
import json
import os
import time
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any


class State:
    """Folder of facts.

    A fact has a kind (`serve`, `sling`, `paused`) and a key (a product's path and more)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def path(self, kind: str, *key: str, suffix: str = ".json") -> Path:
        """Return the path of a fact, or of a log that belongs to it."""
        digest = sha256("\0".join(key).encode("utf-8", "surrogateescape")).hexdigest()[:20]
        return self.folder / f"{kind}-{digest}{suffix}"

    def put(self, kind: str, *key: str, value: Mapping[str, Any]) -> None:
        """Store a fact."""
        path = self.path(kind, *key)
        draft = path.with_suffix(f".{os.getpid()}.new")
        draft.write_text(json.dumps(value))
        draft.replace(path)

    def get(self, kind: str, *key: str) -> dict[str, Any] | None:
        """Return a fact, None if it is missing or its file is damaged."""
        try:
            found = json.loads(self.path(kind, *key).read_text())
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def drop(self, kind: str, *key: str) -> None:
        """Remove a fact."""
        with contextlib.suppress(FileNotFoundError):
            self.path(kind, *key).unlink()

    def forget_old(self, kind: str, age: float) -> None:
        """Remove logs of a kind that were last written more than `age` seconds ago."""
        for path in self.folder.glob(f"{kind}-*"):
            with contextlib.suppress(OSError):
                if path.suffix != ".json" and time.time() - path.stat().st_mtime > age:
                    path.unlink()

    def all(self, kind: str) -> list[dict[str, Any]]:
        """Return every fact of one kind."""
        found = []
        for path in sorted(self.folder.glob(f"{kind}-*.json")):
            with contextlib.suppress(OSError, ValueError):
                value = json.loads(path.read_text())
                if isinstance(value, dict):
                    found.append(value)
        return found
