"""Discord's gateway over a real WebSocket, with heartbeats, sequence numbers and RESUME.

A session outlives its connection. Events in between are stored and sent after RESUME, until the session is forgotten.
"""

import asyncio
import copy
import json
import zlib
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

import discord
from aiohttp import WSMsgType, web
from simcord import intents as gates
from simcord.backend import serializers

from tests.standins.discord_world import World

PRIVILEGED = {"message_content": 1 << 15, "members": 1 << 1, "presences": 1 << 8}
Json = dict[str, Any]


class Session:
    """One session, with its application, its events and its connection."""

    def __init__(self, id: str, intents: int) -> None:
        self.id = id
        self.intents = discord.Intents(0)
        self.intents.value = intents
        self.sent: list[Json] = []
        self.line: Line | None = None

    def send(self, event: str, payload: Mapping[str, Any]) -> None:
        """Number and store an event, and send it if a connection is open."""
        frame = {"op": 0, "t": event, "s": len(self.sent) + 1, "d": payload}
        self.sent.append(frame)
        if self.line is not None:
            self.line.send(frame)


class Line:
    """One open WebSocket.

    Frames are sent in order, compressed if the client asked for it.
    """

    def __init__(self, socket: web.WebSocketResponse, compressed: bool) -> None:
        self.socket = socket
        self._zlib = zlib.compressobj() if compressed else None
        self._queue: asyncio.Queue[Json | None] = asyncio.Queue()
        self._writer = asyncio.create_task(self._write())

    def send(self, frame: Json) -> None:
        """Send a frame."""
        self._queue.put_nowait(frame)

    async def _write(self) -> None:
        while (frame := await self._queue.get()) is not None:
            text = frame["raw"] if "raw" in frame else json.dumps(frame)
            try:
                if self._zlib is None:
                    await self.socket.send_str(text)
                else:
                    await self.socket.send_bytes(self._zlib.compress(text.encode()) + self._zlib.flush(zlib.Z_SYNC_FLUSH))
            except ConnectionError:
                return

    async def close(self, code: int = 1000) -> None:
        """Send the remaining frames and close."""
        self._queue.put_nowait(None)
        await self._writer
        await self.socket.close(code=code)

    def end(self) -> None:
        """Stop sending."""
        self._writer.cancel()

    def cut(self) -> None:
        """Cut the connection silently."""
        self.end()
        if self.socket._req is not None and self.socket._req.transport is not None:
            self.socket._req.transport.abort()


