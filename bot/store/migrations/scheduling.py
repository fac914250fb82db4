"""Add the scheduler's columns of work, and the tables of admissions, spending and schedules."""

import sqlite3

from bot.store.migrations.script import run

SQL = """
ALTER TABLE work ADD COLUMN source TEXT NOT NULL DEFAULT 'person';
ALTER TABLE work ADD COLUMN schedule TEXT;
ALTER TABLE work ADD COLUMN priority TEXT;
ALTER TABLE work ADD COLUMN weight REAL;
ALTER TABLE work ADD COLUMN estimate_usd REAL;
ALTER TABLE work ADD COLUMN depends_on TEXT NOT NULL DEFAULT '[]';
ALTER TABLE work ADD COLUMN deadline TEXT;
ALTER TABLE work ADD COLUMN boost REAL NOT NULL DEFAULT 0;
ALTER TABLE work ADD COLUMN not_before TEXT;
ALTER TABLE work ADD COLUMN lost INTEGER NOT NULL DEFAULT 0;
ALTER TABLE work ADD COLUMN cost_usd REAL NOT NULL DEFAULT 0;
ALTER TABLE work ADD COLUMN peak_mib REAL NOT NULL DEFAULT 0;
CREATE INDEX work_schedule ON work (schedule, n) WHERE schedule IS NOT NULL;
CREATE TABLE admissions (
    n INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, product TEXT NOT NULL, work INTEGER NOT NULL, verdict TEXT NOT NULL,
    code TEXT NOT NULL, reason TEXT NOT NULL, numbers TEXT NOT NULL, chosen TEXT NOT NULL
);
CREATE INDEX admissions_of ON admissions (work, n);
CREATE INDEX admissions_at ON admissions (at);
CREATE TABLE spending (day TEXT NOT NULL, product TEXT NOT NULL, usd REAL NOT NULL, PRIMARY KEY (day, product));
CREATE TABLE schedules (
    name TEXT PRIMARY KEY, product TEXT NOT NULL, cron TEXT NOT NULL, timezone TEXT NOT NULL, objective TEXT NOT NULL,
    capability TEXT, missed TEXT NOT NULL, enabled INTEGER NOT NULL, from_file INTEGER NOT NULL, asked_by TEXT NOT NULL,
    conversation TEXT NOT NULL, why_off TEXT NOT NULL DEFAULT '', next_at TEXT, last_label TEXT NOT NULL DEFAULT '',
    counted_from INTEGER NOT NULL DEFAULT 0, created_at TEXT NOT NULL, updated_at TEXT NOT NULL
)
"""


def migrate(db: sqlite3.Connection) -> None:
    """Add the columns and the tables."""
    run(db, SQL)
