"""Routes under `/api` for the person, the fleet, products, work, skills and the audit log."""

import uuid
from dataclasses import asdict
from difflib import get_close_matches
from typing import Any

from aiohttp import web

from bot.chat.web import from_request as given
from bot.chat.web.channels import to_conversation
from bot.chat.web.context import CONTEXT, Context, product_version
from bot.chat.web.errors import json_response
from bot.chat.web.queries import limit, number, states
from bot.chat.web.to_json import mail_json, registry_json, status_json
from bot.commands import catalogue
from bot.commands.skill import Skill
from bot.domain import Role, WorkState, access
from bot.domain.errors import NotAllowed, NotFound
from bot.gates.inbox import assess
from bot.text.markdown import to_html
from bot.work import views
from bot.work.slots import paused_products
from bot.work.status import product_json
from bot.work.status import status as fleet_status

routes = web.RouteTableDef()
MOST = 500
"""Most rows in one answer."""


@routes.get("/api/me")
async def me(request: web.Request) -> web.Response:
    """Return the signed-in person and the available commands."""
    context = request.app[CONTEXT]
    person = context.person()
    commands = [
        {"name": each.name, "usage": catalogue.usage(each), "summary": each.summary, "examples": list(each.examples)}
        for each in context.router.skills
    ]
    return json_response({"name": person.name, "role": person.role.value, "version": product_version(), "commands": commands})


@routes.get("/api/status")
async def status(request: web.Request) -> web.Response:
    """Return the status of the fleet."""
    return json_response(status_json(request.app[CONTEXT]))


@routes.get("/api/products/{name}")
async def product(request: web.Request) -> web.Response:
    """Return one product with its status, work, gates, mail and registry entry."""
    context = request.app[CONTEXT]
    fleet = context.fleet
    found = fleet.product(request.match_info["name"])
    state = next(each for each in fleet_status(fleet, [found.name]).products if each.name == found.name)
    newest = fleet.store.gates.in_states(product=found.name, limit=50)
    return json_response(
        {
            **product_json(state),
            "registry": registry_json(found, context),
            "work": [views.work_json(each, fleet) for each in fleet.store.work.newest(found.name)],
            "gate_list": views.gates_json(assess(fleet, newest[::-1]), fleet),
            "mail": [mail_json(each) for each in fleet.store.mail.newest(found.name, 50)],
        }
    )


@routes.get("/api/work")
async def work(request: web.Request) -> web.Response:
    """List work, newest first. Filter with `product`, `state` (or `open`) and `limit`."""
    fleet, query = request.app[CONTEXT].fleet, request.query
    name = fleet.product(query["product"]).name if query.get("product") else None
    wanted = states(query.get("state", ""), {each.value: each.open for each in WorkState})
    if wanted:
        found = fleet.store.work.open(name, states=wanted)[::-1][: limit(query.get("limit"), MOST)]
    else:
        found = fleet.store.work.newest(name, limit=limit(query.get("limit"), MOST))
    paused = paused_products(fleet)
    return json_response({"work": [views.work_json(each, fleet, paused) for each in found]})


@routes.post("/api/skills/{name}")
async def run(request: web.Request) -> web.Response:
    """Run a skill with the arguments in the body.

    `?conversation=` names the conversation it belongs to. A repeated `Idempotency-Key` runs it once.
    """
    context = request.app[CONTEXT]
    skill = to_skill(request.match_info["name"], context)
    arguments = given.parsed(given.OBJECT, await given.read_body(request)) if request.can_read_body else {}
    key = request.headers.get("Idempotency-Key") or uuid.uuid4().hex
    conversation = to_conversation(request.query.get("conversation", "main"))
    event = f"api:{key[:200]}:{skill.name}"
    result = await context.router.invoke(skill, arguments, context.person(), conversation, event)
    return json_response(
        {
            "text": result.text,
            "html": to_html(result.text),
            "data": result.data,
            "table": {"columns": result.table.columns, "rows": result.table.rows} if result.table else None,
            "cards": views.cards_json(result.cards, context.fleet),
            "suggestions": [{"label": each.label, "command": each.command} for each in result.suggestions],
        }
    )


@routes.get("/api/audit")
async def audit(request: web.Request) -> web.Response:
    """List the audit log, newest first (admin only).

    `before` a row's number lists older rows. Filter with `about` (id of a gate or work), `kind`, `person` and `product`.
    `verify=1` also checks that no row was changed or removed.
    """
    context, query = request.app[CONTEXT], request.query
    if reason := access.may(context.person(), Role.ADMIN):
        raise NotAllowed(reason)
    before = number(query.get("before"), "before") or None
    wanted = {"subject": query.get("about"), **{name: query.get(name) for name in ("kind", "person", "product")}}
    journal = context.fleet.store.audit
    found: dict[str, Any] = {"audit": journal.found(limit=limit(query.get("limit"), MOST), before=before, **wanted)}
    if query.get("verify"):
        found["verdict"] = asdict(journal.verify())
    return json_response(found)


def to_skill(name: str, context: Context) -> Skill:
    """Return the skill of a name or tool name. Raises NotFound with the nearest one."""
    if found := catalogue.named(name, context.router.skills):
        return found
    names = [each.name for each in context.router.skills]
    near = get_close_matches(name, names, n=1)
    hint = f"Did you mean {near[0]}?" if near else f"Use one of: {', '.join(names)}."
    raise NotFound(f"There is no skill “{name[:40]}”.", hint)
