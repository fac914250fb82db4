"""Transcripts of Claude Code, which show what the model saw and what each answer cost.

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
"""Bytes at the end of a transcript to search for a mail."""

RATES: tuple[tuple[str, tuple[float, float, float, float]], ...] = (
    ("opus", (15.0, 75.0, 1.5, 3.75)),
    ("haiku", (0.8, 4.0, 0.08, 0.2)),
    ("sonnet", (3.0, 15.0, 0.3, 0.75)),
)
"""US dollars per million tokens for input, output, cache read and cache write.

Same table as the engine's, so that sums agree."""

UNKNOWN_RATE = RATES[0][1]
"""Rate of a model that is not in the table. An estimate too high is better than one too low."""


def path_of(row: Row) -> Path | None:
    """Return the path of a session's transcript, as recorded by the engine or by Claude Code's convention.

    None if there is none."""
    if row.transcript:
        found = Path(row.transcript)
        return found if found.suffix == ".jsonl" and found.is_file() else None
    folder = _folder(row)
    if folder is None or not row.claude_session or not re.fullmatch(r"[\w-]+", row.claude_session):
        return None
    found = folder / f"{row.claude_session}.jsonl"
    return found if found.is_file() else None


def candidates(row: Row) -> tuple[Path, ...]:
    """Return the transcripts that may belong to a session.

    No version records the transcript of its coordinator, so these are all that were written in its folder since it began."""
    known, folder = path_of(row), _folder(row)
    if known is not None or folder is None:
        return () if known is None else (known,)
    return tuple(path for path in folder.glob("*.jsonl") if path.is_file() and path.stat().st_mtime >= (row.began or 0.0))


def _folder(row: Row) -> Path | None:
    """Return the folder with the transcripts of a session."""
    home = Path(os.environ.get("CLAUDE_CONFIG_DIR") or Path.home() / ".claude")
    return home / "projects" / re.sub(r"[^A-Za-z0-9]", "-", row.worktree) if row.worktree else None


def was_shown(transcript: Path, needle: str) -> bool | None:
    """Return True if the model saw a text.

    False means that only a hook printed it, None that the transcript does not have it."""
    raw = json.dumps(needle)[1:-1].encode()
    found = None
    with transcript.open("rb") as file:
        file.seek(max(0, transcript.stat().st_size - TAIL))
        for line in file:
            if raw in line or needle.encode() in line:
                if not _is_hidden(_object(line)):
                    return True
                found = False
    return found


def _is_hidden(entry: dict[str, Any]) -> bool:
    """Return True for the plain output of a PostToolUse hook.

    Claude Code records it but does not show it to the model."""
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
    """Cost of one transcript, read on from the last position."""

    offset: int = 0
    days: dict[date, float] = field(default_factory=dict)
    last_answer: str = ""
    last_cost: float = 0.0
    last_day: date | None = None

    @property
    def total(self) -> float:
        """Cost of all days read so far, US dollars."""
        return sum(self.days.values())

    def read(self, transcript: Path) -> None:
        """Count the lines written since the last call. A transcript replaced by a shorter one is read again."""
        if transcript.stat().st_size < self.offset:
            self.offset, self.days, self.last_answer = 0, {}, ""
        with transcript.open("rb") as file:
            file.seek(self.offset)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self.offset += len(line)
                if b'"usage"' in line:
                    self._count_line(_object(line))

    def _count_line(self, entry: dict[str, Any]) -> None:
        """Count one line.

        An answer spans several lines with the same id, and the last one has its final usage."""
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
    """Return the cost of one answer in US dollars."""
    if model == "<synthetic>":
        return 0.0
    rate = next((rate for name, rate in RATES if name in model), UNKNOWN_RATE)
    keys = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    counts = (usage.get(key) for key in keys)
    return sum(n * price for n, price in zip(counts, rate, strict=True) if isinstance(n, int | float)) / 1_000_000


def lines_backwards(path: Path, most: int = TAIL) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects at the end of a file of JSON lines, newest first."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - most))
        lines = file.read().splitlines()
    for line in reversed(lines):
        if found := _object(line):
            yield found
