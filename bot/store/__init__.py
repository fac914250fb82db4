"""Persistent state in one SQLite file, with a small class per table."""

from pathlib import Path

from bot.store.admissions import Admissions
from bot.store.audit import Audit
from bot.store.boards import BoardTable
from bot.store.brakes import BrakeTable
from bot.store.budget_warnings import BudgetWarningTable
from bot.store.chat_positions import ChatPositionTable
from bot.store.conversations import ConversationTable
from bot.store.cursors import CursorTable
from bot.store.database import Database
from bot.store.fleet_state import FleetStateTable
from bot.store.focuses import FocusTable
from bot.store.gates import Gates
from bot.store.inbound import InboundTable
from bot.store.known_channels import KnownChannelTable
from bot.store.live_messages import LiveMessageTable
from bot.store.mail import MailTable
from bot.store.outbox import Outbox
from bot.store.posts import PostTable
from bot.store.product_states import ProductStateTable
from bot.store.raised_limits import RaisedLimitTable
from bot.store.resumptions import ResumptionTable
from bot.store.runtime_lives import RuntimeLifeTable
from bot.store.schedules import Schedules
from bot.store.spending import SpendingTable
from bot.store.threads import ThreadTable
from bot.store.transcript import TranscriptTable
from bot.store.turns import TurnTable
from bot.store.unreachable import UnreachableTable
from bot.store.work import WorkTable

__all__ = ["Store"]


class Store:
    """The whole store. `with store.transaction():` commits several changes together."""

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
        self.boards = BoardTable(self.database)
        self.brakes = BrakeTable(self.database)
        self.budget_warnings = BudgetWarningTable(self.database)
        self.chat_positions = ChatPositionTable(self.database)
        self.fleet_state = FleetStateTable(self.database)
        self.focuses = FocusTable(self.database)
        self.known_channels = KnownChannelTable(self.database)
        self.live_messages = LiveMessageTable(self.database)
        self.product_states = ProductStateTable(self.database)
        self.raised_limits = RaisedLimitTable(self.database)
        self.resumptions = ResumptionTable(self.database)
        self.runtime_lives = RuntimeLifeTable(self.database)
        self.unreachable = UnreachableTable(self.database)

    def close(self) -> None:
        """Close the file."""
        self.database.close()
