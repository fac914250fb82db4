"""Agents' activity in `.overstory/events.db`. Its times are UTC without a Z."""

import json
import sqlite3
from pathlib import Path
from typing import Any, Self

from bot.rehearsal.database import connected

TABLE = """
CREATE TABLE IF NOT EXISTS events (
  id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT, agent_name TEXT NOT NULL, session_id TEXT, event_type TEXT NOT NULL,
  tool_name TEXT, tool_args TEXT, tool_duration_ms INTEGER,
  level TEXT NOT NULL DEFAULT 'info' CHECK(level IN ('debug','info','warn','error')), data TEXT,
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f','now')));
CREATE INDEX IF NOT EXISTS idx_events_agent_time ON events(agent_name, created_at);
CREATE INDEX IF NOT EXISTS idx_events_run_time ON events(run_id, created_at);
"""


def shape(row: sqlite3.Row) -> dict[str, Any]:
    """Return a stored event as the engine shows it in JSON."""
    return {
        "id": row["id"],
        "runId": row["run_id"],
        "agentName": row["agent_name"],
        "sessionId": row["session_id"],
        "eventType": row["event_type"],
        "toolName": row["tool_name"],
        "toolArgs": row["tool_args"],
        "toolDurationMs": row["tool_duration_ms"],
        "level": row["level"],
        "data": row["data"],
        "createdAt": row["created_at"],
    }


class EventStore:
    """Events on disk. Every call is its own transaction."""

    def __init__(self, path: Path) -> None:
        self._db = connected(path, TABLE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def add(
        self,
        kind: str,
        agent: str,
        run_id: str | None = None,
        *,
        session_id: str | None = None,
        tool: tuple[str, str, int] | None = None,
        data: dict[str, Any] | None = None,
    ) -> None:
        """Record an event. `tool` is a tool's name, arguments and milliseconds."""
        name, arguments, took = tool or (None, None, None)
        self._db.execute(
            "INSERT INTO events (run_id, agent_name, session_id, event_type, tool_name, tool_args, tool_duration_ms,"
            " data) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [run_id, agent, session_id, kind, name, arguments, took, json.dumps(data) if data else None],
        )

    def find(self, *, after_id: int = 0, since: str = "", limit: int = 1000, **equal: object) -> list[dict[str, Any]]:
        """Return events in the order they happened."""
        wanted = {key: value for key, value in equal.items() if value is not None}
        where = " AND ".join(["id > ?", "created_at >= ?", *(f"{key} = ?" for key in wanted)])
        rows = self._db.execute(
            f"SELECT * FROM events WHERE {where} ORDER BY id LIMIT ?",  # noqa: S608
            [after_id, since.removesuffix("Z"), *wanted.values(), limit],
        )
        return [shape(row) for row in rows]

    def last_id(self) -> int:
        """Return the id of the newest event, 0 if there is none."""
        return int(self._db.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()[0])
