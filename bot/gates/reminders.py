"""When people are reminded of an open gate, and when the backups are asked. Pure: time never decides a gate.

The first reminder comes `remind_after` minutes after the gate; each further one after twice the pause before it, a day at the
most. After `escalate_after` minutes the backups are asked, once, and may decide from then on. What falls into quiet hours comes
when they end.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from bot.domain import Approvals, Gate, GateState
from bot.text.backoff import Backoff

LONGEST_PAUSE = timedelta(days=1)
"""Between two reminders."""
Loud = Callable[[datetime], datetime]
"""The first instant from another on that does not lie in quiet hours."""


def reminds_at(gate: Gate, rules: Approvals, loud: Loud) -> datetime | None:
    """When its approvers are reminded next; None once it is not open any more."""
    if gate.state is not GateState.OPEN:
        return None
    pause = Backoff(rules.remind_after * 60, longest=LONGEST_PAUSE.total_seconds()).pause(gate.reminders + 1)
    return loud((gate.reminded_at or gate.created_at) + timedelta(seconds=pause))


def escalates_at(gate: Gate, rules: Approvals, loud: Loud) -> datetime | None:
    """When its backups are asked; None if they have been, or if it is not open any more."""
    if gate.state is not GateState.OPEN or gate.escalated_at is not None:
        return None
    return loud(gate.created_at + timedelta(minutes=rules.escalate_after))
