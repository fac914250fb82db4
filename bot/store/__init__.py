"""What must outlive the process: one SQLite file, a small class for each subject."""

from pathlib import Path

from bot.store.admissions import Admissions
from bot.store.audit import Audit
from bot.store.conversations import ConversationTable
from bot.store.cursors import CursorTable
from bot.store.database import Database
from bot.store.gates import Gates
from bot.store.inbound import InboundTable
from bot.store.mail import MailTable
from bot.store.outbox import Outbox
from bot.store.posts import PostTable
from bot.store.schedules import Schedules
from bot.store.spending import SpendingTable
from bot.store.threads import ThreadTable
from bot.store.transcript import TranscriptTable
from bot.store.turns import TurnTable
from bot.store.work import WorkTable

__all__ = ["Store"]


class Store:
    """The whole store. `with store.transaction():` makes several changes one."""

    def __init__(self, path: Path | str, database: type[Database] = Database) -> None:
        self.database = database(path)
        self.transaction = self.database.transaction
        self.durable = self.database.durable
        self.origin = self.database.origin
        self.inbound = InboundTable(self.database)
        self.conversations = ConversationTable(self.database)
        self.posts = PostTable(self.database, self.conversations)
        self.transcript = TranscriptTable(self.database)
        self.turns = TurnTable(self.database)
        self.mail = MailTable(self.database)
        self.cursors = CursorTable(self.database)
        self.threads = ThreadTable(self.database)
        self.work = WorkTable(self.database)
        self.gates = Gates(self.database)
        self.outbox = Outbox(self.database)
        self.audit = Audit(self.database)
        self.admissions = Admissions(self.database)
        self.spending = SpendingTable(self.database)
        self.schedules = Schedules(self.database)

    def note(self, name: str) -> str | None:
        """A small fact by name, for instance `paused:product-a`."""
        value: str | None = self.database.value("SELECT value FROM notes WHERE name = ?", name)
        return value

    def set_note(self, name: str, value: str | None) -> None:
        """Remember a small fact, or forget it (None)."""
        if value is None:
            self.database.run("DELETE FROM notes WHERE name = ?", name)
        else:
            self.database.run(
                "INSERT INTO notes VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", name, value
            )

    def notes(self, prefix: str) -> dict[str, str]:
        """Every small fact whose name begins so, without the prefix."""
        rows = self.database.rows("SELECT name, value FROM notes WHERE substr(name, 1, ?) = ?", len(prefix), prefix)
        return {row["name"][len(prefix) :]: row["value"] for row in rows}

    def close(self) -> None:
        """Close the file."""
        self.database.close()
