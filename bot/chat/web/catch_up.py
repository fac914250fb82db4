"""Conversations and their posts, for a page that opens or reconnects."""

from aiohttp import web

from bot.chat.web.channels import to_conversation, to_name
from bot.chat.web.context import CONTEXT
from bot.chat.web.errors import json_response
from bot.chat.web.queries import limit, number
from bot.chat.web.to_json import posts_json

routes = web.RouteTableDef()
PAGE = 100
"""Most posts in one answer."""


@routes.get("/api/conversations")
async def conversations(request: web.Request) -> web.Response:
    """List the web's conversations, newest first, each with `running` while the agent works in it."""
    context = request.app[CONTEXT]
    running = context.router.running()
    found = context.fleet.store.conversations.newest("web")
    shown = [{**each, "id": to_name(each["id"]), "running": each["id"] in running} for each in found]
    return json_response({"conversations": shown})


@routes.get("/api/conversations/{id}/posts")
async def posts(request: web.Request) -> web.Response:
    """List the posts of a conversation, oldest first.

    These are the newest 100, or those `after` or `before` a post's number.
    """
    context, query = request.app[CONTEXT], request.query
    conversation = to_conversation(request.match_info["id"])
    after, before = number(query.get("after"), "after"), number(query.get("before"), "before")
    most = limit(query.get("limit"), PAGE)
    found = context.fleet.store.posts.of(conversation, after=after, before=before or None, limit=most)
    return json_response(
        {
            "conversation": to_name(conversation),
            "posts": posts_json(found, context),
            "more": len(found) == most,
            "streaming": context.streams.now(conversation),
        }
    )
