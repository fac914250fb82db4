"""Starts a coordinator again that died without being told to, and tells it what it had been asked before.

A new coordinator knows nothing of the conversation of the one before it; its mail, tasks, branches and workers are all there.
Only coordinators that were started from here are mended, only while the runtime itself lives on (after a restart of the machine
or the container the bot decides what is begun again), and only so often: one that keeps dying has a reason.
"""

import logging
import time

from bot.supervisor.context import Site
from bot.supervisor.drivers.base import OPERATOR, Dialect
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


class Mender:
    """The mending of one product's coordinator."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._tried: list[float] = []
        self._at_it = False

    def _started(self, row: Row | None) -> None:
        """Remember that this coordinator was started from here."""
        if row is not None:
            value = {"product": str(self._site.path), "session": row.started_at}
            self._site.state.put("started", str(self._site.path), value=value)

    def stopped(self) -> None:
        """Remember that it is meant to be gone."""
        self._site.state.drop("started", str(self._site.path))

    def due(self, row: Row | None, table: processes.Table) -> bool:
        """Whether a coordinator is dead that should not be, and will be started again."""
        if row is None or row.ended or self._site.paused or processes.alive(row.pid, table, row.began):
            return False
        known = self._site.state.get("started", str(self._site.path))
        if known is None or known.get("session") != row.started_at:
            return False
        self._tried = [at for at in self._tried if time.monotonic() - at < WINDOW]
        return len(self._tried) < ATTEMPTS and (row.began or 0.0) > processes.life_began()

    def mending(self, row: Row | None, table: processes.Table) -> bool:
        """Whether it is dead only for the moment."""
        return self._at_it or self.due(row, table)

    async def look(self, dialect: Dialect, row: Row | None, table: processes.Table) -> bool:
        """Start it again if that is due by its row and the processes as last seen, and still is; whether it was."""
        if not self.due(row, table):
            return False
        async with self._site.changing:
            return await self.start(dialect)

    async def start(self, dialect: Dialect) -> bool:
        """See that the coordinator runs, with a recap if it died; whether it had to be started. The site's lock is held."""
        row = await self._site.row(COORDINATOR)
        try:
            if row is not None and self.due(row, await self._site.table()):
                self._at_it = True
                self._tried.append(time.monotonic())
                log.warning("the coordinator of %s is gone; starting it again", self._site.path)
                await self._recap(dialect, row)
            started = await dialect.start()
            if started:
                self._started(await self._site.row(COORDINATOR))
        finally:
            self._at_it = False
        return started

    async def _recap(self, dialect: Dialect, row: Row) -> None:
        """Leave a mail for the next coordinator, unless the last one had finished all it was asked."""
        mail = await self._site.read(self._site.mailbox.newest, 200)
        since = [letter for letter in reversed(mail) if letter.created_at >= (row.started_at or "")]
        asked = [letter for letter in since if letter.sender == OPERATOR and letter.subject != SUBJECT]
        reported = [letter for letter in since if letter.sender == COORDINATOR and letter.recipient == OPERATOR]
        if not unfinished(asked, reported):
            return
        text = TEXT.format(asked=_listed(asked), reported=_listed(reported) or "- nothing yet")
        try:
            await dialect.leave_note(SUBJECT, text)
        except ChannelError as error:
            log.warning("the coordinator of %s starts without a recap: %s", self._site.path, error.message)


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
