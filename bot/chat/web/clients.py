"""Connected pages and programs.

Each has a bounded queue, so that a slow one never delays the others.
"""

import asyncio
from typing import Any

from aiohttp import WSCloseCode
from pydantic_core import to_json

LONGEST_QUEUE = 500
"""Most messages queued for one client.

A client that falls further behind is disconnected, and catches up when it reconnects.
"""


class Client:
    """One WebSocket with the conversations it follows and the messages queued for it."""

    def __init__(self, cookie: str = "", longest: int = LONGEST_QUEUE) -> None:
        self.cookie = cookie
        self.wanted: frozenset[str] | None = None
        """Conversations it follows, or None for all."""
        self.queue: asyncio.Queue[str] = asyncio.Queue(longest)
        self.over = asyncio.Event()
        """Set when the connection is to end, with `code` and `reason`."""
        self.code: int = WSCloseCode.OK
        self.reason = ""

    def offer(self, text: str) -> None:
        """Queue one encoded message, or disconnect a client that no longer reads."""
        try:
            self.queue.put_nowait(text)
        except asyncio.QueueFull:
            self.cut(WSCloseCode.TRY_AGAIN_LATER, "too slow: connect again")

    def send(self, message: dict[str, Any]) -> None:
        """Queue one message."""
        self.offer(encoded(message))

    def cut(self, code: int, reason: str) -> None:
        """End the connection."""
        if not self.over.is_set():
            self.code, self.reason = code, reason
            self.over.set()


class Clients:
    """All connected clients."""

    def __init__(self) -> None:
        self._all: set[Client] = set()

    def __len__(self) -> int:
        return len(self._all)

    def add(self, client: Client) -> None:
        """Send messages to a client from now on."""
        self._all.add(client)

    def discard(self, client: Client) -> None:
        """Forget a client that has disconnected."""
        self._all.discard(client)

    def send(self, message: dict[str, Any], conversation: str | None = None) -> None:
        """Send a message to all clients, or to those that follow a conversation."""
        if not self._all:
            return
        text = encoded(message)
        for client in tuple(self._all):
            if conversation is None or client.wanted is None or conversation in client.wanted:
                client.offer(text)

    def cut_cookie(self, cookie: str) -> None:
        """End every connection opened with a cookie whose person has signed out."""
        for client in self._all:
            if cookie and client.cookie == cookie:
                client.cut(WSCloseCode.POLICY_VIOLATION, "signed out")

    def cut_all(self, code: int, reason: str) -> None:
        """End every connection."""
        for client in self._all:
            client.cut(code, reason)


def encoded(message: dict[str, Any]) -> str:
    """Return a message as it is sent."""
    return to_json(message).decode()
