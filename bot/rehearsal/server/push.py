"""The WebSocket, which pushes new mail and events to rooms and polls them every 250 ms."""

import asyncio
import json
import sqlite3
from typing import Any

from aiohttp import WSMsgType, web

from bot.rehearsal.project import Project
from bot.rehearsal.times import now

POLL_SECONDS = 0.25
"""Interval of the real engine."""


def room_of(query: Any) -> str | None:
    """Return the room (overstory's name for a push topic) in a query, or None."""
    if query.get("mail") == "true":
        return "mail"
    for kind in ("run", "agent"):
        if kind in query:
            return f"{kind}:{query[kind]}"
    return None


class Push:
    """Open sockets by room."""

    def __init__(self, project: Project) -> None:
        self._rooms: dict[str, set[web.WebSocketResponse]] = {}
        self._mail = project.mail()
        self._events = project.events()
        self._last_mail = self._mail.last_time()
        self._last_event = self._events.last_id()

    async def connect(self, request: web.Request) -> web.StreamResponse:
        """Serve one socket. Its messages are ignored."""
        room = room_of(request.query)
        if room is None:
            error = {"success": False, "command": "serve", "error": "WebSocket upgrade failed: missing query parameters"}
            return web.json_response(error, status=400)
        socket = web.WebSocketResponse(heartbeat=30)
        await socket.prepare(request)
        self._rooms.setdefault(room, set()).add(socket)
        try:
            async for message in socket:
                if message.type is WSMsgType.ERROR:
                    break
        finally:
            self._rooms[room].discard(socket)
        return socket

    async def watch_continuously(self) -> None:
        """Push new rows until cancelled."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                frames = [*self._new_mail(), *self._new_events()]
            except sqlite3.OperationalError:
                continue  # another process holds the database, and the next attempt finds the rows
            for room, frame in frames:
                await self._send(room, frame)

    def _new_mail(self) -> list[tuple[str, dict[str, Any]]]:
        """Return frames of new mail by time.

        As in the real engine, a second mail of the same millisecond can be missed."""
        frames = []
        for message in self._mail.find(newest_first=False, after=self._last_mail):
            self._last_mail = max(self._last_mail, message.created_at)
            payload = {"message": message.shape()}
            frames += [(room, self._frame("mail", payload)) for room in self._mail_rooms(message)]
        return frames

    @staticmethod
    def _mail_rooms(message: Any) -> list[str]:
        return [f"agent:{message.to_agent}", f"agent:{message.from_agent}", "mail"]

    def _new_events(self) -> list[tuple[str, dict[str, Any]]]:
        """Return frames of new events. Pieces of text are sent together."""
        frames = []
        batches: dict[str, list[dict[str, Any]]] = {}
        for event in self._events.find(after_id=self._last_event):
            self._last_event = event["id"]
            rooms = [f"agent:{event['agentName']}", *([f"run:{event['runId']}"] if event["runId"] else [])]
            for room in rooms:
                if is_text(event):
                    batches.setdefault(room, []).append(event)
                else:
                    frames.append((room, self._frame("event", event)))
        together = [(room, self._frame("event", {"batched": True, "events": some})) for room, some in batches.items()]
        return frames + together

    @staticmethod
    def _frame(kind: str, payload: dict[str, Any]) -> dict[str, Any]:
        return {"type": kind, "ts": now(), "payload": payload}

    async def _send(self, room: str, frame: dict[str, Any]) -> None:
        for socket in list(self._rooms.get(room, ())):
            if not socket.closed:
                try:
                    await socket.send_json(frame)
                except ConnectionError:
                    self._rooms[room].discard(socket)

    async def close(self) -> None:
        """Close all sockets and the databases."""
        for sockets in self._rooms.values():
            for socket in list(sockets):
                await socket.close()
        self._mail.__exit__()
        self._events.__exit__()


def is_text(event: dict[str, Any]) -> bool:
    """Return True if an event is a piece of an agent's text."""
    if event["eventType"] == "text":
        return True
    data = json.loads(event["data"]) if event["data"] else None
    return isinstance(data, dict) and "delta" in data
