"""The app manifest, built from the skills, and the scopes with their reasons. Pure."""

from collections.abc import Sequence
from typing import Any

from bot.commands.skill import Skill
from bot.text.wording import shortened

HOOK = "/slack/events"
"""Path of the web application that takes every request over HTTP."""
COMMAND, SHORTCUT = "/fleet", "make_task"
PROMPTS = (
    ("What needs my decision?", "/fleet gates"),
    ("What is running?", "/fleet status"),
    ("What did we spend today?", "What did each product cost today, and on what?"),
    ("What can you do?", "/fleet help"),
)
"""Suggestions in the agent's pane, as titles and messages."""
SCOPES = {
    "app_mentions:read": "receive messages that mention it",
    "assistant:write": "appear as an agent, with a pane, suggestions, a status line and a Stop button",
    "channels:history": "read its threads, and messages sent while it was offline, in public channels",
    "channels:read": "find the products' channels by name, and detect renamed and archived ones",
    "chat:write": "answer, post plans and reports, and update decided cards",
    "commands": "offer the slash command /fleet and the shortcut “Make this a task”",
    "files:write": "attach a plan that is too long for a message",
    "groups:history": "the same as channels:history, for private channels it was invited to",
    "groups:read": "the same as channels:read, for private channels it was invited to",
    "im:history": "read direct messages to it",
    "im:read": "list direct messages, to read those sent while it was offline",
    "im:write": "notify approvers in direct messages",
    "users:read": "detect deactivated accounts",
}
"""Every scope of the bot token with its reason."""
APP_SCOPES = {"connections:write": "open the Socket Mode connection"}
EVENTS = (
    "agent_session_stopped", "app_home_opened", "app_mention", "app_uninstalled", "assistant_thread_started", "channel_archive",
    "channel_deleted", "channel_left", "channel_rename", "channel_unarchive", "group_archive", "group_deleted", "group_left",
    "group_rename", "group_unarchive", "member_joined_channel", "member_left_channel", "message.channels", "message.groups",
    "message.im", "tokens_revoked", "user_change",
)  # fmt: skip


def manifest(skills: Sequence[Skill], url: str | None = None) -> dict[str, Any]:
    """Return the manifest for Socket Mode, or for HTTP with `url` as the web application's address."""
    where = {} if url is None else {"url": f"{url}{HOOK}"}
    request = {} if url is None else {"request_url": f"{url}{HOOK}"}
    names = " | ".join(skill.name for skill in skills)
    return {
        "_metadata": {"major_version": 2, "minor_version": 1},
        "display_information": {
            "name": "Fleet",
            "description": "Run agents across all your products. They work, you approve.",
            "long_description": _long(skills),
            "background_color": "#1d3557",
        },
        "features": {
            "app_home": {"home_tab_enabled": True, "messages_tab_enabled": True, "messages_tab_read_only_enabled": False},
            "bot_user": {"display_name": "fleet", "always_online": True},
            "agent_view": {
                "agent_description": "Ask about your products, start work, approve plans.",
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
                    "description": "Ask about, start and decide work. See /fleet help",
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
    head = "Runs coding, marketing and support agents across your products. Plans arrive as cards with buttons. Skills:"
    return "\n".join([head, *lines])[:4000]
