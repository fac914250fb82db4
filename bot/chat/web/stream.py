"""Live text and activity of a turn.

Text arrives in small pieces. The first is sent at once, the others at most every `PAUSE` seconds, each time with the whole
answer rendered, so that a page that missed some or opened in between is right again with the next one.
"""

import asyncio
from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import Any

from bot.agent.live import Delta, Doing, Live
from bot.chat.web.channels import to_name
from bot.chat.web.clients import Clients
from bot.text.markdown import render

PAUSE = 0.08
"""Seconds between two pieces of one answer."""


@dataclass(slots=True)
class _Turn:
    """The live state of one conversation."""

    text: str = ""
    unsent: str = ""
    doing: str = ""
    skill: str = ""
    timer: asyncio.TimerHandle | None = None


class Streams:
    """Live state of every conversation with activity."""

    def __init__(self, clients: Clients, running: Callable[[], Container[str]]) -> None:
        self._clients = clients
        self._running = running
        """Callback that returns the conversations with a running turn."""
        self._turns: dict[str, _Turn] = {}

    def live(self, conversation: str, event: Live) -> None:
        """Take an event of a turn."""
        turn = self._turns.setdefault(conversation, _Turn())
        if isinstance(event, Delta):
            turn.text += event.text
            turn.unsent += event.text
            if turn.timer is None:
                self._send(conversation, turn)
        elif isinstance(event, Doing):
            self._flush(conversation, turn)
            turn.doing, turn.skill = event.text, event.skill
            self._clients.send(
                {
                    "type": "doing",
                    "conversation": to_name(conversation),
                    "text": event.text,
                    "skill": event.skill,
                    "turn": conversation in self._running(),
                },
                conversation,
            )
            if not event.text:
                self.settle(conversation)

    def settle(self, conversation: str) -> None:
        """Forget the streamed text of a conversation without a running turn."""
        if conversation not in self._running():
            self._forget(conversation)

    def close(self) -> None:
        """Forget everything."""
        for conversation in tuple(self._turns):
            self._forget(conversation)

    def now(self, conversation: str) -> dict[str, Any] | None:
        """Return the live state of a conversation, for a page that opens during a turn."""
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

    def _send(self, conversation: str, turn: _Turn) -> None:
        message = {
            "type": "delta",
            "conversation": to_name(conversation),
            "text": turn.unsent,
            "html": render(turn.text),
        }
        turn.unsent = ""
        self._clients.send(message, conversation)
        turn.timer = asyncio.get_running_loop().call_later(PAUSE, self._again, conversation, turn)

    def _again(self, conversation: str, turn: _Turn) -> None:
        turn.timer = None
        if turn.unsent:
            self._send(conversation, turn)

    def _flush(self, conversation: str, turn: _Turn) -> None:
        if turn.timer:
            turn.timer.cancel()
            turn.timer = None
        if turn.unsent:
            self._send(conversation, turn)
