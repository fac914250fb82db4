"""REST routes with the real engine's envelope, statuses and texts."""

import asyncio
import json
import time
import uuid
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from aiohttp import web

from bot.rehearsal import lifecycle
from bot.rehearsal.arguments import Arguments
from bot.rehearsal.call import Call
from bot.rehearsal.commands import coordinator as coordinator_commands
from bot.rehearsal.commands.mail import group
from bot.rehearsal.correspondence import COORDINATOR
from bot.rehearsal.errors import Conflict, EngineError, InvalidRequest
from bot.rehearsal.mail import PRIORITIES, Message
from bot.rehearsal.project import Project
from bot.rehearsal.server.attendant import Attendant
from bot.rehearsal.server.paging import page

ASK_SECONDS = 0.1
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def good(data: object, next_cursor: str | None = None) -> web.Response:
    """Return an answer in the envelope."""
    more = {"nextCursor": next_cursor} if next_cursor else {}
    return web.json_response({"success": True, "command": "serve", "data": data, **more})


def bad(status: int, error: str) -> web.Response:
    """Return a refusal in the envelope."""
    return web.json_response({"success": False, "command": "serve", "error": error}, status=status)


@web.middleware
async def envelope(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Put refusals and missing routes into the envelope."""
    try:
        return await handler(request)
    except Conflict as refused:
        return bad(409, refused.message)
    except InvalidRequest as refused:
        return bad(400, refused.message)
    except EngineError as refused:
        return bad(409 if "not running" in refused.message else 500, refused.message)
    except web.HTTPNotFound:
        return bad(404, "Not found")
    except web.HTTPMethodNotAllowed:
        return bad(405, "Method not allowed")


async def body_of(request: web.Request) -> dict[str, Any]:
    """Return the request's JSON object."""
    try:
        found = json.loads(await request.read())
    except ValueError as problem:
        raise InvalidRequest(f"Invalid JSON body: {problem}") from problem
    if not isinstance(found, dict):
        raise InvalidRequest("Request body must be a JSON object")
    return found


def needed(body: dict[str, Any], name: str) -> str:
    """Return a required text field."""
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidRequest(f"Missing or empty field: {name}")
    return value


def optional(body: dict[str, Any], name: str, default: str) -> str:
    """Return an optional text field."""
    value = body.get(name)
    if value in (None, ""):
        return default
    if not isinstance(value, str):
        raise InvalidRequest(f'Field "{name}" must be a string')
    return value


class Routes:
    """Handlers of runs and agents, events, mail, and the coordinator."""

    def __init__(self, project: Project, attendant: Attendant) -> None:
        self.project = project
        self.attendant = attendant
        self.begun = time.monotonic()

    def table(self) -> list[web.RouteDef]:
        """Return all routes."""
        return [
            web.get("/", self.page),
            web.get("/healthz", self.healthz),
            web.get("/api/runs", self.runs),
            web.get("/api/runs/{id}", self.run),
            web.get("/api/agents", self.agents),
            web.get("/api/agents/{name}", self.agent),
            web.get("/api/events", self.events),
            web.get("/api/mail", self.mail),
            web.post("/api/mail", self.send_mail),
            web.get("/api/mail/{id}", self.message),
            web.delete("/api/mail/{id}", self.delete_mail),
            web.post("/api/mail/{id}/read", self.read_mail),
            web.post("/api/mail/{id}/reply", self.reply_mail),
            web.get("/api/coordinator/state", self.state),
            web.post("/api/coordinator/start", self.start),
            web.post("/api/coordinator/stop", self.stop),
            web.post("/api/coordinator/send", self.send),
            web.post("/api/coordinator/ask", self.ask),
            web.post("/api/coordinator/check-complete", self.check_complete),
        ]

    async def page(self, _: web.Request) -> web.Response:
        """Refuse the real engine's page, which is not built."""
        return bad(503, "UI not built — run the UI build first")

    async def healthz(self, _: web.Request) -> web.Response:
        """Report that the server is up and is a rehearsal."""
        uptime = int((time.monotonic() - self.begun) * 1000)
        return good({"status": "ok", "uptimeMs": uptime, "version": self.project.dialect.label})

    async def runs(self, request: web.Request) -> web.Response:
        """List runs, newest first."""
        with self.project.sessions() as sessions:
            found = [run.shape() for run in sessions.runs()]
        return good(*page(found, request.query, "startedAt", newest_first=True))

    async def run(self, request: web.Request) -> web.Response:
        """Show a run with its agents."""
        run_id = request.match_info["id"]
        with self.project.sessions() as sessions:
            run, agents = sessions.run(run_id), sessions.all(run_id)
        if run is None:
            return bad(404, f"Run not found: {run_id}")
        return good({**run.shape(), "agents": [agent.shape(self.project.dialect) for agent in agents]})

    async def agents(self, request: web.Request) -> web.Response:
        """List agents as recorded, oldest first, without checking them."""
        with self.project.sessions() as sessions:
            found = [agent.shape(self.project.dialect) for agent in sessions.all(request.query.get("run"))]
        return good(*page(found, request.query, "startedAt"))

    async def agent(self, request: web.Request) -> web.Response:
        """Show one agent."""
        name = request.match_info["name"]
        with self.project.sessions() as sessions:
            row = sessions.get(name)
        return good(row.shape(self.project.dialect)) if row else bad(404, f"Agent not found: {name}")

    async def events(self, request: web.Request) -> web.Response:
        """List events, oldest first."""
        since = request.query.get("since", "")
        if since:
            try:
                datetime.fromisoformat(since)
            except ValueError as problem:
                raise InvalidRequest(f"Invalid since timestamp: {since}") from problem
        agent, run = request.query.get("agent"), request.query.get("run")
        with self.project.events() as events:
            found = events.find(since=since, limit=100_000, agent_name=agent, run_id=None if agent else run)
        return good(*page(found, request.query, "createdAt", number_ids=True))

    async def mail(self, request: web.Request) -> web.Response:
        """List mail, newest first."""
        query = request.query
        unread = {"true": 0, None: None}.get(query.get("unread"))
        with self.project.mail() as mail:
            found = mail.find(to_agent=query.get("to"), from_agent=query.get("from"), read=unread)
        return good(*page([one.shape() for one in found], query, "createdAt", newest_first=True))

    async def send_mail(self, request: web.Request) -> web.Response:
        """Send mail to an agent with a session in any state, or to a group."""
        body = await body_of(request)
        to, subject, text = needed(body, "to"), needed(body, "subject"), needed(body, "body")
        sender, kind = optional(body, "from", "operator"), optional(body, "type", "status")
        priority, payload = optional(body, "priority", "normal"), optional(body, "payload", "")
        if kind not in self.project.dialect.mail_types:
            raise InvalidRequest(f'Invalid type: "{kind}". Must be one of: {", ".join(self.project.dialect.mail_types)}')
        if priority not in PRIORITIES:
            raise InvalidRequest(f'Invalid priority: "{priority}". Must be one of: {", ".join(PRIORITIES)}')
        with self.project.sessions() as sessions:
            if not to.startswith("@") and sessions.get(to) is None:
                raise InvalidRequest(f'Unknown recipient: "{to}"')
            try:
                recipients = group(to, sessions.active(), sender) if to.startswith("@") else [to]
            except EngineError as refused:
                raise InvalidRequest(refused.message) from refused
        ids = [
            self.project.post(Message("", sender, one, subject, text, kind, priority, payload=payload or None)).id
            for one in recipients
        ]
        return good({"messageIds": ids} if to.startswith("@") else {"messageId": ids[0]})

    async def message(self, request: web.Request) -> web.Response:
        """Show one mail and its thread, but only the mail itself if it is the first (the real engine's quirk)."""
        with self.project.mail() as mail:
            one = mail.get(request.match_info["id"])
            thread = mail.in_thread(one.thread_id) if one and one.thread_id else [one]
        if one is None:
            return bad(404, f"Message not found: {request.match_info['id']}")
        return good({"message": one.shape(), "thread": [other.shape() for other in thread if other]})

    async def delete_mail(self, request: web.Request) -> web.Response:
        """Delete one mail."""
        one = request.match_info["id"]
        with self.project.mail() as mail:
            gone = mail.delete(one)
        return good({"id": one, "deleted": True}) if gone else bad(404, f"Message not found: {one}")

    async def read_mail(self, request: web.Request) -> web.Response:
        """Mark one mail as read."""
        one = request.match_info["id"]
        with self.project.mail() as mail:
            if mail.get(one) is None:
                return bad(404, f"Message not found: {one}")
            mail.mark_read([one])
        return good({"id": one, "read": True})

    async def reply_mail(self, request: web.Request) -> web.Response:
        """Answer a mail as a person."""
        one = request.match_info["id"]
        with self.project.mail() as mail:
            if mail.get(one) is None:
                return bad(404, f"Message not found: {one}")
            body = await body_of(request)
            sent = mail.reply(one, needed(body, "body"), optional(body, "from", "operator"))
        return good({"messageId": sent.id})

    async def state(self, _: web.Request) -> web.Response:
        """Show the coordinator's state as recorded, true or not (finding 8)."""
        row = lifecycle.active(self.project)
        return good(
            {
                "running": row is not None,
                "agentName": COORDINATOR,
                "pid": row.pid if row else None,
                "tmuxSession": (row.tmux_session or None) if row else None,
                "runId": row.run_id if row else None,
                "startedAt": row.started_at if row else None,
                "lastActivityAt": row.last_activity if row else None,
                "headless": row is not None and self.attendant.connected,
            }
        )

    async def start(self, _: web.Request) -> web.Response:
        """Start the coordinator."""
        try:
            return good(self.attendant.start())
        except EngineError as refused:
            return bad(500, refused.message)

    async def stop(self, _: web.Request) -> web.Response:
        """Stop the coordinator."""
        return good({"stopped": await asyncio.to_thread(self.attendant.stop)})

    async def send(self, request: web.Request) -> web.Response:
        """Mail the coordinator an objective."""
        body = await body_of(request)
        subject, text = needed_loosely(body, "subject"), needed_loosely(body, "body")
        return good({"messageId": self.attendant.send(optional(body, "from", "operator"), subject, text).id})

    async def ask(self, request: web.Request) -> web.Response:
        """Mail the coordinator and wait for the answer."""
        body = await body_of(request)
        subject, text, sender = (
            needed_loosely(body, "subject"),
            needed_loosely(body, "body"),
            optional(body, "from", "operator"),
        )
        wait = body.get("timeoutSec") if body.get("timeoutSec") is not None else 120
        if isinstance(wait, bool) or not isinstance(wait, int | float) or not 1 <= wait <= 600:
            raise InvalidRequest("Invalid 'timeoutSec' (must be a number 1..600)")
        sent = self.attendant.send(sender, subject, text, json.dumps({"correlationId": str(uuid.uuid4())}))
        deadline = time.monotonic() + wait
        reply = None
        while reply is None and time.monotonic() < deadline:
            await asyncio.sleep(ASK_SECONDS)
            with self.project.mail() as mail:
                reply = next(
                    (one for one in mail.in_thread(sent.id) if one.from_agent == COORDINATOR and one.to_agent == sender), None
                )
        found = {"id": reply.id, "body": reply.body, "subject": reply.subject} if reply else None
        return good({"messageId": sent.id, "reply": found, "timedOut": reply is None})

    async def check_complete(self, _: web.Request) -> web.Response:
        """Show the coordinator's exit triggers."""
        return good(coordinator_commands.check_complete(Call(self.project, Arguments(), True)).fields)


def needed_loosely(body: dict[str, Any], name: str) -> str:
    """Return a required text field, refused with the message of the coordinator's routes."""
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidRequest(f"Missing or invalid '{name}' (string)")
    return value
