"""The app manifest: what Slack has to know of us, made from the skills; and the scopes, each with its reason. Pure."""

from collections.abc import Sequence
from typing import Any

from bot.commands.skill import Skill
from bot.text.wording import shortened

HOOK = "/slack/events"
"""Path on the web application that Slack sends everything to, over HTTP."""
COMMAND, SHORTCUT = "/fleet", "make_task"
PROMPTS = (
    ("What waits for me?", "/fleet gates"),
    ("What is everybody doing?", "/fleet status"),
    ("What has it cost?", "What did each product cost today, and on what?"),
    ("What can you do?", "/fleet help"),
)
"""What the agent's pane offers: the words on it, and what is said when it is chosen."""
SCOPES = {
    "app_mentions:read": "hear when somebody mentions it",
    "assistant:write": "be an agent of Slack: its own pane, what can be asked, a status line, Stop",
    "channels:history": "read threads that it speaks in, and what was said while it was away, in public channels",
    "channels:read": "find the products' channels by name, and notice when one is renamed or archived",
    "chat:write": "answer, post plans and reports, change a card when it is decided",
    "commands": "the slash command /fleet, and “Make this a task” on a message",
    "files:write": "attach a plan that is too long for a message",
    "groups:history": "the same as channels:history, in private channels that it was invited to",
    "groups:read": "the same as channels:read, for private channels that it was invited to",
    "im:history": "read what people write to it directly",
    "im:read": "know which direct messages there are, to catch up on them",
    "im:write": "send approvers a note",
    "users:read": "notice when somebody's account is deactivated",
}
"""Every scope of the bot token, and why."""
APP_SCOPES = {"connections:write": "open the Socket Mode connection"}
EVENTS = (
    "agent_session_stopped", "app_home_opened", "app_mention", "app_uninstalled", "assistant_thread_started", "channel_archive",
    "channel_deleted", "channel_left", "channel_rename", "channel_unarchive", "group_archive", "group_deleted", "group_left",
    "group_rename", "group_unarchive", "member_joined_channel", "member_left_channel", "message.channels", "message.groups",
    "message.im", "tokens_revoked", "user_change",
)  # fmt: skip


def manifest(skills: Sequence[Skill], url: str | None = None) -> dict[str, Any]:
    """The manifest, for Socket Mode; with `url`, the address of the web application, for HTTP."""
    where = {} if url is None else {"url": f"{url}{HOOK}"}
    request = {} if url is None else {"request_url": f"{url}{HOOK}"}
    names = " | ".join(skill.name for skill in skills)
    return {
        "_metadata": {"major_version": 2, "minor_version": 1},
        "display_information": {
            "name": "Fleet",
            "description": "One coordinator for a fleet of products: agents work, people approve.",
            "long_description": _long(skills),
            "background_color": "#1d3557",
        },
        "features": {
            "app_home": {"home_tab_enabled": True, "messages_tab_enabled": True, "messages_tab_read_only_enabled": False},
            "bot_user": {"display_name": "fleet", "always_online": True},
            "agent_view": {
                "agent_description": "Tends your products: ask what they do, start work, approve plans.",
                "suggested_prompts": [{"title": title, "message": message} for title, message in PROMPTS],
            },
            "shortcuts": [
                {
                    "name": "Make this a task",
                    "type": "message",
                    "callback_id": SHORTCUT,
                    "description": "Start work on a product",
                }
            ],
            "slash_commands": [
                {
                    "command": COMMAND,
                    "description": "Ask or command the fleet; /fleet help says how",
                    "usage_hint": shortened(names.replace(" | ", " "), 1000),
                    "should_escape": False,
                    **where,
                }
            ],
        },
        "oauth_config": {"scopes": {"bot": sorted(SCOPES)}},
        "settings": {
            "event_subscriptions": {**request, "bot_events": list(EVENTS)},
            "interactivity": {"is_enabled": True, **request},
            "org_deploy_enabled": False,
            "socket_mode_enabled": url is None,
            "token_rotation_enabled": False,
        },
    }


def _long(skills: Sequence[Skill]) -> str:
    lines = [f"• {skill.name}: {skill.summary}" for skill in skills]
    head = (
        "Tends a fleet of products, each with agents that work on it. Plans come back to people as cards with buttons. Skills:"
    )
    return "\n".join([head, *lines])[:4000]
