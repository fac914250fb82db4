"""What happens during a turn, on Slack: a status line for what is being done, and the answer as it is written.

In threads Slack streams natively and shows a Stop of its own; where it does not (direct messages without a thread, workspaces
without agents) a message is edited as it grows, and bears a Stop button. When the answer is whole, `finish` makes the message
that was streamed the answer itself, so that nothing is said twice. Which message that is stands in the store: a coordinator
that was killed meanwhile finishes it at its next start.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from bot.agent.live import Delta, Live
from bot.chat.slack.api import Api, reason
from bot.chat.slack.channels import Location, Me
from bot.chat.slack.text import escape, plain, tame
from bot.chat.slack.to_card import context
from bot.chat.slack.to_markdown import MOST, to_blocks
from bot.chat.slack.to_message import Message, say
from bot.domain import GateState
from bot.domain.errors import DeliveryError
from bot.fleet import Fleet
from bot.store.live_messages import LiveMessage

log = logging.getLogger(__name__)

PAUSE, EDIT_PAUSE = 0.7, 1.3
"""Seconds between two pieces of an answer, native and edited: Slack takes about a hundred and about fifty in a minute."""
BEFORE, BEFORE_EDITS = 0.3, 1.0
"""Seconds after which something is shown: by the status line, or, where Slack has none, by a message. What is over by then
needs none; most commands are."""
NOT_HERE = frozenset(
    {
        "unknown_method", "not_an_agent", "team_not_supported", "missing_scope", "access_denied", "feature_not_enabled",
        "method_not_supported_for_channel_type", "not_allowed_token_type", "invalid_thread_ts", "channel_type_not_supported",
    }
)  # fmt: skip
"""Refusals after which the native ways are left alone."""


@dataclass(slots=True)
class _Turn:
    """A conversation in which something happens."""

    location: Location
    event: str
    recipient: str
    text: str = ""
    doing: str = ""
    shown: str = ""
    """The status line as Slack has it."""
    sent: str = ""
    """What of the answer Slack has."""
    message: str = ""
    """Time of the message that grows."""
    native: bool = True
    command: bool = False
    """Whether it shows a command, which writes nothing bit by bit."""
    dirty: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when nothing more is to be shown."""
    task: asyncio.Task[None] | None = None


