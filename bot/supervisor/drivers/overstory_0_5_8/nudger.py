"""Wakes a coordinator that runs in tmux: mail alone does not, and a nudge to a busy pane is neither delivered nor kept.

What is to be done is read from the mail itself (unread, to the coordinator), so nothing is forgotten when the supervisor is
started anew in between. Workers' reports wake it too: nobody else does, and it would sit there with an unread inbox for ever.
"""

import logging
import time
from collections.abc import Awaitable, Callable

from bot.supervisor.context import Context
from bot.supervisor.protocol import ChannelError
from bot.supervisor.records import times
from bot.supervisor.records.mailbox import Letter
from bot.supervisor.records.sessions import COORDINATOR

log = logging.getLogger(__name__)

PAUSES = (0.0, 1.0, 2.0, 4.0, 8.0, 15.0)
"""Seconds from one attempt to the next while nudges are refused; the last one is repeated."""

AGAIN = 60.0
"""Seconds after a nudge that was delivered until a mail that is still unread gets another one."""

PATIENCE = 3.0
"""Seconds that mail of an agent may lie unread first: a coordinator in the middle of a turn finds it by itself."""

Nudge = Callable[[str, str], Awaitable[tuple[bool, str]]]


class Nudger:
    """The nudges of one product."""

    def __init__(self, context: Context, nudge: Nudge) -> None:
        self._context, self._nudge = context, nudge
        self._due: dict[str, float] = {}
        self._tries: dict[str, int] = {}

    async def look(self) -> None:
        """Nudge the coordinator if something waits for it to be woken and the time has come."""
        waiting = [
            letter for letter in await self._context.read(self._context.mailbox.unread_for, COORDINATOR) if self._counts(letter)
        ]
        known = {letter.id for letter in waiting}
        self._due = {id: at for id, at in self._due.items() if id in known}
        self._tries = {id: n for id, n in self._tries.items() if id in known}
        due = [letter for letter in waiting if self._due.get(letter.id, 0.0) <= time.monotonic()]
        if not due:
            return
        try:
            delivered, reason = await self._nudge(COORDINATOR, self._words(due[-1]))
        except ChannelError as error:
            delivered, reason = False, error.message
        for letter in due:
            self._plan(letter.id, delivered)
        if not delivered:
            log.info("the coordinator of %s was not woken: %s", self._context.path, reason)

    def _counts(self, letter: Letter) -> bool:
        came = times.moment(letter.created_at)
        return letter.sender == "operator" or came is None or (times.now() - came).total_seconds() > PATIENCE

    def _plan(self, id: str, delivered: bool) -> None:
        tries = self._tries[id] = self._tries.get(id, 0) + 1
        pause = AGAIN if delivered else PAUSES[min(tries, len(PAUSES) - 1)]
        self._due[id] = time.monotonic() + pause

    def _words(self, letter: Letter) -> str:
        """One line for the pane; the mail itself says the rest."""
        subject = " ".join(letter.subject.split())[:200]
        return f"Mail from {letter.sender}: {subject}. Check your mail now."
