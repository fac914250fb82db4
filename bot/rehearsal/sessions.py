"""Agents and runs in `.overstory/sessions.db`."""

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from bot.rehearsal.database import connected, rename_column
from bot.rehearsal.dialects import Dialect
from bot.rehearsal.times import now

TERMINAL = ("completed", "zombie")
PREDECESSORS = {
    "working": ("booting", "working", "stalled"),
    "in_turn": ("booting", "in_turn", "between_turns", "stalled"),
    "between_turns": ("in_turn", "between_turns", "stalled"),
    "stalled": ("booting", "working", "in_turn", "between_turns", "stalled"),
    "completed": ("booting", "working", "in_turn", "between_turns", "stalled", "zombie", "completed"),
    "zombie": ("booting", "working", "in_turn", "between_turns", "stalled", "zombie"),
}
"""States from which each state may be reached, as in the real engine."""

TABLES = """
CREATE TABLE IF NOT EXISTS sessions (
  id TEXT PRIMARY KEY, agent_name TEXT NOT NULL UNIQUE, capability TEXT NOT NULL, worktree_path TEXT NOT NULL,
  branch_name TEXT NOT NULL, {task} TEXT NOT NULL, tmux_session TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'booting',
  pid INTEGER, parent_agent TEXT, depth INTEGER NOT NULL DEFAULT 0, run_id TEXT, started_at TEXT NOT NULL,
  last_activity TEXT NOT NULL, escalation_level INTEGER NOT NULL DEFAULT 0, stalled_since TEXT{late});
CREATE INDEX IF NOT EXISTS idx_sessions_state ON sessions(state);
CREATE INDEX IF NOT EXISTS idx_sessions_run ON sessions(run_id);
CREATE TABLE IF NOT EXISTS runs (
  id TEXT PRIMARY KEY, started_at TEXT NOT NULL, completed_at TEXT, agent_count INTEGER NOT NULL DEFAULT 0,
  coordinator_session_id TEXT, coordinator_name TEXT,
  status TEXT NOT NULL DEFAULT 'active' CHECK(status IN ('active','completed','failed')));
CREATE INDEX IF NOT EXISTS idx_runs_status ON runs(status);
"""
LATE_COLUMNS = ("transcript_path", "prompt_version", "claude_session_id")


@dataclass(frozen=True)
class Session:
    """One agent by name. A later session of the same name replaces it."""

    id: str
    agent_name: str
    capability: str
    worktree_path: str
    branch_name: str
    task_id: str
    tmux_session: str
    state: str
    pid: int | None
    parent_agent: str | None
    depth: int
    run_id: str | None
    started_at: str
    last_activity: str
    escalation_level: int = 0
    stalled_since: str | None = None
    transcript_path: str | None = None
    claude_session_id: str | None = None

    @property
    def active(self) -> bool:
        """True if it has not ended."""
        return self.state not in TERMINAL

    def shape(self, dialect: Dialect) -> dict[str, Any]:
        """Return the session as the engine shows it in JSON."""
        shown: dict[str, Any] = {
            "id": self.id,
            "agentName": self.agent_name,
            "capability": self.capability,
            "worktreePath": self.worktree_path,
            "branchName": self.branch_name,
            dialect.task_key: self.task_id,
            "tmuxSession": self.tmux_session,
            "state": self.state,
            "pid": self.pid,
            "parentAgent": self.parent_agent,
            "depth": self.depth,
            "runId": self.run_id,
            "startedAt": self.started_at,
            "lastActivity": self.last_activity,
            "escalationLevel": self.escalation_level,
            "stalledSince": self.stalled_since,
        }
        if dialect.headless:
            shown["transcriptPath"] = self.transcript_path
            if self.claude_session_id:
                shown["claudeSessionId"] = self.claude_session_id
        return shown


@dataclass(frozen=True)
class Run:
    """Sessions of one coordinator's life."""

    id: str
    started_at: str
    completed_at: str | None
    agent_count: int
    coordinator_session_id: str | None
    coordinator_name: str | None
    status: str

    def shape(self) -> dict[str, Any]:
        """Return the run as the engine shows it in JSON."""
        return {
            "id": self.id,
            "startedAt": self.started_at,
            "completedAt": self.completed_at,
            "agentCount": self.agent_count,
            "coordinatorSessionId": self.coordinator_session_id,
            "coordinatorName": self.coordinator_name,
            "status": self.status,
        }