class Streams:
    """Every conversation in which something happens now."""

    def __init__(self, fleet: Fleet, api: Api, me: Me, is_command: Callable[[str], bool], *, pace: float = 1.0) -> None:
        self._fleet, self._api, self._me, self._is_command, self._pace = fleet, api, me, is_command, pace
        """`pace` shortens every pause, for those who cannot wait."""
        self._turns: dict[str, _Turn] = {}
        self._processing: set[str] = set()
        """Conversations of which Slack shows that they are being worked on, with its own Stop."""
        self._sessions = self._streaming = self._status = True
        """Whether this workspace has agents' sessions, native streaming, status lines: until it says that it has not."""

    def live(self, conversation: str, event: Live) -> None:
        """Something happens in a conversation."""
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
        """Make what was streamed there for an event the answer; the message's time, or None where nothing was streamed.
        Raises DeliveryError; then it can be called again."""
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
        """What was streamed there is settled."""
        self._fleet.store.live_messages.remove(conversation)

    async def settle(self, conversation: str, location: Location, *, gate: bool) -> None:
        """After a post: nothing is being worked on there any more; and where the post is a gate's card, say whether the thread
        waits for a person, which Slack calls suspended."""
        if not location.thread or not (gate or conversation in self._processing):
            return
        self._processing.discard(conversation)
        waiting = self._waiting(conversation)
        if self._sessions:
            await self._session(location, "suspended" if waiting else "active")
        if waiting and self._status:
            await self._say_status(location, "is waiting for an approval")

    async def close(self) -> None:
        """Let go of everything; what was streamed is finished at the next start."""
        for turn in self._turns.values():
            if turn.task is not None:
                turn.task.cancel()
        await asyncio.gather(*(turn.task for turn in self._turns.values() if turn.task), return_exceptions=True)
        self._turns.clear()

    # -- one turn ------------------------------------------------------------------------------------------------------

    def _begin(self, conversation: str, event: Live) -> _Turn | None:
        """What happens there belongs to what was said first and is not answered; what is written, never to a command."""
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
        """Show what is new, with a pause after each time, until the turn is over."""
        try:
            await self._rest(turn, BEFORE if turn.location.thread and self._status else BEFORE_EDITS)
            if self._fleet.store.inbound.done(turn.event):
                return
            if turn.location.thread and self._sessions and not turn.over.is_set():
                self._processing.add(conversation)
                await self._session(turn.location, "processing")
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
            log.info("what happens in %s is not shown any more: %s", conversation, error.message)
        finally:
            if self._turns.get(conversation) is turn:
                del self._turns[conversation]

    async def _rest(self, turn: _Turn, seconds: float) -> None:
        """A pause, or until the turn is over."""
        with suppress(TimeoutError):
            await asyncio.wait_for(turn.over.wait(), seconds * self._pace)

    def _over(self, turn: _Turn) -> bool:
        """Whether nothing happens there any more."""
        return not turn.dirty.is_set() and not turn.doing and self._fleet.store.inbound.done(turn.event)

    async def _show(self, conversation: str, turn: _Turn) -> None:
        native = turn.native and bool(turn.location.thread) and self._streaming
        if turn.location.thread and self._status and turn.doing != turn.shown and not (native and turn.message):
            turn.shown = turn.doing
            await self._say_status(turn.location, turn.doing)
        if native:
            await self._stream(conversation, turn)
        if not (turn.native and turn.location.thread and self._streaming):
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
            if reason(error) not in NOT_HERE:
                raise
            log.info("slack streams nothing here (%s); messages are edited instead", error.message)
            self._streaming = turn.native = False
            return
        turn.message, turn.sent = str(begun["ts"]), whole
        self._keep(conversation, turn, native=True)

    async def _append(self, turn: _Turn, more: str) -> None:
        try:
            await self._api.call("chat.appendStream", channel=turn.location.channel, ts=turn.message, markdown_text=more)
            turn.sent += more
        except DeliveryError as error:
            if reason(error) != "message_not_in_streaming_state":
                raise
            turn.over.set()  # somebody pressed Stop; the answer itself says so

    async def _edit(self, conversation: str, turn: _Turn) -> None:
        """One message that grows, with what is being done below it, and Stop."""
        if turn.location.thread and self._status and not turn.text:
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
        self._keep(conversation, turn, native=False)

    def _ready(self, turn: _Turn) -> str:
        """What may be shown of the text: up to the last space, so that no half of a mention or of a secret slips through."""
        end = max(turn.text.rfind(" "), turn.text.rfind("\n")) + 1
        return tame(self._fleet.redact(turn.text[:end]))

    def _keep(self, conversation: str, turn: _Turn, *, native: bool) -> None:
        live = LiveMessage(turn.location.channel, turn.message, event=turn.event, native=native)
        self._fleet.store.live_messages.set(conversation, live)

    async def _halt(self, conversation: str, turn: _Turn) -> None:
        """End what shows a turn, when it is between two calls: a message that is just being made must not be lost."""
        turn.over.set()
        turn.dirty.set()
        self._turns.pop(conversation, None)
        if turn.task is not None:
            await asyncio.gather(turn.task, return_exceptions=True)

    async def _close(self, conversation: str, channel: str, ts: str) -> None:
        self._processing.discard(conversation)
        status = ("suspended" if self._waiting(conversation) else "active") if self._sessions else None
        try:
            await self._api.call("chat.stopStream", channel=channel, ts=ts, session_status=status)
        except DeliveryError as error:
            if reason(error) not in {"message_not_in_streaming_state", "message_not_found"}:
                raise

    def _waiting(self, conversation: str) -> bool:
        return any(gate.conversation == conversation for gate in self._fleet.store.gates.in_states(GateState.OPEN))

    # -- status --------------------------------------------------------------------------------------------------------

    async def _session(self, location: Location, status: str) -> None:
        try:
            await self._api.call(
                "agents.sessions.setStatus", channel_id=location.channel, thread_ts=location.thread, status=status
            )
        except DeliveryError as error:
            self._sessions = reason(error) not in NOT_HERE
            log.info("slack keeps no session here: %s", error.message)

    async def _say_status(self, location: Location, doing: str) -> None:
        words = tame(" ".join(self._fleet.redact(doing).split()))[:96]
        try:
            await self._api.call(
                "assistant.threads.setStatus", channel_id=location.channel, thread_ts=location.thread, status=words
            )
        except DeliveryError as error:
            self._status = reason(error) not in NOT_HERE
            log.info("slack shows no status here: %s", error.message)
