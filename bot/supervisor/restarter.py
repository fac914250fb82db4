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
"""So many times within so many seconds; then it is left dead, and the snapshot says so."""

SUBJECT = "Carry on after a restart"

TOLD = 20
WORDS = 300
"""Most mails that are told of, and most characters of each."""

TEXT = """Your process ended without warning and you were started again. The conversation before that is lost to you; your \
mail, tasks, branches and workers are not.

The operator had written to you:
{asked}

You had reported to the operator:
{reported}

Carry on with what is not finished. Before you start anything, look at your mail, at the tasks and at what workers have done: \
do not do again what is done or under way."""


class Restarter:
    """The is_restarting of one product's coordinator."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._tried: list[float] = []
        self._restarting = False

    def _started(self, row: Row | None) -> None:
        """Remember that this coordinator was started from here."""
        if row is not None:
            value = {"product": str(self._context.path), "session": row.started_at}
            self._context.state.put("started", str(self._context.path), value=value)

    def stopped(self) -> None:
        """Remember that it is meant to be gone."""
        self._context.state.drop("started", str(self._context.path))

    def due(self, row: Row | None, table: processes.Table) -> bool:
        """Whether a coordinator is dead that should not be, and will be started again."""
        if row is None or row.ended or self._context.paused or processes.alive(row.pid, table, row.began):
            return False
        known = self._context.state.get("started", str(self._context.path))
        if known is None or known.get("session") != row.started_at:
            return False
        self._tried = [at for at in self._tried if time.monotonic() - at < WINDOW]
        return len(self._tried) < ATTEMPTS and (row.began or 0.0) > processes.life_began()

    def is_restarting(self, row: Row | None, table: processes.Table) -> bool:
        """Whether it is dead only for the moment."""
        return self._restarting or self.due(row, table)

    async def look(self, driver: Driver, row: Row | None, table: processes.Table) -> bool:
        """Start it again if that is due by its row and the processes as last seen, and still is; whether it was."""
        if not self.due(row, table):
            return False
        async with self._context.lock:
            return await self.start(driver)

    async def start(self, driver: Driver) -> bool:
        """See that the coordinator runs, with a recap if it died; whether it had to be started. The context's lock is held."""
        row = await self._context.row(COORDINATOR)
        try:
            if row is not None and self.due(row, await self._context.table()):
                self._restarting = True
                self._tried.append(time.monotonic())
                log.warning("the coordinator of %s is gone; starting it again", self._context.path)
                await self._recap(driver, row)
            started = await driver.start()
            if started:
                self._started(await self._context.row(COORDINATOR))
        finally:
            self._restarting = False
        return started

    async def _recap(self, driver: Driver, row: Row) -> None:
        """Leave a mail for the next coordinator, unless the last one had finished all it was asked."""
        mail = await self._context.read(self._context.mailbox.newest, 200)
        since = [letter for letter in reversed(mail) if letter.created_at >= (row.started_at or "")]
        asked = [letter for letter in since if letter.sender == OPERATOR and letter.subject != SUBJECT]
        reported = [letter for letter in since if letter.sender == COORDINATOR and letter.recipient == OPERATOR]
        if not unfinished(asked, reported):
            return
        text = TEXT.format(asked=_listed(asked), reported=_listed(reported) or "- nothing yet")
        try:
            await driver.leave_note(SUBJECT, text)
        except ChannelError as error:
            log.warning("the coordinator of %s starts without a recap: %s", self._context.path, error.message)


def unfinished(asked: list[Letter], reported: list[Letter]) -> bool:
    """Whether something that was asked may still be open: fewer ends than beginnings, or an answer after the last end."""
    ends = [letter for letter in reported if letter.type in {"result", "error"}]
    begun = [letter for letter in asked if letter.thread is None]
    return bool(asked) and (len(begun) > len(ends) or not ends or asked[-1].row > ends[-1].row)


def _listed(letters: list[Letter]) -> str:
    found = []
    for letter in letters[-TOLD:]:
        body = " ".join(letter.body.split())
        body = body if len(body) <= WORDS else f"{body[:WORDS]} …"
        found.append(f"- {letter.id}, {letter.created_at[:16]}, {letter.type}: {letter.subject}: {body}")
    return "\n".join(found)
