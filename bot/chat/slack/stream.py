"""Progress of a turn on Slack, as a status line and as the answer while it is written.

In threads Slack streams natively and shows its own Stop. Elsewhere (direct messages without a thread, workspaces without
agents) a message grows by edits and has a Stop button. `finish` turns the streamed message into the answer, so that nothing is
shown twice. The message's id is stored, so a fleet that was killed finishes the message after its next start.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from bot.agent.live import Delta, Live
from bot.chat.slack.agent_status import UNSUPPORTED, AgentStatus
from bot.chat.slack.api import Api, reason
from bot.chat.slack.channels import Location, Me
from bot.chat.slack.text import escape, plain, tame
from bot.chat.slack.to_card import context
from bot.chat.slack.to_markdown import MOST, to_blocks
from bot.chat.slack.to_message import Message, say
from bot.domain.errors import DeliveryError
from bot.fleet import Fleet
from bot.store.live_messages import LiveMessage

log = logging.getLogger(__name__)

PAUSE, EDIT_PAUSE = 0.7, 1.3
"""Seconds between two updates, native and by edits.

Slack allows about 100 and about 50 per minute.
"""
BEFORE, BEFORE_EDITS = 0.3, 1.0
"""Seconds before the first status line, or before the first message without one.

Most commands end earlier and show neither.
"""


@dataclass(slots=True)
class _Turn:
    """A conversation whose turn is shown."""

    location: Location
    event: str
    recipient: str
    text: str = ""
    doing: str = ""
    shown: str = ""
    """The status line that Slack shows."""
    sent: str = ""
    """The part of the answer that Slack has."""
    message: str = ""
    """Timestamp of the streamed message."""
    native: bool = True
    command: bool = False
    """True for a command, which streams no text."""
    dirty: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when nothing more is to be shown."""
    task: asyncio.Task[None] | None = None


