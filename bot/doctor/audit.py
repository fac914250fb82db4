"""Check of the audit journal, and of conversations to which nothing can be posted."""

import sqlite3
from contextlib import closing
from pathlib import Path

from bot.domain.checks import Check
from bot.store import Store
from bot.store.migrations import MIGRATIONS, NewerStore, applied


def check(folder: Path) -> list[Check]:
    """Check that the journal is intact and that every conversation can be reached.

    A store of another version is skipped."""
    path = folder / "fleet.db"
    if not path.exists():
        return []
    with closing(sqlite3.connect(path, timeout=3)) as database:
        try:
            if set(applied(database)) != set(MIGRATIONS):
                return []
        except NewerStore:
            return []
    found = []
    with closing(Store(path)) as store:
        verdict = store.audit.verify()
        if verdict.broken is not None:
            message = f"The audit journal was changed at row {verdict.broken}: {verdict.why}."
            found.append(Check("audit", "fail", message, "Compare it with a backup of the state folder."))
        for conversation, why in store.unreachable.all().items():
            fix = "Invite the bot there again, or remove the channel from products.yaml. Its messages are on the page."
            found.append(Check("chat", "warn", f"{conversation} cannot be posted to: {why}", fix))
    return found or [Check("audit", "ok", f"intact, {verdict.rows} rows")]
