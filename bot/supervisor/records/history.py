"""Recent activity of one agent, from `events.db` and the end of its output."""

import contextlib
import json
import sqlite3
from pathlib import Path
from typing import Any

from bot.supervisor.protocol import MAX_TEXT
from bot.supervisor.records import times, transcripts
from bot.supervisor.records.database import columns, reading
from bot.supervisor.records.sessions import Row

EVENTS = 40
"""Most events to return."""

WORDS = 500
"""Most characters of one event's text."""

SHOWN = frozenset({"tool_start", "progress", "result", "error", "mail_sent", "session_start", "session_end", "turn_end"})


def events(database: Path, agent: str) -> list[dict[str, Any]]:
    """Return the newest events of an agent, newest first."""
    with reading(database) as connection:
        if connection is None or not columns(connection, "events") >= {"agent_name", "event_type", "created_at"}:
            return []
        query = "SELECT * FROM events WHERE agent_name = ? ORDER BY id DESC LIMIT 400"
        rows = connection.execute(query, (agent,)).fetchall()
    return [_event(row) for row in rows if row["event_type"] in SHOWN][:EVENTS]


def active_since(database: Path, agent: str, moment: str) -> bool:
    """Return True if an agent used a tool or wrote text after a time (ISO, UTC)."""
    since = times.moment(moment)
    with reading(database) as connection:
        if since is None or connection is None or not columns(connection, "events") >= {"agent_name", "created_at"}:
            return False
        query = "SELECT created_at FROM events WHERE agent_name = ? AND event_type != 'mail_sent' ORDER BY id DESC LIMIT 1"
        row = connection.execute(query, (agent,)).fetchone()
    latest = times.moment(row["created_at"]) if row is not None else None
    return latest is not None and latest > since


def _event(row: sqlite3.Row) -> dict[str, Any]:
    kind = str(row["event_type"])
    return {"at": times.iso(row["created_at"]), "kind": kind, "tool": row["tool_name"] or "", "text": _text(row)[:WORDS]}


def _text(row: sqlite3.Row) -> str:
    """Return the most telling part of an event, such as a command, a file or the agent's text."""
    for value in (_parsed(row["tool_args"]), _parsed(row["data"])):
        for key in ("command", "file_path", "path", "pattern", "text", "result", "subject", "summary", "error", "reason"):
            found = value.get(key)
            if isinstance(found, str) and found.strip():
                return found
    return str(row["data"] or "")


def _parsed(text: object) -> dict[str, Any]:
    with contextlib.suppress(ValueError, RecursionError, TypeError):
        found = json.loads(text)  # type: ignore[arg-type]
        if isinstance(found, dict):
            return found
    return {}


def output(engine_folder: Path, row: Row) -> str:
    """Return the agent's last text, empty if there is none.

    It comes from its headless log, else from its transcript."""
    places = sorted((engine_folder / "logs" / row.agent).glob("*/stdout.log"))[-1:]
    transcript = transcripts.path_of(row)
    for place in [*places, *([transcript] if transcript else [])]:
        with contextlib.suppress(OSError):
            for entry in transcripts.lines_backwards(place, 512 * 1024):
                if text := _message_text(entry):
                    return text[-MAX_TEXT:]
    return ""


def _message_text(entry: dict[str, Any]) -> str:
    if entry.get("type") == "result" and isinstance(entry.get("result"), str):
        return str(entry["result"]).strip()
    message = entry.get("message")
    content = message.get("content") if isinstance(message, dict) and entry.get("type") == "assistant" else None
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict) and part.get("type") == "text")
    return ""
