"""State of a product's adoption, read from its files alone.

Both sides of the channel use it. `fleet adopt` writes a section into `.overstory/agent-defs/coordinator.md` between two lines
with its version, and records every adoption under `.overstory/backup-fleet/<time>/`. A product with a record but without the
section was overwritten, which `ov init --yes` and `ov update` do.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

VERSION: Final = 1
"""Version of the section, raised with its text so that older adoptions are reported."""

BEGIN: Final = f"<!-- fleet adopt {VERSION}: begin. Written by `fleet adopt`, which replaces it as a whole. -->"
END: Final = "<!-- fleet adopt: end -->"

SECTION: Final = re.compile(r"<!-- fleet adopt (\d+): begin\b[^\n]*-->.*?<!-- fleet adopt: end -->", re.DOTALL)

COORDINATOR: Final = "agent-defs/coordinator.md"
"""Definition with the section. All names here are below `.overstory/`."""

BACKUPS: Final = "backup-fleet"
RECORD: Final = "record.json"


@dataclass(frozen=True, slots=True)
class Notice:
    """Problem that does not stop work. Adopting the product again fixes it."""

    code: str
    """`not_adopted`, `overwritten` or `outdated`."""
    message: str


def notice(folder: Path) -> Notice | None:
    """Return the notice of a product, None if there is none or its definition cannot be read."""
    try:
        text = (folder / COORDINATOR).read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    found = SECTION.search(text)
    record = newest(folder)
    if found is None and record is None:
        summary = "It is not adopted, so its coordinator does not ask before large work or report to the fleet."
        return Notice("not_adopted", summary)
    if found is None or (record is not None and not _intact(folder, record)):
        return Notice("overwritten", "Its adoption was overwritten by `ov init` or `ov update`.")
    if int(found[1]) < VERSION:
        return Notice("outdated", "It was adopted by an older version of the fleet.")
    return None


def records(folder: Path) -> list[tuple[Path, dict[str, Any]]]:
    """Return the folder and record of each adoption, newest first, without unreadable ones."""
    found = []
    for path in sorted((folder / BACKUPS).glob(f"*/{RECORD}"), reverse=True):
        try:
            record = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(record, dict):
            found.append((path.parent, record))
    return found


def newest(folder: Path) -> dict[str, Any] | None:
    """Return the record of the newest adoption that was not undone."""
    return next((record for _, record in records(folder) if record.get("state") == "done"), None)


def _intact(folder: Path, record: dict[str, Any]) -> bool:
    """Return True if every file still contains what the adoption wrote, as pairs of a name and a text."""
    for name, words in record.get("marks", ()):
        try:
            if str(words) not in (folder / str(name)).read_text("utf-8"):
                return False
        except (OSError, UnicodeDecodeError):
            return False
    return True
