"""The open pages and programs: each a bounded queue, so that a slow one never holds up the others."""

import asyncio
from typing import Any

from aiohttp import WSCloseCode
from pydantic_core import to_json

LONGEST_QUEUE = 500
"""Messages that wait for one client; one that falls further behind is cut off and catches up when it comes back."""


class Client:
    """One WebSocket as seen from inside: what it wants to hear, and what waits to be sent to it."""

    def __init__(self, cookie: str = "", longest: int = LONGEST_QUEUE) -> None:
        self.cookie = cookie
        self.wanted: frozenset[str] | None = None
        """Conversations it hears of; None: all."""
        self.queue: asyncio.Queue[str] = asyncio.Queue(longest)
        self.over = asyncio.Event()
        """Set when the connection is to end, for the reason in `code` and `words`."""
        self.code: int = WSCloseCode.OK
        self.words = ""

    def offer(self, text: str) -> None:
        """Queue one message; a client that does not read any more is cut off."""
        try:
            self.queue.put_nowait(text)
        except asyncio.QueueFull:
            self.cut(WSCloseCode.TRY_AGAIN_LATER, "too slow: connect again")

    def tell(self, message: dict[str, Any]) -> None:
        """Queue one message."""
        self.offer(encoded(message))

    def cut(self, code: int, words: str) -> None:
        """End the connection."""
        if not self.over.is_set():
            self.code, self.words = code, words
            self.over.set()


class Clients:
    """Everyone who listens now."""

    def __init__(self) -> None:
        self._all: set[Client] = set()

    def __len__(self) -> int:
        return len(self._all)

    def add(self, client: Client) -> None:
        """From now on it hears what is told."""
        self._all.add(client)

    def discard(self, client: Client) -> None:
        """It has gone."""
        self._all.discard(client)

    def tell(self, message: dict[str, Any], conversation: str | None = None) -> None:
        """Tell everyone, or everyone who wants to hear of a conversation."""
        if not self._all:
            return
        text = encoded(message)
        for client in tuple(self._all):
            if conversation is None or client.wanted is None or conversation in client.wanted:
                client.offer(text)

    def cut_cookie(self, cookie: str) -> None:
        """End every connection that was opened with this cookie: its person has signed out."""
        for client in self._all:
            if cookie and client.cookie == cookie:
                client.cut(WSCloseCode.POLICY_VIOLATION, "signed out")

    def cut_all(self, code: int, words: str) -> None:
        """End every connection."""
        for client in self._all:
            client.cut(code, words)


def encoded(message: dict[str, Any]) -> str:
    """A message as it is sent."""
    return to_json(message).decode()
