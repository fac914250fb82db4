"""Store ended work whose plan was rejected as rejected. Version 0.1.0 stored it as done, failed or cancelled."""

import sqlite3

from bot.store.migrations.script import run

SQL = """
WITH newest AS (
    SELECT gates.work, max(gates.n) AS gate FROM gates JOIN decisions ON decisions.gate = gates.n AND decisions.final = 1
    WHERE gates.kind = 'plan' AND gates.work IS NOT NULL GROUP BY gates.work, gates.thread
), chosen AS (
    SELECT newest.work, decisions.choice FROM newest JOIN decisions ON decisions.gate = newest.gate AND decisions.final = 1
)
UPDATE work SET state = 'rejected' WHERE state IN ('done', 'failed', 'cancelled')
    AND 'w' || n IN (SELECT work FROM chosen WHERE choice = 'reject')
    AND 'w' || n NOT IN (SELECT work FROM chosen WHERE choice = 'approve')
"""


def migrate(db: sqlite3.Connection) -> None:
    """Set the state of work for which people rejected a plan and approved no other."""
    run(db, SQL)
