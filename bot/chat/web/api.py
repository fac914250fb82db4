"""The routes under `/api`: what the page and other programs read and do."""

import uuid
from collections.abc import Sequence
from dataclasses import asdict
from difflib import get_close_matches
from typing import Any

from aiohttp import web

from bot.chat.web import bodies
from bot.chat.web.queries import limit, number, states
from bot.chat.web.refusals import answer
from bot.chat.web.site import SITE, Site, product_version, shown, stored
from bot.commands import catalogue
from bot.commands.skill import Skill
from bot.domain import Inbound, Mail, Post, Product, Role, WorkState, access
from bot.domain.errors import NotAllowed, NotFound
from bot.text.markdown import to_html
from bot.work import views
from bot.work.status import product_json

routes = web.RouteTableDef()
MOST = 500
"""Rows in one answer."""


@routes.get("/api/me")
async def me(request: web.Request) -> web.Response:
    """Who is signed in, and the commands there are."""
    site = request.app[SITE]
    person = site.person()
    commands = [
        {"name": each.name, "usage": catalogue.usage(each), "summary": each.summary, "examples": list(each.examples)}
        for each in site.router.skills
    ]
    return answer({"name": person.name, "role": person.role.value, "version": product_version(), "commands": commands})


@routes.get("/api/status")
async def status(request: web.Request) -> web.Response:
    """The fleet at a glance."""
    return answer(request.app[SITE].status())


@routes.get("/api/products/{name}")
async def product(request: web.Request) -> web.Response:
    """One product: how it stands, what was asked of it, its gates and its mail, and its entry in the registry."""
    site = request.app[SITE]
    found = site.fleet.product(request.match_info["name"])
    state = next(each for each in site.fleet.status([found.name]).products if each.name == found.name)
    store = site.fleet.store
    newest = store.gates.in_states(product=found.name, limit=50)
    return answer(
        {
            **product_json(state),
            "registry": registry_json(found, site),
            "work": [views.work_json(each) for each in store.work.newest(found.name)],
            "gate_list": views.gates_json(site.fleet.weighed(newest[::-1]), site.fleet),
            "mail": [mail_json(each) for each in site.fleet.newest_mail(found.name)],
        }
    )


@routes.get("/api/work")
async def work(request: web.Request) -> web.Response:
    """What was asked for, newest first; `product`, `state` (or `open`) and `limit` narrow it."""
    fleet, query = request.app[SITE].fleet, request.query
    name = fleet.product(query["product"]).name if query.get("product") else None
    wanted = states(query.get("state", ""), {each.value: each.open for each in WorkState})
    if wanted:
        found = fleet.store.work.open(name, states=wanted)[::-1][: limit(query.get("limit"), MOST)]
    else:
        found = fleet.store.work.newest(name, limit=limit(query.get("limit"), MOST))
    return answer({"work": [views.work_json(each) for each in found]})


@routes.post("/api/messages")
async def say(request: web.Request) -> web.Response:
    """Say something and wait for what it is answered with. The same `id` again gets the same answer."""
    site = request.app[SITE]
    given = bodies.parsed(bodies.MESSAGE, await bodies.body(request))
    inbound = to_inbound(site, given)
    replies = await site.router.handle(inbound)
    return answer(
        {
            "conversation": shown(inbound.conversation),
            "id": inbound.event.removeprefix("web:"),
            "replies": to_json(replies, site),
        }
    )


@routes.post("/api/stop")
async def stop(request: web.Request) -> web.Response:
    """Stop the turn that runs in a conversation."""
    given = bodies.parsed(bodies.STOP, await bodies.body(request))
    return answer({"stopped": request.app[SITE].router.stop_turn(stored(given.conversation))})


