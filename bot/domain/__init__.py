"""Values that every part of the fleet shares, free of I/O, clocks and platforms.

Times are timezone-aware UTC datetimes, money is US dollars, memory is MiB. Ids are short and typeable (`w12`, `g7`).
"""

from bot.domain.gates import Action, Decision, Gate, GateKind, GateState
from bot.domain.mail import Author, Mail, MailKind
from bot.domain.people import Person, Role, to_person
from bot.domain.products import PRIORITY_STEPS, Approvals, Budget, ChannelRef, Product
from bot.domain.sessions import LEAD, Session, Snapshot, Trouble
from bot.domain.talk import TERMINAL, Card, Inbound, Post, Press, Suggestion
from bot.domain.work import Work, WorkState

__all__ = [
    "LEAD",
    "PRIORITY_STEPS",
    "TERMINAL",
    "Action",
    "Approvals",
    "Author",
    "Budget",
    "Card",
    "ChannelRef",
    "Decision",
    "Gate",
    "GateKind",
    "GateState",
    "Inbound",
    "Mail",
    "MailKind",
    "Person",
    "Post",
    "Press",
    "Product",
    "Role",
    "Session",
    "Snapshot",
    "Suggestion",
    "Trouble",
    "Work",
    "WorkState",
    "to_person",
]
