"""Sessions of one product, read from `sessions.db` and checked against the running processes."""

import contextlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.supervisor.host import processes
from bot.supervisor.records import times
from bot.supervisor.records.database import reading

COORDINATOR = "coordinator"

ENDED = frozenset({"completed", "zombie"})
"""States in which the engine counts a session as ended."""

GRACE = 90.0
"""Seconds for which a session without a process counts as alive without activity.

A turn may be starting."""


@dataclass(frozen=True, slots=True)
class Row:
    """One agent's session as the engine recorded it."""

    agent: str
    capability: str
    state: str
    task: str
    parent: str | None
    branch: str
    worktree: str
    tmux: str
    pid: int | None
    started_at: str | None
    last_activity: str | None
    transcript: str | None
    claude_session: str | None

    @property
    def ended(self) -> bool:
        """True if the engine counts the session as ended."""
        return self.state in ENDED

    @property
    def began(self) -> float | None:
        """Start as a Unix time."""
        found = times.moment(self.started_at)
        return None if found is None else found.timestamp()

    def as_json(self, alive: bool) -> dict[str, Any]:
        """Return the session as the channel carries it."""
        return {
            "agent": self.agent,
            "capability": self.capability,
            "state": self.state,
            "task": self.task,
            "parent": self.parent,
            "branch": self.branch,
            "worktree": self.worktree,
            "started_at": self.started_at,
            "last_activity": self.last_activity,
            "pid": self.pid,
            "alive": alive,
        }


def read(database: Path) -> tuple[Row, ...]:
    """Return every session of the product, oldest first. The versions name the task's column differently."""
    with reading(database) as connection:
        if connection is None:
            return ()
        try:
            found = connection.execute("SELECT * FROM sessions ORDER BY started_at, rowid")
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return ()
            raise
        names = frozenset(column[0] for column in found.description)
        return tuple(_row(row, names) for row in found.fetchall()) if "agent_name" in names else ()


def _row(row: sqlite3.Row, names: frozenset[str]) -> Row:
    def value(name: str) -> Any:
        return row[name] if name in names else None

    pid = value("pid")
    return Row(
        agent=str(value("agent_name")),
        capability=str(value("capability") or ""),
        state=str(value("state") or ""),
        task=str(value("task_id") or value("bead_id") or ""),
        parent=value("parent_agent"),
        branch=str(value("branch_name") or ""),
        worktree=str(value("worktree_path") or ""),
        tmux=str(value("tmux_session") or ""),
        pid=pid if isinstance(pid, int) and pid > 0 else None,
        started_at=times.iso(value("started_at")),
        last_activity=times.iso(value("last_activity")),
        transcript=value("transcript_path"),
        claude_session=value("claude_session_id"),
    )


def turn_pid(engine_folder: Path, row: Row) -> int | None:
    """Return the process of an agent's current turn from `.overstory/agents/<name>/turn.pid`.

    The file may be stale."""
    with contextlib.suppress(OSError, ValueError):
        pid = int((engine_folder / "agents" / row.agent / "turn.pid").read_text().strip())
        return pid if processes.works_in(pid, row.worktree) else None
    return None


def alive(row: Row, turn: int | None, starting: bool, running: processes.Table) -> bool:
    """Return True if a session is alive.

    Its own process runs, or its turn does, or the engine is about to start a turn."""
    if row.ended:
        return False
    if row.pid is not None:
        return processes.alive(row.pid, running, row.began)
    if starting or processes.alive(turn, running):
        return True
    if row.state == "between_turns":
        return True
    latest = times.moment(row.last_activity) or times.moment(row.started_at)
    return latest is not None and (times.now() - latest).total_seconds() < GRACE