class Streams:
    """The turns that are shown now."""

    def __init__(self, fleet: Fleet, api: Api, me: Me, is_command: Callable[[str], bool], *, pace: float = 1.0) -> None:
        self._fleet, self._api, self._me, self._is_command, self._pace = fleet, api, me, is_command, pace
        """Collaborators. In tests, `pace` scales every pause."""
        self._turns: dict[str, _Turn] = {}
        self._status = AgentStatus(fleet, api)
        self._native = True
        """True until the workspace refuses native streaming."""

    def live(self, conversation: str, event: Live) -> None:
        """Record progress and show it."""
        turn = self._turns.get(conversation)
        if turn is None or (turn.command and isinstance(event, Delta)):
            turn = self._begin(conversation, event)
        if turn is None:
            return
        if isinstance(event, Delta):
            turn.text += event.text
        else:
            turn.doing = event.text
        turn.dirty.set()

    async def finish(self, conversation: str, event: str, message: Message, metadata: dict[str, Any]) -> str | None:
        """Turn the message streamed for an event into the answer, and return its timestamp.

        Returns None if nothing was streamed. Raises DeliveryError, and can then be called again.
        """
        turn = self._turns.get(conversation)
        if turn is not None and turn.event == event:
            await self._halt(conversation, turn)
        live = self._fleet.store.live_messages.get(conversation)
        if live is None or live.event != event:
            return None
        channel, ts = live.channel, live.message
        if live.native:
            await self._close(conversation, channel, ts)
        try:
            await self._api.call(
                "chat.update", channel=channel, ts=ts, text=message.text, blocks=message.blocks, metadata=metadata
            )
        except DeliveryError as error:
            if reason(error) != "message_not_found":
                raise
            self.forget(conversation)
            return None
        self.forget(conversation)
        return ts

    def forget(self, conversation: str) -> None:
        """Forget the message streamed in a conversation."""
        self._fleet.store.live_messages.remove(conversation)

    async def settle(self, conversation: str, location: Location, *, gate: bool) -> None:
        """Show the thread's state after a post."""
        await self._status.settle(conversation, location, gate=gate)

    async def close(self) -> None:
        """Stop showing turns. Streamed messages are finished after the next start."""
        for turn in self._turns.values():
            if turn.task is not None:
                turn.task.cancel()
        await asyncio.gather(*(turn.task for turn in self._turns.values() if turn.task), return_exceptions=True)
        self._turns.clear()

    # -- one turn ------------------------------------------------------------------------------------------------------

    def _begin(self, conversation: str, event: Live) -> _Turn | None:
        """Start showing a turn for the oldest unanswered message.

        Streamed text never belongs to a command.
        """
        asked = self._fleet.store.inbound.unanswered(conversation) if event.text else []
        said = [each for each in asked if not self._is_command(each.text)]
        if not (found := said or ([] if isinstance(event, Delta) else asked)):
            return None
        inbound = found[0]
        extra = inbound.extra
        location = Location(str(extra.get("channel", "")), conversation.split(":")[2] if conversation.count(":") > 1 else "")
        turn = _Turn(location, inbound.event, str(extra.get("user", "")), command=not said)
        self._turns[conversation] = turn
        turn.task = asyncio.create_task(self._run(conversation, turn), name=f"stream {conversation}")
        return turn

    async def _run(self, conversation: str, turn: _Turn) -> None:
        """Show changes, with a pause after each, until the turn is over."""
        try:
            await self._rest(turn, BEFORE if turn.location.thread and self._status.has_lines else BEFORE_EDITS)
            if self._fleet.store.inbound.done(turn.event):
                return
            if not turn.over.is_set():
                await self._status.begin(conversation, turn.location)
            while True:
                await turn.dirty.wait()
                if turn.over.is_set():
                    break
                turn.dirty.clear()
                await self._show(conversation, turn)
                await self._rest(turn, PAUSE if turn.native and turn.location.thread else EDIT_PAUSE)
                if self._over(turn):
                    break
        except DeliveryError as error:
            log.info("slack: cannot stream the turn in %s: %s", conversation, error.message)
        finally:
            if self._turns.get(conversation) is turn:
                del self._turns[conversation]

    async def _rest(self, turn: _Turn, seconds: float) -> None:
        """Pause until the turn is over, at most for these seconds."""
        with suppress(TimeoutError):
            await asyncio.wait_for(turn.over.wait(), seconds * self._pace)

    def _over(self, turn: _Turn) -> bool:
        """Return True once the turn has nothing more to show."""
        return not turn.dirty.is_set() and not turn.doing and self._fleet.store.inbound.done(turn.event)

    async def _show(self, conversation: str, turn: _Turn) -> None:
        native = turn.native and bool(turn.location.thread) and self._native
        if turn.location.thread and self._status.has_lines and turn.doing != turn.shown and not (native and turn.message):
            turn.shown = turn.doing
            await self._status.line(turn.location, turn.doing)
        if native:
            await self._stream(conversation, turn)
        if not (turn.native and turn.location.thread and self._native):
            await self._edit(conversation, turn)

    async def _stream(self, conversation: str, turn: _Turn) -> None:
        whole = self._ready(turn)
        more = whole[len(turn.sent) :]
        if not more or len(whole) > MOST:
            return
        if turn.message:
            await self._append(turn, more)
            return
        try:
            begun = await self._api.call(
                "chat.startStream", channel=turn.location.channel, thread_ts=turn.location.thread, markdown_text=more,
                recipient_user_id=turn.recipient, recipient_team_id=self._me.team,
            )  # fmt: skip
        except DeliveryError as error:
            if reason(error) not in UNSUPPORTED:
                raise
            log.info("slack: no native streaming (%s), editing messages instead", error.message)
            self._native = turn.native = False
            return
        turn.message, turn.sent = str(begun["ts"]), whole
        self._save(conversation, turn, native=True)

    async def _append(self, turn: _Turn, more: str) -> None:
        try:
            await self._api.call("chat.appendStream", channel=turn.location.channel, ts=turn.message, markdown_text=more)
            turn.sent += more
        except DeliveryError as error:
            if reason(error) != "message_not_in_streaming_state":
                raise
            turn.over.set()  # a person pressed Stop; the answer reports it

    async def _edit(self, conversation: str, turn: _Turn) -> None:
        """Grow one message by edits, with the current action and a Stop button below the text."""
        if turn.location.thread and self._status.has_lines and not turn.text:
            return
        text = tame(self._fleet.redact(turn.text))[-MOST:]
        if not text and not turn.doing:
            return
        doing = [context(f"_{escape(turn.doing)}_")] if turn.doing else []
        stop = {"type": "actions", "elements": [say("Stop", "stop", "stop")]}
        blocks = [*to_blocks(text), *doing, stop]
        said = {"channel": turn.location.channel, "text": plain(text or turn.doing, 300), "blocks": blocks}
        if turn.message:
            await self._api.call("chat.update", ts=turn.message, **said)
            return
        posted = await self._api.call("chat.postMessage", thread_ts=turn.location.thread or None, unfurl_links=False,
                                      unfurl_media=False, **said)  # fmt: skip
        turn.message = str(posted["ts"])
        self._save(conversation, turn, native=False)

    def _ready(self, turn: _Turn) -> str:
        """Return the text up to its last space, so that no part of a mention or secret is shown."""
        end = max(turn.text.rfind(" "), turn.text.rfind("\n")) + 1
        return tame(self._fleet.redact(turn.text[:end]))

    def _save(self, conversation: str, turn: _Turn, *, native: bool) -> None:
        live = LiveMessage(turn.location.channel, turn.message, event=turn.event, native=native)
        self._fleet.store.live_messages.set(conversation, live)

    async def _halt(self, conversation: str, turn: _Turn) -> None:
        """Stop showing a turn, but let a call in progress finish, so that its message is not lost."""
        turn.over.set()
        turn.dirty.set()
        self._turns.pop(conversation, None)
        if turn.task is not None:
            await asyncio.gather(turn.task, return_exceptions=True)

    async def _close(self, conversation: str, channel: str, ts: str) -> None:
        state = self._status.end(conversation)
        try:
            await self._api.call("chat.stopStream", channel=channel, ts=ts, session_status=state)
        except DeliveryError as error:
            if reason(error) not in {"message_not_in_streaming_state", "message_not_found"}:
                raise
