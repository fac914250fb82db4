"""Spending of one product, today (UTC) and in total, in US dollars.

The engine's `metrics.db` knows only agents whose hooks report. Headless workers cost nothing there, and a new coordinator
overwrites the cost of the previous one. Claude Code's transcripts have every answer of the sessions that are still in
`sessions.db`. So both are read, the higher figure of a session counts, and our own ledger keeps it.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from bot.supervisor.records import times, transcripts
from bot.supervisor.records.database import Cached, columns, reading
from bot.supervisor.records.sessions import Row
from bot.supervisor.state import State

REMEMBERED = 2000
"""Most sessions in the ledger of a product, the newest ones."""

Key = str
"""`<start of the session> <agent>`, which sorts by time."""


@dataclass(frozen=True, slots=True)
class Spent:
    """Amounts in US dollars."""

    today: float = 0.0
    total: float = 0.0

    def at_least(self, other: "Spent") -> "Spent":
        """Return the higher of both amounts."""
        return Spent(max(self.today, other.today), max(self.total, other.total))


class Costs:
    """Spending of one product. Each transcript is read on from the last position."""

    def __init__(self, product: Path, database: Path, state: State) -> None:
        self._key, self._state, self._database = str(product), state, database
        self._recorded: Cached[dict[Key, Spent]] = Cached(database)
        self._meters: dict[Path, transcripts.Meter] = {}
        self._ledger: dict[Key, tuple[str, float, float]] = {}
        for key, entry in ((state.get("spent", self._key) or {}).get("sessions") or {}).items():
            day, today, total = entry
            self._ledger[str(key)] = (str(day), float(today), float(total))

    def read(self, rows: Sequence[Row]) -> Spent:
        """Return the spending, given the product's current sessions."""
        day = times.now().date()
        seen = dict(self._recorded.get(lambda: _recorded(self._database, day), day))
        for row in rows:
            if (path := transcripts.path_of(row)) is not None:
                key = f"{row.started_at} {row.agent}"
                seen[key] = self._metered(path, day).at_least(seen.get(key, Spent()))
        self._enter(seen, day.isoformat())
        today = sum(today for when, today, _ in self._ledger.values() if when == day.isoformat())
        return Spent(round(today, 6), round(sum(total for _, _, total in self._ledger.values()), 6))

    def _enter(self, seen: dict[Key, Spent], day: str) -> None:
        before = dict(self._ledger)
        for key, spent in seen.items():
            when, today, total = self._ledger.get(key, (day, 0.0, 0.0))
            known = Spent(today if when == day else 0.0, total)
            spent = spent.at_least(known)
            if spent.total > 0:
                self._ledger[key] = (day if spent.today else when, spent.today or today, spent.total)
        if self._ledger != before:
            self._ledger = dict(sorted(self._ledger.items())[-REMEMBERED:])
            self._state.put("spent", self._key, value={"product": self._key, "sessions": self._ledger})

    def _metered(self, path: Path, day: date) -> Spent:
        meter = self._meters.setdefault(path, transcripts.Meter())
        try:
            meter.read(path)
        except OSError:
            return Spent()
        return Spent(meter.days.get(day, 0.0), meter.total)


def _recorded(database: Path, day: date) -> dict[Key, Spent]:
    """Return the spending of each session from the engine's own records."""
    with reading(database) as connection:
        if connection is None:
            return {}
        names = columns(connection, "sessions")
        if not names >= {"agent_name", "estimated_cost_usd", "started_at", "completed_at"}:
            return {}
        before = _before(connection, day)
        found: dict[Key, Spent] = {}
        for row in connection.execute("SELECT * FROM sessions"):
            cost, agent = _money(row["estimated_cost_usd"]), str(row["agent_name"])
            began, ended = times.moment(row["started_at"]), times.moment(row["completed_at"])
            today = cost if began and began.date() == day else max(0.0, cost - before.get(agent, 0.0))
            over = ended is not None and ended.date() < day
            key = f"{times.iso(row['started_at'])} {agent}"
            known = found.get(key, Spent())
            found[key] = Spent(known.today + (0.0 if over else today), known.total + cost)
        return found


def _before(connection: sqlite3.Connection, day: date) -> dict[str, float]:
    """Return the cost of each agent's session before today, from its last snapshot."""
    if "estimated_cost_usd" not in columns(connection, "token_snapshots"):
        return {}
    query = "SELECT agent_name, max(estimated_cost_usd) AS cost FROM token_snapshots WHERE created_at < ? GROUP BY agent_name"
    return {str(row["agent_name"]): _money(row["cost"]) for row in connection.execute(query, (day.isoformat(),))}


def _money(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
