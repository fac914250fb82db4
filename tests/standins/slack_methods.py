"""The Web API methods of the stand-in, with their arguments, scopes and effects.

An unknown argument is refused here. The real Slack ignores most of them, so a mistake would stay unnoticed.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.standins.slack_blocks import MOST_MARKDOWN, message_problems, view_problems
from tests.standins.slack_world import APP, BOT, BOT_USER, TEAM, Channel, Json, Refusal

if TYPE_CHECKING:
    from tests.standins.slack import Slack

Call = Callable[["Slack", Json], Awaitable[Json] | Json]


@dataclass(frozen=True)
class Method:
    """One method."""

    call: Call
    required: frozenset[str]
    optional: frozenset[str]
    scopes: frozenset[str] = frozenset()
    """Scopes of which one is required."""
    token: str = "xoxb-"


METHODS: dict[str, Method] = {}


def method(name: str, required: str = "", optional: str = "", scopes: str = "", token: str = "xoxb-") -> Callable[[Call], Call]:
    """Declare a method with its arguments."""

    def declare(call: Call) -> Call:
        METHODS[name] = Method(call, frozenset(required.split()), frozenset(optional.split()), frozenset(scopes.split()), token)
        return call

    return declare


READ = "channels:read groups:read im:read"
HISTORY = "channels:history groups:history im:history"
LOOKS = "icon_emoji icon_url username"


@method("auth.test")
def auth_test(slack: "Slack", args: Json) -> Json:
    return {"url": "https://fleet.slack.com/", "team": "Fleet", "user": "fleet", "team_id": TEAM, "user_id": BOT_USER,
            "bot_id": BOT}  # fmt: skip


@method("apps.connections.open", scopes="connections:write", token="xapp-")
def connections_open(slack: "Slack", args: Json) -> Json:
    return {"url": slack.new_link()}


# -- chat ------------------------------------------------------------------------------------------------------------------

POSTED = f"text blocks thread_ts metadata unfurl_links unfurl_media link_names parse mrkdwn reply_broadcast {LOOKS}"


@method("chat.postMessage", "channel", POSTED, "chat:write")
def post_message(slack: "Slack", args: Json) -> Json:
    channel = slack.world.writable(args["channel"])
    message = _content(args)
    message.update(user=BOT_USER, bot_id=BOT, app_id=APP, team=TEAM)
    message["unfurl"] = bool(args.get("unfurl_links", True) or args.get("unfurl_media", True))
    message = slack.world.add(channel, message, thread=args.get("thread_ts"))
    return {"channel": channel.id, "ts": message["ts"], "message": message}


@method("chat.update", "channel ts", "text blocks metadata link_names parse reply_broadcast", "chat:write")
def update(slack: "Slack", args: Json) -> Json:
    channel = slack.world.writable(args["channel"])
    message = slack.world.mine(channel, args["ts"])
    if message.get("streaming"):
        raise Refusal("streaming_state_conflict")
    message.pop("blocks", None)
    message.update(_content(args), edited={"user": BOT_USER, "ts": slack.world.ts()})
    event = {"subtype": "message_changed", "message": dict(message), "previous_message": {}, "hidden": True}
    slack.world.hear(slack.world.event(channel, {"type": "message", "ts": slack.world.ts(), **event}))
    return {"channel": channel.id, "ts": message["ts"], "text": message["text"]}


@method("chat.delete", "channel ts", "", "chat:write")
def delete(slack: "Slack", args: Json) -> Json:
    channel = slack.world.writable(args["channel"])
    channel.messages.remove(slack.world.mine(channel, args["ts"]))
    return {"channel": channel.id, "ts": args["ts"]}


@method("chat.postEphemeral", "channel user", f"text blocks thread_ts link_names parse {LOOKS}", "chat:write")
def post_ephemeral(slack: "Slack", args: Json) -> Json:
    channel = slack.world.writable(args["channel"])
    if args["user"] not in channel.members:
        raise Refusal("user_not_in_channel")
    said = {"user": args["user"], "channel": channel.id, "thread_ts": args.get("thread_ts"), **_content(args)}
    slack.world.ephemeral.append(said)
    return {"message_ts": slack.world.ts()}


@method("chat.getPermalink", "channel message_ts")
def get_permalink(slack: "Slack", args: Json) -> Json:
    channel = slack.world.readable(args["channel"])
    message = channel.find(args["message_ts"])
    if message is None:
        raise Refusal("message_not_found")
    return {"channel": channel.id, "permalink": slack.world.permalink(channel, message)}


STREAMED = f"markdown_text chunks recipient_user_id recipient_team_id task_display_mode {LOOKS}"


@method("chat.startStream", "channel thread_ts", STREAMED, "chat:write")
def start_stream(slack: "Slack", args: Json) -> Json:
    channel = slack.world.writable(args["channel"])
    if not slack.agent:
        raise Refusal("team_not_supported")
    if not channel.im_of and not (args.get("recipient_user_id") and args.get("recipient_team_id")):
        raise Refusal("missing_recipient_user_id")
    message = {"text": "", "user": BOT_USER, "bot_id": BOT, "app_id": APP, "team": TEAM, "streaming": True, "tasks": {}}
    message = slack.world.add(channel, message, thread=args["thread_ts"])
    _stream(message, args)
    return {"channel": channel.id, "ts": message["ts"]}


@method("chat.appendStream", "channel ts", "markdown_text chunks", "chat:write")
def append_stream(slack: "Slack", args: Json) -> Json:
    channel, message = _streaming(slack, args)
    if not args.get("markdown_text") and not args.get("chunks"):
        raise Refusal("no_text")
    _stream(message, args)
    return {"channel": channel.id, "ts": message["ts"]}


@method("chat.stopStream", "channel ts", "markdown_text chunks blocks metadata session_status", "chat:write")
def stop_stream(slack: "Slack", args: Json) -> Json:
    channel, message = _streaming(slack, args)
    if "blocks" in args:
        _blocks(args["blocks"])
        message["blocks"] = args["blocks"]
    if "metadata" in args:
        message["metadata"] = _metadata(args["metadata"])
    _stream(message, args)
    message["streaming"] = False
    if "session_status" in args:
        _session(slack, channel.id, message["thread_ts"], args["session_status"])
    return {"channel": channel.id, "ts": message["ts"], "message": message}


def _streaming(slack: "Slack", args: Json) -> tuple[Channel, Json]:
    channel = slack.world.writable(args["channel"])
    message = slack.world.mine(channel, args["ts"])
    if not message.get("streaming"):
        raise Refusal("message_not_in_streaming_state")
    return channel, message


def _stream(message: Json, args: Json) -> None:
    if args.get("markdown_text") and args.get("chunks"):
        raise Refusal("invalid_arguments", "markdown_text and chunks exclude each other")
    for chunk in [{"type": "markdown_text", "text": args.get("markdown_text", "")}, *args.get("chunks", ())]:
        if chunk["type"] == "markdown_text" and set(chunk) == {"type", "text"}:
            message["text"] += chunk["text"]
        elif chunk["type"] == "task_update" and {"id", "title", "status"} <= set(chunk):
            if chunk["status"] not in {"pending", "in_progress", "complete", "error"}:
                raise Refusal("invalid_chunks")
            message["tasks"][chunk["id"]] = (chunk["title"], chunk["status"])
        else:
            raise Refusal("invalid_chunks")
    if len(args.get("markdown_text", "")) > MOST_MARKDOWN:
        raise Refusal("msg_too_long")


def _content(args: Json) -> Json:
    """Return the checked text, blocks and metadata."""
    if not args.get("text") and not args.get("blocks"):
        raise Refusal("no_text")
    if len(args.get("text", "")) > 40_000:
        raise Refusal("msg_too_long")
    found: Json = {"text": args.get("text", "")}
    if "blocks" in args:
        _blocks(args["blocks"])
        found["blocks"] = args["blocks"]
    if "metadata" in args:
        found["metadata"] = _metadata(args["metadata"])
    return found


def _blocks(blocks: Any) -> None:
    if problems := message_problems(blocks):
        too_long = problems[0].startswith("msg_blocks_too_long")
        raise Refusal("msg_blocks_too_long" if too_long else "invalid_blocks", *problems)


def _metadata(metadata: Any) -> Json:
    right = isinstance(metadata, dict) and set(metadata) == {"event_type", "event_payload"}
    if not right or not isinstance(metadata["event_payload"], dict):
        raise Refusal("invalid_metadata_format")
    return dict(metadata)


# -- agents ----------------------------------------------------------------------------------------------------------------


@method("assistant.threads.setStatus", "channel_id thread_ts status", f"loading_messages {LOOKS}", "assistant:write chat:write")
def set_status(slack: "Slack", args: Json) -> Json:
    slack.world.writable(args["channel_id"])
    if len(args["status"]) > 100 or any(len(each) > 100 for each in args.get("loading_messages", ())):
        raise Refusal("invalid_arguments", "a status has at most 100 characters")
    slack.world.statuses.append(args)
    return {}


@method("assistant.threads.setSuggestedPrompts", "channel_id prompts", "thread_ts title", "assistant:write")
def set_prompts(slack: "Slack", args: Json) -> Json:
    slack.world.writable(args["channel_id"])
    if not 1 <= len(args["prompts"]) <= 4 or any(set(each) != {"title", "message"} for each in args["prompts"]):
        raise Refusal("invalid_arguments", "one to four prompts, each with title and message")
    slack.world.prompts.append(args)
    return {}


@method("agents.sessions.setStatus", "status", "channel_id thread_ts title initiator_user_id", "chat:write")
def set_session(slack: "Slack", args: Json) -> Json:
    if not slack.agent:
        raise Refusal("not_an_agent")
    slack.world.writable(args["channel_id"])
    _session(slack, args["channel_id"], args["thread_ts"], args["status"])
    return {"agent_status": args["status"]}


def _session(slack: "Slack", channel: str, thread: str, status: str) -> None:
    if status not in {"active", "processing", "suspended", "closed"}:
        raise Refusal("invalid_status")
    slack.world.sessions[channel, thread] = status


# -- conversations and people ----------------------------------------------------------------------------------------------


def _page(items: list[Json], args: Json) -> tuple[list[Json], Json]:
    start, most = int(args.get("cursor") or 0), int(args.get("limit", 100))
    if not 1 <= most <= 999:
        raise Refusal("invalid_limit")
    more = str(start + most) if start + most < len(items) else ""
    return items[start : start + most], {"response_metadata": {"next_cursor": more}}


def _of_types(slack: "Slack", args: Json) -> list[Channel]:
    kinds = {"public_channel": "channel", "private_channel": "group", "im": "im", "mpim": "mpim"}
    wanted = {kinds[each] for each in str(args.get("types", "public_channel")).split(",")}
    archived = str(args.get("exclude_archived", "false")).lower() in {"true", "1"}
    return [
        each
        for each in slack.world.channels.values()
        if each.kind in wanted and not (archived and each.archived) and (not each.private or BOT_USER in each.members)
    ]


@method("conversations.list", "", "types exclude_archived limit cursor team_id", READ)
def conversations_list(slack: "Slack", args: Json) -> Json:
    found, more = _page([each.as_json() for each in _of_types(slack, args) if not each.im_of], args)
    return {"channels": found, **more}


@method("users.conversations", "", "types exclude_archived limit cursor user team_id", READ)
def users_conversations(slack: "Slack", args: Json) -> Json:
    mine = [each.as_json() for each in _of_types(slack, args) if BOT_USER in each.members]
    found, more = _page(mine, args)
    return {"channels": found, **more}


@method("conversations.info", "channel", "include_locale include_num_members", READ)
def conversations_info(slack: "Slack", args: Json) -> Json:
    return {"channel": slack.world.channel(args["channel"]).as_json()}


@method("conversations.open", "users", "return_im", "im:write")
def conversations_open(slack: "Slack", args: Json) -> Json:
    user = slack.world.user(args["users"])
    if user.deleted:
        raise Refusal("user_disabled")
    return {"channel": {"id": slack.world.im(user.id).id}}


RANGE = "oldest latest inclusive limit cursor include_all_metadata"


@method("conversations.history", "channel", RANGE, HISTORY)
def history(slack: "Slack", args: Json) -> Json:
    channel = slack.world.readable(args["channel"])
    return _messages(channel.top()[::-1], args)


@method("conversations.replies", "channel ts", RANGE, HISTORY)
def replies(slack: "Slack", args: Json) -> Json:
    channel = slack.world.readable(args["channel"])
    if channel.find(args["ts"]) is None:
        raise Refusal("thread_not_found")
    root, *rest = channel.thread(args["ts"])
    answer = _messages(rest, args)
    return {**answer, "messages": [_shown(root, args), *answer["messages"]]}


def _messages(messages: list[Json], args: Json) -> Json:
    oldest, latest = float(args.get("oldest") or 0), float(args.get("latest") or 1e12)
    same = str(args.get("inclusive", "false")).lower() in {"true", "1"}
    found = [
        each for each in messages if oldest < float(each["ts"]) < latest or (same and float(each["ts"]) in {oldest, latest})
    ]
    shown, more = _page(found, args)
    return {
        "messages": [_shown(each, args) for each in shown],
        "has_more": bool(more["response_metadata"]["next_cursor"]),
        **more,
    }


def _shown(message: Json, args: Json) -> Json:
    metadata = str(args.get("include_all_metadata", "false")).lower() in {"true", "1"}
    return {key: value for key, value in message.items() if key != "streaming" and (metadata or key != "metadata")}


@method("users.info", "user", "include_locale", "users:read")
def users_info(slack: "Slack", args: Json) -> Json:
    user = slack.world.user(args["user"])
    shown = {"real_name": user.name.title(), "display_name": user.name}
    return {"user": {"id": user.id, "team_id": user.team, "name": user.name, "deleted": user.deleted, "is_bot": user.is_bot,
                     "profile": shown}}  # fmt: skip


# -- views and files -------------------------------------------------------------------------------------------------------


@method("views.open", "trigger_id view")
def views_open(slack: "Slack", args: Json) -> Json:
    slack.exchange(args["trigger_id"])
    return {"view": _opened(slack, args["view"], "modal")}


@method("views.publish", "user_id view", "hash")
def views_publish(slack: "Slack", args: Json) -> Json:
    slack.world.user(args["user_id"])
    view = _opened(slack, args["view"], "home")
    slack.world.homes[args["user_id"]] = view
    return {"view": view}


def _opened(slack: "Slack", view: Json, kind: str) -> Json:
    problems = view_problems(view) or ([] if view["type"] == kind else [f"view.type: must be {kind}"])
    if problems:
        raise Refusal("invalid_arguments", *problems)
    number = slack.world.number()
    opened = {**view, "id": f"V{number:08d}", "hash": f"{time.time()}.{number}", "app_id": APP, "bot_id": BOT, "team_id": TEAM}
    slack.world.views[opened["id"]] = opened
    return opened


@method("files.getUploadURLExternal", "filename length", "alt_txt snippet_type", "files:write")
def upload_url(slack: "Slack", args: Json) -> Json:
    id = f"F{slack.world.number():08d}"
    slack.world.files[id] = {"id": id, "name": args["filename"], "size": int(args["length"]), "content": None}
    return {"upload_url": f"{slack.root}/upload/{id}", "file_id": id}


@method("files.completeUploadExternal", "files", "channel_id channels thread_ts initial_comment blocks", "files:write")
def complete_upload(slack: "Slack", args: Json) -> Json:
    channel = slack.world.writable(args["channel_id"])
    files = []
    for each in args["files"]:
        file = slack.world.files.get(each["id"])
        if file is None or file["content"] is None or len(file["content"]) != file["size"]:
            raise Refusal("file_not_found")
        file["title"] = each.get("title", file["name"])
        files.append({key: value for key, value in file.items() if key != "content"})
    said = {"text": args.get("initial_comment", ""), "user": BOT_USER, "bot_id": BOT, "files": files, "subtype": "file_share"}
    slack.world.add(channel, said, thread=args.get("thread_ts"))
    return {"files": files}
