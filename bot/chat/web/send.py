"""Posts, gates, work and the status, sent to every connected client."""

import asyncio

from bot.chat.web.channels import PREFIX
from bot.chat.web.context import Context
from bot.chat.web.to_json import gate_event, posts_json, status_json, work_event
from bot.domain import Post
from bot.fleet import Change

PAUSE = 0.25
"""Seconds between two statuses. The first of a burst is sent at once."""


class Sender:
    """Sends changes of the fleet to the connected clients."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._timer: asyncio.TimerHandle | None = None
        self._due = False

    def close(self) -> None:
        """Drop a status that is still due."""
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def post(self, post: Post) -> None:
        """Send a post to the clients that follow its conversation."""
        if post.author == "fleet":
            self._context.streams.settle(post.conversation)
        if len(self._context.clients):
            (shown,) = posts_json([post], self._context)
            self._context.clients.send({"type": "reply", **shown}, post.conversation)

    def change(self, change: Change) -> None:
        """Send a change of the fleet."""
        clients = self._context.clients
        if change.post is not None and change.post.conversation.startswith(PREFIX):
            self.post(change.post)
        if change.gate is not None and len(clients):
            clients.send(gate_event(change.gate, self._context))
        if change.work is not None and len(clients):
            clients.send(work_event(change.work, self._context))
        if change.kind != "post":
            self._status()

    def _status(self) -> None:
        """Send the status now, or once the pause after the last one is over."""
        if self._timer is not None:
            self._due = True
            return
        self._due = False
        if len(self._context.clients):
            self._context.clients.send({"type": "status", "status": status_json(self._context)})
            self._timer = asyncio.get_running_loop().call_later(PAUSE, self._again)

    def _again(self) -> None:
        self._timer = None
        if self._due:
            self._status()
