"""Progress of a turn, as typing and then as a message that grows, with a Stop button.

`finish` replaces the growing message by the answer. The message's id is stored, so that a turn resumed after a crash continues
in the same message. Failures are logged and ignored.
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
"""Seconds after which the typing indicator is renewed."""
CLEANUP_DELAY = 20.0
"""Seconds after a turn's end at which an unreplaced streamed message is deleted."""
LONGEST = 1800

Target = Callable[[str], Awaitable[tuple[int, int | None]]]


@dataclass(slots=True)
class _Turn:
    """A conversation whose turn is shown."""

    text: str = ""
    doing: str = ""
    shown: str = ""
    over: bool = False
    silent: bool = False
    """True for a command, whose answer replaces its "thinking…"."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Streams:
    """The turns that are shown now.

    `running` returns the conversations with a running turn, and `pace` is the number of seconds between two edits.
    """

    def __init__(self, fleet: Fleet, api: Api, target: Target, running: Callable[[], Collection[str]], pace: float) -> None:
        self.fleet, self.api, self.target, self.running, self.pace = fleet, api, target, running, pace
        self._turns: dict[str, _Turn] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def live(self, conversation: str, event: Live) -> None:
        """Record progress and show it.

        A command reports its skill at once and is not shown, because Discord shows its own indicator.
        """
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
        """Replace the streamed message by the answer. Return its channel and id, or None without one."""
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
        """Stop showing a turn, after an edit in progress."""
        turn = self._turns.pop(conversation, None)
        if turn is not None:
            turn.over = True
            turn.changed.set()
            async with turn.lock:
                pass

    async def close(self) -> None:
        """Stop showing turns."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _message(self, conversation: str, page: Page) -> tuple[int, int] | None:
        """Return the channel and id of a conversation's streamed message.

        A first send with an unknown result is repeated with the same nonce, which shows it once.
        """
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
        """Show the current text."""
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
        """Delete a streamed message that no answer replaced."""
        known = await self._message(conversation, Page("…"))
        self.fleet.store.live_messages.remove(conversation)
        if known is not None:
            await self.api.delete(*known)
