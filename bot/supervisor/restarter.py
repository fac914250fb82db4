"""Restarts a coordinator that died, and mails it a recap of what it was asked before.

A new coordinator knows nothing of the previous conversation, but mail, tasks, branches and workers are still there. A restart
needs three things. The coordinator was started from here, the runtime has not restarted since, because then the fleet decides
what resumes, and there were fewer than `ATTEMPTS` restarts within `WINDOW`.
"""

import logging
import time

from bot.supervisor.context import Context
from bot.supervisor.drivers.base import OPERATOR, Driver
from bot.supervisor.host import processes
from bot.supervisor.protocol import ChannelError
from bot.supervisor.records.mailbox import Letter
from bot.supervisor.records.sessions import COORDINATOR, Row

log = logging.getLogger(__name__)

ATTEMPTS = 3
WINDOW = 600.0
"""Most restarts, and the seconds in which they count.

Afterwards the coordinator stays dead and the snapshot says so."""

SUBJECT = "Carry on after a restart"

MAX_LISTED = 20
MAX_CHARACTERS = 300
"""Most mails in a recap, and most characters of each."""

TEXT = """Your process ended unexpectedly and was restarted. The previous conversation is lost. Your mail, tasks, branches and \
workers are still there.

The operator had written to you:
{asked}

You had reported to the operator:
{reported}

Continue with the unfinished work. Before you start anything, check your mail, the tasks and the work of your workers. Do not \
repeat work that is done or in progress."""


class Restarter:
    """Restarts of one product's coordinator."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._tried: list[float] = []
        self._restarting = False

    def _remember(self, row: Row | None) -> None:
        """Record that this coordinator was started from here."""
        if row is not None:
            value = {"product": str(self._context.path), "session": row.started_at}
            self._context.state.put("started", str(self._context.path), value=value)

    def forget(self) -> None:
        """Record that the coordinator was stopped on purpose."""
        self._context.state.drop("started", str(self._context.path))

    def is_due(self, row: Row | None, table: processes.Table) -> bool:
        """Return True if the coordinator died unexpectedly and will be restarted."""
        if row is None or row.ended or self._context.paused or processes.alive(row.pid, table, row.began):
            return False
        known = self._context.state.get("started", str(self._context.path))
        if known is None or known.get("session") != row.started_at:
            return False
        self._tried = [at for at in self._tried if time.monotonic() - at < WINDOW]
        return len(self._tried) < ATTEMPTS and (row.began or 0.0) > processes.life_began()

    def is_restarting(self, row: Row | None, table: processes.Table) -> bool:
        """Return True if the coordinator is only dead until its restart."""
        return self._restarting or self.is_due(row, table)

    async def restart_if_due(self, driver: Driver, row: Row | None, table: processes.Table) -> bool:
        """Restart the coordinator if that is due, and still is under the lock.

        Return True if it was restarted."""
        if not self.is_due(row, table):
            return False
        async with self._context.lock:
            return await self.start(driver)

    async def start(self, driver: Driver) -> bool:
        """Start the coordinator if it does not run, with a recap if it died. Return True if it was started.

        The caller holds the context's lock."""
        row = await self._context.row(COORDINATOR)
        try:
            if row is not None and self.is_due(row, await self._context.table()):
                self._restarting = True
                self._tried.append(time.monotonic())
                log.warning("the coordinator of %s died, restarting it", self._context.path)
                await self._leave_recap(driver, row)
            started = await driver.start()
            if started:
                self._remember(await self._context.row(COORDINATOR))
        finally:
            self._restarting = False
        return started

    async def _leave_recap(self, driver: Driver, row: Row) -> None:
        """Mail the next coordinator a recap, unless the last one finished all its work."""
        mail = await self._context.read(self._context.mailbox.newest, 200)
        since = [letter for letter in reversed(mail) if letter.created_at >= (row.started_at or "")]
        asked = [letter for letter in since if letter.sender == OPERATOR and letter.subject != SUBJECT]
        reported = [letter for letter in since if letter.sender == COORDINATOR and letter.recipient == OPERATOR]
        if not unfinished(asked, reported):
            return
        text = TEXT.format(asked=_bullets(asked), reported=_bullets(reported) or "- nothing yet")
        try:
            await driver.leave_note(SUBJECT, text)
        except ChannelError as error:
            log.warning("the coordinator of %s starts without a recap: %s", self._context.path, error.message)


def unfinished(asked: list[Letter], reported: list[Letter]) -> bool:
    """Return True if some request may be unfinished.

    There were fewer results than objectives, or an answer came after the last result."""
    ends = [letter for letter in reported if letter.type in {"result", "error"}]
    begun = [letter for letter in asked if letter.thread is None]
    return bool(asked) and (len(begun) > len(ends) or not ends or asked[-1].row > ends[-1].row)


def _bullets(letters: list[Letter]) -> str:
    found = []
    for letter in letters[-MAX_LISTED:]:
        body = " ".join(letter.body.split())
        body = body if len(body) <= MAX_CHARACTERS else f"{body[:MAX_CHARACTERS]} …"
        found.append(f"- {letter.id}, {letter.created_at[:16]}, {letter.type}: {letter.subject}: {body}")
    return "\n".join(found)