class SessionStore:
    """Sessions and runs on disk. Every call is its own transaction."""

    def __init__(self, path: Path, dialect: Dialect) -> None:
        self._task = dialect.task_column
        late = "".join(f", {name} TEXT" for name in LATE_COLUMNS) if dialect.headless else ""
        self._db = connected(path, TABLES.format(task=self._task, late=late))
        other = "bead_id" if self._task == "task_id" else "task_id"
        rename_column(self._db, "sessions", other, self._task)
        names = {row["name"] for row in self._db.execute("PRAGMA table_info(sessions)")}
        for name in LATE_COLUMNS if dialect.headless else ():
            if name not in names:
                self._db.execute(f"ALTER TABLE sessions ADD COLUMN {name} TEXT")
        self._late = dialect.headless

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def put(self, session: Session) -> None:
        """Insert a session, replacing an earlier one of the same agent."""
        row = {**session.__dict__, self._task: session.task_id}
        if self._task != "task_id":
            del row["task_id"]
        if not self._late:
            del row["transcript_path"], row["claude_session_id"]
        names, marks = ",".join(row), ",".join("?" * len(row))
        self._db.execute("BEGIN IMMEDIATE")
        self._db.execute("DELETE FROM sessions WHERE agent_name = ?", [session.agent_name])
        self._db.execute(f"INSERT INTO sessions ({names}) VALUES ({marks})", list(row.values()))  # noqa: S608
        if session.run_id:
            self._db.execute("UPDATE runs SET agent_count = agent_count + 1 WHERE id = ?", [session.run_id])
        self._db.execute("COMMIT")

    def _from_row(self, row: sqlite3.Row) -> Session:
        fields = {key: row[key] for key in row.keys() if key in Session.__dataclass_fields__}  # noqa: SIM118
        return Session(**{**fields, "task_id": row[self._task]})

    def get(self, agent: str) -> Session | None:
        """Return a session by agent name."""
        row = self._db.execute("SELECT * FROM sessions WHERE agent_name = ?", [agent]).fetchone()
        return self._from_row(row) if row else None

    def all(self, run_id: str | None = None) -> list[Session]:
        """Return all sessions, or those of a run, oldest first."""
        rows = self._db.execute(
            "SELECT * FROM sessions WHERE ? IS NULL OR run_id = ? ORDER BY started_at, id", [run_id, run_id]
        )
        return [self._from_row(row) for row in rows]

    def active(self) -> list[Session]:
        """Return the sessions that have not ended."""
        return [session for session in self.all() if session.active]

    def set_state(self, agent: str, state: str) -> None:
        """Set a state regardless of the present one. An ended session loses its tmux name."""
        tmux = ", tmux_session = ''" if state in TERMINAL else ""
        self._db.execute(f"UPDATE sessions SET state = ?{tmux} WHERE agent_name = ?", [state, agent])  # noqa: S608

    def move(self, agent: str, state: str) -> bool:
        """Set a state if the engine allows it from the present one. Return False if not."""
        before = PREDECESSORS[state]
        marks = ",".join("?" * len(before))
        tmux = ", tmux_session = ''" if state in TERMINAL else ""
        changed = self._db.execute(
            f"UPDATE sessions SET state = ?{tmux} WHERE agent_name = ? AND state IN ({marks})",  # noqa: S608
            [state, agent, *before],
        )
        return changed.rowcount > 0

    def touch(self, agent: str) -> None:
        """Record activity of an agent."""
        self._db.execute("UPDATE sessions SET last_activity = ? WHERE agent_name = ?", [now(), agent])

    def set_pid(self, agent: str, pid: int) -> None:
        """Record the process of an agent."""
        self._db.execute("UPDATE sessions SET pid = ? WHERE agent_name = ?", [pid, agent])

    def remove(self, agent: str) -> None:
        """Remove an agent."""
        self._db.execute("DELETE FROM sessions WHERE agent_name = ?", [agent])

    def start_run(self, run_id: str, session_id: str | None, coordinator: str | None) -> None:
        """Start a run."""
        self._db.execute(
            "INSERT INTO runs (id, started_at, coordinator_session_id, coordinator_name) VALUES (?, ?, ?, ?)",
            [run_id, now(), session_id, coordinator],
        )

    def end_run(self, run_id: str) -> None:
        """Mark a run as completed."""
        self._db.execute("UPDATE runs SET completed_at = ?, status = 'completed' WHERE id = ?", [now(), run_id])

    def runs(self) -> list[Run]:
        """Return all runs, newest first."""
        return [Run(**dict(row)) for row in self._db.execute("SELECT * FROM runs ORDER BY started_at DESC, id DESC")]

    def run(self, run_id: str) -> Run | None:
        """Return a run by id."""
        return next((run for run in self.runs() if run.id == run_id), None)
