"""What happens during a turn, as it happens: typing, then a message that grows, with a button that stops it.

The growing message becomes the answer: `finish` puts the answer in its place. Which message that is stands in the store, so
that after a crash the turn that is taken up again goes on in the same message. Nothing here fails anybody: what cannot be shown
is left out.
"""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field

import discord
from discord import ui

from bot.agent.live import Delta, Doing, Live
from bot.chat.discord.api import FAILURES, UNKNOWN_MESSAGE, Api
from bot.chat.discord.page import Page, StopButton
from bot.chat.discord.to_text import ending, lines, tidy
from bot.fleet import Fleet
from bot.store.live_messages import LiveMessage

log = logging.getLogger(__name__)

TYPING = 8.0
"""Seconds after which Discord has to be told again that something is being written."""
CLEANUP_DELAY = 20.0
"""Seconds after a turn's end after which a growing message that nothing has replaced is taken away."""
LONGEST = 1800

Target = Callable[[str], Awaitable[tuple[int, int | None]]]


@dataclass(slots=True)
class _Turn:
    """What a conversation shows of its turn."""

    text: str = ""
    doing: str = ""
    shown: str = ""
    over: bool = False
    silent: bool = False
    """A command began it, whose “thinking…” says enough: its answer comes there."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Streams:
    """The turns that are shown now. `running`: conversations in which one runs; `pace`: seconds between two edits."""

    def __init__(self, fleet: Fleet, api: Api, target: Target, running: Callable[[], Collection[str]], pace: float) -> None:
        self.fleet, self.api, self.target, self.running, self.pace = fleet, api, target, running, pace
        self._turns: dict[str, _Turn] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def live(self, conversation: str, event: Live) -> None:
        """Take up what happens. A command says at once which skill it runs; it has its own sign that something happens."""
        turn = self._turns.get(conversation)
        if turn is None:
            if isinstance(event, Doing) and (event.skill or not event.text):
                return
            turn = self._begin(conversation)
        match event:
            case Delta(text):
                turn.text += text
            case Doing(text):
                turn.text += "\n\n" if turn.text and not turn.text.endswith("\n\n") else ""
                turn.doing, turn.over = text, not text and conversation not in self.running()
        turn.changed.set()
        if turn.over and turn.silent:
            del self._turns[conversation]

    def _begin(self, conversation: str) -> _Turn:
        events = (each for each in self.fleet.store.inbound.unhandled() if each.conversation == conversation)
        turn = self._turns[conversation] = _Turn(silent="token" in next((each.extra for each in events), {}))
        if not turn.silent:
            task = asyncio.create_task(self._show(conversation, turn), name=f"stream {conversation}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return turn

    async def finish(self, conversation: str, page: Page) -> tuple[int, int] | None:
        """Put the answer where the growing message stands; its channel and number, or None where there is none."""
        await self._finish_turn(conversation)
        known = await self._message(conversation, page)
        if known is None:
            return None
        channel, message = known
        try:
            await self.api.edit(channel, message, page, files=True)
        except discord.NotFound as error:
            if error.code != UNKNOWN_MESSAGE:
                raise
            message = 0
        self.fleet.store.live_messages.remove(conversation)
        return (channel, message) if message else None

    async def _finish_turn(self, conversation: str) -> None:
        """Show nothing more of a turn; what is on its way goes first."""
        turn = self._turns.pop(conversation, None)
        if turn is not None:
            turn.over = True
            turn.changed.set()
            async with turn.lock:
                pass

    async def close(self) -> None:
        """Show nothing more."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _message(self, conversation: str, page: Page) -> tuple[int, int] | None:
        """The growing message of a conversation: its channel and number. One whose first sending has no known end is sent again
        under the same nonce, which shows it once."""
        live = self.fleet.store.live_messages.get(conversation)
        if live is None:
            return None
        channel = int(live.channel)
        if not live.message:
            return channel, await self.api.send(channel, page, live.nonce)
        return channel, int(live.message)

    # -- one turn ----------------------------------------------------------------------------------------------------

    async def _show(self, conversation: str, turn: _Turn) -> None:
        typing = asyncio.create_task(self._type(conversation), name=f"typing {conversation}")
        try:
            while not turn.over:
                await asyncio.sleep(self.pace)
                await turn.changed.wait()
                turn.changed.clear()
                await self._refresh(conversation, turn)
            typing.cancel()
            if self._turns.get(conversation) is turn:
                await asyncio.sleep(CLEANUP_DELAY)
            if self._turns.get(conversation) is turn:
                await self._remove(conversation)
        except FAILURES as error:
            log.info("discord: cannot stream the turn in %s: %s", conversation, error)
        finally:
            typing.cancel()
            if self._turns.get(conversation) is turn:
                del self._turns[conversation]

    async def _type(self, conversation: str) -> None:
        try:
            channel, _ = await self.target(conversation)
            while True:
                await self.api.typing(channel)
                await asyncio.sleep(TYPING)
        except FAILURES as error:
            log.debug("discord: cannot show typing in %s: %s", conversation, error)

    async def _refresh(self, conversation: str, turn: _Turn) -> None:
        """Show what there is by now."""
        said = ending(tidy(turn.text), LONGEST)
        text = lines(said, f"-# {turn.doing} …" if turn.doing else "")
        async with turn.lock:
            if turn.over or not text or text == turn.shown:
                return
            turn.shown = text
            view = ui.View(timeout=None)
            view.add_item(StopButton.button("stop", "Stop"))
            page = Page(text, view)
            if (known := await self._message(conversation, page)) is not None:
                await self.api.edit(*known, page)
                self._save(conversation, known[0], str(known[1]))
                return
            channel, reply = await self.target(conversation)
            nonce = secrets.token_hex(10)
            self._save(conversation, channel, nonce=nonce)
            message = await self.api.send(channel, page, nonce, answers=reply)
            self._save(conversation, channel, str(message))

    def _save(self, conversation: str, channel: int, message: str = "", nonce: str = "") -> None:
        self.fleet.store.live_messages.set(conversation, LiveMessage(str(channel), message, nonce))

    async def _remove(self, conversation: str) -> None:
        """Nothing takes the place of a growing message: it is no answer, so it goes."""
        known = await self._message(conversation, Page("…"))
        self.fleet.store.live_messages.remove(conversation)
        if known is not None:
            await self.api.delete(*known)
