"""What happens during a turn, as pages see it: the answer so far, rendered, and what the coordinator does.

Text arrives in small pieces; it is told at once and then at most every `PAUSE` seconds, each time with the whole of it
rendered, so that a page that missed some, or opened in between, is right again with the next one.
"""

import asyncio
from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import Any

from bot.agent.live import Delta, Doing, Live
from bot.chat.web.clients import Clients
from bot.text.markdown import render

PAUSE = 0.08
"""Seconds between two pieces of one answer."""
PREFIX = "web:"


@dataclass(slots=True)
class _Turn:
    """A conversation in which something happens."""

    text: str = ""
    unsent: str = ""
    doing: str = ""
    skill: str = ""
    timer: asyncio.TimerHandle | None = None


class Streams:
    """Every conversation in which something happens now."""

    def __init__(self, clients: Clients, running: Callable[[], Container[str]]) -> None:
        self._clients = clients
        self._running = running
        """Conversations in which a turn of the agent runs."""
        self._turns: dict[str, _Turn] = {}

    def hear(self, conversation: str, event: Live) -> None:
        """Something happens in a conversation."""
        turn = self._turns.setdefault(conversation, _Turn())
        if isinstance(event, Delta):
            turn.text += event.text
            turn.unsent += event.text
            if turn.timer is None:
                self._tell(conversation, turn)
        elif isinstance(event, Doing):
            self._flush(conversation, turn)
            turn.doing, turn.skill = event.text, event.skill
            self._clients.tell(
                {
                    "type": "doing",
                    "conversation": conversation.removeprefix(PREFIX),
                    "text": event.text,
                    "skill": event.skill,
                    "turn": conversation in self._running(),
                },
                conversation,
            )
            if not event.text:
                self.settle(conversation)

    def settle(self, conversation: str) -> None:
        """Forget what was streamed there, unless a turn goes on."""
        if conversation not in self._running():
            self._forget(conversation)

    def close(self) -> None:
        """Forget everything."""
        for conversation in tuple(self._turns):
            self._forget(conversation)

    def now(self, conversation: str) -> dict[str, Any] | None:
        """What happens in a conversation, for a page that opens in the middle of it."""
        turn = self._turns.get(conversation)
        if turn is None:
            return None
        return {
            "text": turn.text,
            "html": render(turn.text),
            "doing": turn.doing,
            "skill": turn.skill,
            "turn": conversation in self._running(),
        }

    def _forget(self, conversation: str) -> None:
        turn = self._turns.pop(conversation, None)
        if turn and turn.timer:
            turn.timer.cancel()

    def _tell(self, conversation: str, turn: _Turn) -> None:
        message = {
            "type": "delta",
            "conversation": conversation.removeprefix(PREFIX),
            "text": turn.unsent,
            "html": render(turn.text),
        }
        turn.unsent = ""
        self._clients.tell(message, conversation)
        turn.timer = asyncio.get_running_loop().call_later(PAUSE, self._again, conversation, turn)

    def _again(self, conversation: str, turn: _Turn) -> None:
        turn.timer = None
        if turn.unsent:
            self._tell(conversation, turn)

    def _flush(self, conversation: str, turn: _Turn) -> None:
        if turn.timer:
            turn.timer.cancel()
            turn.timer = None
        if turn.unsent:
            self._tell(conversation, turn)
