"""What Claude Code itself wrote down of a session: what the model was really shown, and what each of its answers cost.

A transcript is JSON lines under `~/.claude/projects/<folder's path with dashes>/<session id>.jsonl`.
"""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from bot.supervisor.records import times
from bot.supervisor.records.sessions import Row

TAIL = 4 * 1024 * 1024
"""How much of a transcript's end is searched for a mail, in bytes."""

RATES: tuple[tuple[str, tuple[float, float, float, float]], ...] = (
    ("opus", (15.0, 75.0, 1.5, 3.75)),
    ("haiku", (0.8, 4.0, 0.08, 0.2)),
    ("sonnet", (3.0, 15.0, 0.3, 0.75)),
)
"""US dollars for a million tokens: input, output, cache read, cache write. The engine's own table, so that sums agree."""

UNKNOWN_RATE = RATES[0][1]
"""For a model that is not in the table: rather too much than too little."""


def path_of(row: Row) -> Path | None:
    """Where a session's transcript is: as the engine recorded it, else where Claude Code puts it; None if there is none."""
    if row.transcript:
        found = Path(row.transcript)
        return found if found.suffix == ".jsonl" and found.is_file() else None
    folder = _folder(row)
    if folder is None or not row.claude_session or not re.fullmatch(r"[\w-]+", row.claude_session):
        return None
    found = folder / f"{row.claude_session}.jsonl"
    return found if found.is_file() else None


def all_of(row: Row) -> tuple[Path, ...]:
    """Where to look for what a session was shown: its transcript, or all that were written in its folder since it began, for no
    version records which one is its coordinator's."""
    known, folder = path_of(row), _folder(row)
    if known is not None or folder is None:
        return () if known is None else (known,)
    return tuple(path for path in folder.glob("*.jsonl") if path.is_file() and path.stat().st_mtime >= (row.began or 0.0))


def _folder(row: Row) -> Path | None:
    """Where Claude Code keeps the transcripts of a session's folder."""
    home = Path(os.environ.get("CLAUDE_CONFIG_DIR") or Path.home() / ".claude")
    return home / "projects" / re.sub(r"[^A-Za-z0-9]", "-", row.worktree) if row.worktree else None


def shown(transcript: Path, needle: str) -> bool | None:
    """Whether the model was shown a text: None if the transcript does not hold it, False if only a hook swallowed it."""
    raw = json.dumps(needle)[1:-1].encode()
    found = None
    with transcript.open("rb") as file:
        file.seek(max(0, transcript.stat().st_size - TAIL))
        for line in file:
            if raw in line or needle.encode() in line:
                if not _swallowed(_object(line)):
                    return True
                found = False
    return found


def _swallowed(entry: dict[str, Any]) -> bool:
    """Whether a line is the plain output of a PostToolUse hook, which Claude Code records but does not show the model."""
    attachment = entry.get("attachment")
    if not isinstance(attachment, dict):
        return False
    return attachment.get("type") == "hook_success" and attachment.get("hookEvent") == "PostToolUse"


def _object(line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


@dataclass(slots=True)
class Meter:
    """The cost of one transcript, read on from where it was read before."""

    offset: int = 0
    days: dict[date, float] = field(default_factory=dict)
    last_answer: str = ""
    last_cost: float = 0.0
    last_day: date | None = None

    @property
    def total(self) -> float:
        """US dollars so far."""
        return sum(self.days.values())

    def read(self, transcript: Path) -> None:
        """Take in what was written since; a transcript that was replaced by a shorter one is read anew."""
        if transcript.stat().st_size < self.offset:
            self.offset, self.days, self.last_answer = 0, {}, ""
        with transcript.open("rb") as file:
            file.seek(self.offset)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self.offset += len(line)
                if b'"usage"' in line:
                    self._take(_object(line))

    def _take(self, entry: dict[str, Any]) -> None:
        """Count one line. An answer is written as several lines with the same id, the last one with its final usage."""
        message = entry.get("message")
        when = times.moment(entry.get("timestamp"))
        if not isinstance(message, dict) or when is None or not isinstance(message.get("usage"), dict):
            return
        spent = cost(str(message.get("model", "")), message["usage"])
        answer = str(message.get("id", ""))
        if answer and answer == self.last_answer and self.last_day is not None:
            self.days[self.last_day] -= self.last_cost
            spent = max(spent, self.last_cost)
        day = when.date()
        self.days[day] = self.days.get(day, 0.0) + spent
        self.last_answer, self.last_cost, self.last_day = answer, spent, day


def cost(model: str, usage: dict[str, Any]) -> float:
    """US dollars of one answer."""
    if model == "<synthetic>":
        return 0.0
    rate = next((rate for name, rate in RATES if name in model), UNKNOWN_RATE)
    keys = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    counts = (usage.get(key) for key in keys)
    return sum(n * price for n, price in zip(counts, rate, strict=True) if isinstance(n, int | float)) / 1_000_000


def lines_backwards(path: Path, most: int = TAIL) -> Iterator[dict[str, Any]]:
    """The JSON objects at the end of a file of JSON lines, newest first."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - most))
        lines = file.read().splitlines()
    for line in reversed(lines):
        if found := _object(line):
            yield found
