"""Spending of sessions in `.overstory/metrics.db`.

A rehearsal spends only what `[cost N]` simulates.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from bot.rehearsal.database import connected, rename_column
from bot.rehearsal.dialects import Dialect
from bot.rehearsal.sessions import Session
from bot.rehearsal.times import now, seconds_since

MODEL = "rehearsal"
TOKENS_PER_DOLLAR = 200_000
"""Simulated input tokens per dollar, five dollars per million."""

COUNTS = """input_tokens INTEGER NOT NULL DEFAULT 0, output_tokens INTEGER NOT NULL DEFAULT 0,
  cache_read_tokens INTEGER NOT NULL DEFAULT 0, cache_creation_tokens INTEGER NOT NULL DEFAULT 0,
  estimated_cost_usd REAL, model_used TEXT, run_id TEXT"""
TABLES = f"""
CREATE TABLE IF NOT EXISTS sessions (
  agent_name TEXT NOT NULL, {{task}} TEXT NOT NULL, capability TEXT NOT NULL, started_at TEXT NOT NULL,
  completed_at TEXT, duration_ms INTEGER NOT NULL DEFAULT 0, exit_code INTEGER, merge_result TEXT, parent_agent TEXT,
  {COUNTS}, PRIMARY KEY (agent_name, {{task}}));
CREATE TABLE IF NOT EXISTS token_snapshots (
  id INTEGER PRIMARY KEY AUTOINCREMENT, agent_name TEXT NOT NULL, {COUNTS},
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f','now')));
CREATE INDEX IF NOT EXISTS idx_snapshots_agent_time ON token_snapshots(agent_name, created_at);
"""


@dataclass(frozen=True)
class Spent:
    """Amount in dollars, with the tokens that it stands for."""

    dollars: float

    @property
    def columns(self) -> dict[str, object]:
        """Token and cost columns of both tables."""
        tokens = int(self.dollars * TOKENS_PER_DOLLAR)
        return {
            "input_tokens": tokens * 3 // 4,
            "output_tokens": tokens // 20,
            "cache_read_tokens": tokens // 5,
            "cache_creation_tokens": 0,
            "estimated_cost_usd": round(self.dollars, 6),
            "model_used": MODEL,
        }


class MetricsStore:
    """Spending on disk. Every call is its own transaction."""

    def __init__(self, path: Path, dialect: Dialect) -> None:
        self._task = dialect.task_column
        self._db = connected(path, TABLES.format(task=self._task))
        rename_column(self._db, "sessions", "bead_id" if self._task == "task_id" else "task_id", self._task)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def record(self, session: Session, spent: Spent) -> None:
        """Write a session's spending as a snapshot and as its row, replacing the last one."""
        counts = {**spent.columns, "run_id": session.run_id}
        self._insert("token_snapshots", {"agent_name": session.agent_name, **counts, "created_at": now()})
        self._insert(
            "sessions",
            {
                "agent_name": session.agent_name,
                self._task: session.task_id,
                "capability": session.capability,
                "started_at": session.started_at,
                "completed_at": now(),
                "duration_ms": int(seconds_since(session.started_at) * 1000),
                "parent_agent": session.parent_agent,
                **counts,
            },
        )

    def _insert(self, table: str, row: dict[str, object]) -> None:
        marks = ",".join("?" * len(row))
        self._db.execute(f"INSERT OR REPLACE INTO {table} ({','.join(row)}) VALUES ({marks})", list(row.values()))  # noqa: S608

    def count(self) -> int:
        """Return the number of sessions with a row."""
        return int(self._db.execute("SELECT count(*) FROM sessions").fetchone()[0])
