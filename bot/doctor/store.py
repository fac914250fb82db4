"""Check of the store."""

import sqlite3
from contextlib import closing
from pathlib import Path

from bot.domain.checks import Check
from bot.store.migrations import MIGRATIONS, NewerStore, applied


def check(folder: Path) -> list[Check]:
    """Check that the store opens, is intact, accepts writes, and is not of a newer version."""
    path = folder / "fleet.db"
    if not path.exists():
        return [Check("store", "ok", f"{path} is created at the first start")]
    fix = "Restore a backup of it, or move it away to start with an empty store."
    try:
        with closing(sqlite3.connect(path, timeout=3, isolation_level=None)) as database:
            migrations = applied(database)
            intact = database.execute("PRAGMA quick_check(1)").fetchone()[0]
            database.execute("BEGIN IMMEDIATE")
            database.execute("ROLLBACK")
    except NewerStore as newer:
        message = (
            f"{path} belongs to a newer version: it has the migration “{newer.unknown}”, which this version does not know."
        )
        return [Check("store", "fail", message, "Upgrade meta-coordinator, or set FLEET_STATE to another folder.", fatal=True)]
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            return [Check("store", "warn", f"{path} is locked by another process.", "Run `fleet doctor` again in a moment.")]
        message = f"{path} is not writable: {error}."
        return [Check("store", "fail", message, "Make the file and its folder writable for this user.", fatal=True)]
    except sqlite3.DatabaseError as error:
        return [Check("store", "fail", f"{path} is damaged or not a store: {error}.", fix, fatal=True)]
    if intact != "ok":
        return [Check("store", "fail", f"{path} is damaged: {intact}.", fix, fatal=True)]
    size = path.stat().st_size / 2**20
    return [Check("store", "ok", f"{len(migrations)} of {len(MIGRATIONS)} migrations applied, {size:.1f} MiB")]
