"""Whether a product has been adopted, seen from its files alone. Shared by both sides of the channel; standard library only.

`fleet adopt` writes a section into `.overstory/agent-defs/coordinator.md`, between two lines that carry its version, and keeps
a record of every adoption under `.overstory/backup-fleet/<time>/`. A product whose record is there and whose section is not
has been overwritten since, which is what `ov init --yes` and `ov update` do.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

VERSION: Final = 1
"""Of the section; raised whenever its words change, so that products with the older one are told of."""

BEGIN: Final = f"<!-- fleet adopt {VERSION}: begin. Written by `fleet adopt`, which replaces it as a whole. -->"
END: Final = "<!-- fleet adopt: end -->"

SECTION: Final = re.compile(r"<!-- fleet adopt (\d+): begin\b[^\n]*-->.*?<!-- fleet adopt: end -->", re.DOTALL)

COORDINATOR: Final = "agent-defs/coordinator.md"
"""The definition with the section; like all names here below `.overstory/`."""

BACKUPS: Final = "backup-fleet"
RECORD: Final = "record.json"


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that does not stop work, yet should be known. What to do about it is always to adopt the product."""

    code: str
    """`not_adopted`, `overwritten` or `outdated`."""
    message: str


def notice(folder: Path) -> Notice | None:
    """What is to be said of a product's `.overstory`; None when all is well, or when its definition cannot be read."""
    try:
        text = (folder / COORDINATOR).read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    found = SECTION.search(text)
    record = newest(folder)
    if found is None and record is None:
        said = "It is not adopted: nobody has told its coordinator to ask before large work, and to report to the fleet."
        return Notice("not_adopted", said)
    if found is None or (record is not None and not _kept(folder, record)):
        return Notice("overwritten", "What was adopted was overwritten since, by `ov init` or `ov update`.")
    if int(found[1]) < VERSION:
        return Notice("outdated", "It was adopted by an older fleet.")
    return None


def records(folder: Path) -> list[tuple[Path, dict[str, Any]]]:
    """The folder and record of each adoption, newest first; what cannot be read is left out."""
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
    """The record of the newest adoption that has not been undone."""
    return next((record for _, record in records(folder) if record.get("state") == "done"), None)


def _kept(folder: Path, record: dict[str, Any]) -> bool:
    """Whether every file still has what the adoption put there: pairs of a name and words in it."""
    for name, words in record.get("marks", ()):
        try:
            if str(words) not in (folder / str(name)).read_text("utf-8"):
                return False
        except (OSError, UnicodeDecodeError):
            return False
    return True