class Gateway:
    """The gateway of a `World`. `identified` and `resumed` count new and resumed sessions."""

    def __init__(self, world: World, token: Callable[[], str], url: Callable[[], str]) -> None:
        self.world, self._token, self._url = world, token, url
        self.sessions: dict[str, Session] = {}
        self.identified = self.resumed = 0
        self.refusing = 0
        """Number of connections to refuse."""
        self.heartbeat = 41_250
        """Milliseconds between two heartbeats."""
        self.deaf = False
        """True to leave heartbeats unanswered."""
        self.unavailable: set[int] = set()
        """Guilds that stay unavailable after READY until `available`."""
        self.approved = {"message_content"}
        """Privileged intents enabled for the application."""
        self._numbers = count(1)
        world.subscribers.append(self._happened)

    # -- control by tests --------------------------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """True while a session has a connection."""
        return any(each.line is not None for each in self.sessions.values())

    def cut(self) -> None:
        """Cut every connection and keep the sessions."""
        for session in self.sessions.values():
            if session.line is not None:
                session.line.cut()
                session.line = None

    def reconnect(self) -> None:
        """Ask every client to reconnect (op 7)."""
        self._frame({"op": 7, "d": None})

    def invalidate(self) -> None:
        """Invalidate every session (op 9)."""
        self._frame({"op": 9, "d": False})
        self.sessions.clear()

    def forget(self) -> None:
        """Forget every session silently, so that the next RESUME is refused."""
        self.cut()
        self.sessions.clear()

    def malformed(self, event: str = "MESSAGE_CREATE") -> None:
        """Send an event without its required fields."""
        for session in self.sessions.values():
            session.send(event, {"broken": True})

    def available(self, guild: int) -> None:
        """Make a guild available."""
        self.unavailable.discard(guild)
        self._happened("GUILD_CREATE", serializers.guild_create_payload(self.world, self.world.guilds[guild]))

    def _frame(self, frame: Json) -> None:
        for session in self.sessions.values():
            if session.line is not None:
                session.line.send(frame)

    # -- events ------------------------------------------------------------------------------------------------------

    def _happened(self, event: str, payload: Mapping[str, Any]) -> None:
        for session in self.sessions.values():
            gate = gates.required_intent(event, payload)
            if gate is not None and not getattr(session.intents, gate):
                continue
            own: Json = copy.deepcopy(dict(payload))
            if event in ("MESSAGE_CREATE", "MESSAGE_UPDATE") and not session.intents.message_content:
                gates.censor_message(own, self.world.bot_user.id, backend=self.world)
            if event == "GUILD_CREATE":
                gates.prune_guild_create(own, session.intents, self.world.bot_user.id)
            session.send(event, own)

    # -- connections -------------------------------------------------------------------------------------------------

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection from HELLO to its end."""
        if self.refusing > 0:
            self.refusing -= 1
            return web.Response(status=503)
        socket = web.WebSocketResponse(max_msg_size=4096, compress=False)
        await socket.prepare(request)
        line, session = Line(socket, request.query.get("compress") == "zlib-stream"), None
        if request.query.get("v") != "10" or request.query.get("encoding") != "json":
            await line.close(4012)
            return socket
        line.send({"op": 10, "d": {"heartbeat_interval": self.heartbeat}})
        try:
            async for message in socket:
                if message.type is not WSMsgType.TEXT:
                    await line.close(4002)
                    break
                session = await self._heard(json.loads(message.data), line, session)
        finally:
            if session is not None and session.line is line:
                session.line = None
            line.end()
        return socket

    async def _heard(self, frame: Json, line: Line, session: Session | None) -> Session | None:
        match frame.get("op"):
            case 1:
                if not self.deaf:
                    line.send({"op": 11, "d": None})
            case 2:
                return await self._identify(frame["d"], line, session)
            case 6:
                return await self._resume(frame["d"], line)
            case 3 | 4 | 8 if session is not None:
                pass
            case 3 | 4 | 8:
                await line.close(4003)
            case _:
                await line.close(4001)
        return session

    async def _identify(self, data: Json, line: Line, session: Session | None) -> Session | None:
        if session is not None:
            await line.close(4005)
            return session
        if data.get("token") != self._token():
            await line.close(4004)
            return None
        wanted = data.get("intents", 0)
        if any(wanted & bit for name, bit in PRIVILEGED.items() if name not in self.approved):
            await line.close(4014)
            return None
        session = Session(f"s{next(self._numbers)}", wanted)
        session.line = line
        self.sessions[session.id] = session
        self.identified += 1
        self._ready(session)
        return session

    def _ready(self, session: Session) -> None:
        world = self.world
        ready = {
            "v": 10,
            "user": serializers.user_payload(world.bot_user),
            "guilds": [{"id": str(guild), "unavailable": True} for guild in world.guilds],
            "session_id": session.id,
            "resume_gateway_url": self._url(),
            "application": {"id": str(world.application_id), "flags": 0},
            "private_channels": [],
        }
        session.send("READY", ready)
        for guild in world.guilds.values():
            if guild.id not in self.unavailable:
                payload: Json = copy.deepcopy(dict(serializers.guild_create_payload(world, guild)))
                gates.prune_guild_create(payload, session.intents, world.bot_user.id)
                session.send("GUILD_CREATE", payload)

    async def _resume(self, data: Json, line: Line) -> Session | None:
        session = self.sessions.get(data.get("session_id", ""))
        if session is None or data.get("token") != self._token():
            line.send({"op": 9, "d": False})
            return None
        if data["seq"] is None or data["seq"] > len(session.sent):
            await line.close(4007)
            return None
        session.line = line
        self.resumed += 1
        for frame in session.sent[data["seq"] :]:
            line.send(frame)
        session.send("RESUMED", {"_trace": []})
        return session