@routes.post("/api/skills/{name}")
async def run(request: web.Request) -> web.Response:
    """Run a skill with the arguments in the body. `?conversation=` is where it belongs; a repeated `Idempotency-Key` starts
    nothing twice."""
    site = request.app[SITE]
    skill = to_skill(site, request.match_info["name"])
    arguments = bodies.parsed(bodies.OBJECT, await bodies.body(request)) if request.can_read_body else {}
    key = request.headers.get("Idempotency-Key") or uuid.uuid4().hex
    where = stored(request.query.get("conversation", "main"))
    result = await site.router.invoke(skill, arguments, site.person(), where, f"api:{key[:200]}:{skill.name}")
    return answer(
        {
            "text": result.text,
            "html": to_html(result.text),
            "data": result.data,
            "table": {"columns": result.table.columns, "rows": result.table.rows} if result.table else None,
            "cards": views.cards_json(result.cards, site.fleet),
            "suggestions": [{"label": each.label, "command": each.command} for each in result.suggestions],
        }
    )


@routes.get("/api/conversations")
async def conversations(request: web.Request) -> web.Response:
    """The web's conversations, newest first, and in which of them a turn of the agent runs."""
    site = request.app[SITE]
    running = site.router.running()
    found = site.fleet.store.conversations.newest("web")
    return answer({"conversations": [{**each, "id": shown(each["id"]), "running": each["id"] in running} for each in found]})


@routes.get("/api/conversations/{id}/posts")
async def posts(request: web.Request) -> web.Response:
    """What was said in a conversation, oldest first: the newest 100, or those `after` or `before` a post's number."""
    site, query = request.app[SITE], request.query
    conversation = stored(request.match_info["id"])
    after, before = number(query.get("after"), "after"), number(query.get("before"), "before")
    most = limit(query.get("limit"), 100)
    found = site.fleet.store.posts.of(conversation, after=after, before=before or None, limit=most)
    return answer(
        {
            "conversation": shown(conversation),
            "posts": to_json(found, site),
            "more": len(found) == most,
            "streaming": site.streams.now(conversation),
        }
    )


@routes.get("/api/audit")
async def audit(request: web.Request) -> web.Response:
    """The journal of who did what, newest first; `before` a row's number for older ones; `about` (id of a gate or work),
    `kind`, `person` and `product` narrow it; `verify=1` also says whether it is whole."""
    site, query = request.app[SITE], request.query
    if reason := access.may(site.person(), Role.ADMIN):
        raise NotAllowed(reason)
    before = number(query.get("before"), "before") or None
    wanted = {"subject": query.get("about"), **{name: query.get(name) for name in ("kind", "person", "product")}}
    journal = site.fleet.store.audit
    found: dict[str, Any] = {"audit": journal.found(limit=limit(query.get("limit"), MOST), before=before, **wanted)}
    if query.get("verify"):
        found["verdict"] = asdict(journal.verify())
    return answer(found)


def to_inbound(site: Site, given: bodies.Message) -> Inbound:
    """What was said, as an event of its own id or a new one."""
    return site.inbound(stored(given.conversation), given.text.strip(), given.id or uuid.uuid4().hex)


def to_json(posts: Sequence[Post], site: Site) -> list[dict[str, Any]]:
    """Posts under the names by which the web knows their conversations."""
    return [{**each, "conversation": shown(each["conversation"])} for each in views.posts_json(posts, site.fleet)]


def to_skill(site: Site, name: str) -> Skill:
    """A skill by its name or its tool's. Raises NotFound with the nearest one."""
    if found := catalogue.named(name, site.router.skills):
        return found
    near = get_close_matches(name, [each.name for each in site.router.skills], n=1)
    hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(each.name for each in site.router.skills)}."
    raise NotFound(f"There is no skill “{name[:40]}”.", hint)


def mail_json(mail: Mail) -> dict[str, Any]:
    """A mail of the engine."""
    return {
        "id": mail.id,
        "from": mail.sender,
        "to": mail.recipient,
        "type": mail.type,
        "subject": mail.subject,
        "body": mail.body[:2000],
        "at": mail.created_at.isoformat(),
    }


def registry_json(product: Product, site: Site) -> dict[str, Any]:
    """A product's entry in the registry, with file and line."""
    rules, registry = product.approvals, site.fleet.registry
    return {
        "file": str(registry.file),
        "line": product.line,
        "path": product.path,
        "overstory": product.overstory,
        "resource_weight": product.resource_weight,
        "channels": [str(each) for each in product.channels],
        "runtime": product.runtime,
        "budget_per_day_usd": product.budget.per_day_usd,
        "approvals": {"required": rules.required, "deciders": list(access.deciders(product, registry.people))},
    }
