"""Nudges for a coordinator in tmux, which mail alone does not wake.

A nudge to a busy pane is neither delivered nor stored. The unread mail itself says what is due, so a restart of the supervisor
forgets nothing. Reports of workers cause nudges too, because no other program wakes the coordinator for them.
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

RETRY_DELAYS = (0.0, 1.0, 2.0, 4.0, 8.0, 15.0)
"""Seconds from one attempt to the next while nudges are refused. The last one repeats."""

REPEAT_AFTER = 60.0
"""Seconds after a delivered nudge until mail that is still unread gets another one."""

GRACE = 3.0
"""Seconds in which mail from an agent may stay unread.

A coordinator in a turn finds it by itself."""

Nudge = Callable[[str, str], Awaitable[tuple[bool, str]]]


class Nudger:
    """Nudges of one product."""

    def __init__(self, context: Context, nudge: Nudge) -> None:
        self._context, self._nudge = context, nudge
        self._due_at: dict[str, float] = {}
        self._tries: dict[str, int] = {}

    async def nudge_if_due(self) -> None:
        """Nudge the coordinator if unread mail is due for it."""
        waiting = [
            letter
            for letter in await self._context.read(self._context.mailbox.unread_for, COORDINATOR)
            if self._needs_nudge(letter)
        ]
        known = {letter.id for letter in waiting}
        self._due_at = {id: at for id, at in self._due_at.items() if id in known}
        self._tries = {id: n for id, n in self._tries.items() if id in known}
        due = [letter for letter in waiting if self._due_at.get(letter.id, 0.0) <= time.monotonic()]
        if not due:
            return
        try:
            delivered, reason = await self._nudge(COORDINATOR, self._text(due[-1]))
        except ChannelError as error:
            delivered, reason = False, error.message
        for letter in due:
            self._schedule(letter.id, delivered)
        if not delivered:
            log.info("the coordinator of %s was not woken: %s", self._context.path, reason)

    def _needs_nudge(self, letter: Letter) -> bool:
        came = times.moment(letter.created_at)
        return letter.sender == "operator" or came is None or (times.now() - came).total_seconds() > GRACE

    def _schedule(self, id: str, delivered: bool) -> None:
        tries = self._tries[id] = self._tries.get(id, 0) + 1
        pause = REPEAT_AFTER if delivered else RETRY_DELAYS[min(tries, len(RETRY_DELAYS) - 1)]
        self._due_at[id] = time.monotonic() + pause

    def _text(self, letter: Letter) -> str:
        """Return one line for the pane. The mail itself holds the details."""
        subject = " ".join(letter.subject.split())[:200]
        return f"Mail from {letter.sender}: {subject}. Check your mail now."
