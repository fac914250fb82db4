"""People who use the stand-in for Slack."""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tests.standins.slack_blocks import elements
from tests.standins.slack_world import APP, BOT, BOT_USER, TEAM, Channel, Json

if TYPE_CHECKING:
    from tests.standins.slack import Delivery, Slack


class Somebody:
    """One person.

    Channels are given by `#name`, by id, or as `@fleet` for direct messages.
    """

    def __init__(self, slack: "Slack", id: str) -> None:
        self.slack, self.id = slack, id

    @property
    def name(self) -> str:
        """The name that others see."""
        return self.slack.world.users[self.id].name

    def place(self, where: str) -> Channel:
        """Return a channel."""
        world = self.slack.world
        if where == "@fleet":
            return world.im(self.id)
        return world.named(where) if where.startswith("#") else world.channels[where]

    # -- writing ------------------------------------------------------------------------------------------------------

    async def says(self, where: str, text: str, *, thread: str | None = None, **more: Any) -> str:
        """Write a message, in which `<@fleet>` mentions the bot, and return its timestamp."""
        channel = self.place(where)
        text = text.replace("<@fleet>", f"<@{BOT_USER}>")
        before = self.slack.under_way()
        message = self.slack.world.add(channel, {"user": self.id, "team": TEAM, "text": text, **more}, thread=thread)
        if f"<@{BOT_USER}>" in text and not channel.im_of:
            self.slack.emit({**self.slack.world.event(channel, message), "type": "app_mention"})
        await asyncio.gather(*(self.slack.under_way() - before))
        return str(message["ts"])

    async def edits(self, where: str, ts: str, text: str) -> None:
        """Edit an own message."""
        channel = self.place(where)
        message = channel.find(ts)
        assert message is not None
        previous = dict(message)
        message["text"] = text.replace("<@fleet>", f"<@{BOT_USER}>")
        message["edited"] = {"user": self.id, "ts": self.slack.world.ts()}
        event = {"subtype": "message_changed", "message": dict(message), "previous_message": previous, "hidden": True}
        await self._tells(channel, event)

    async def deletes(self, where: str, ts: str) -> None:
        """Delete an own message."""
        channel = self.place(where)
        message = channel.find(ts)
        assert message is not None
        channel.messages.remove(message)
        await self._tells(
            channel, {"subtype": "message_deleted", "deleted_ts": ts, "previous_message": message, "hidden": True}
        )

    async def _tells(self, channel: Channel, event: Json) -> None:
        told = {"type": "message", "ts": self.slack.world.ts(), **event}
        await self.slack.emit(self.slack.world.event(channel, told))

    async def commands(self, where: str, text: str, command: str = "/fleet") -> "Delivery":
        """Send a slash command. Slack has none inside threads."""
        channel = self.place(where)
        name = "directmessage" if channel.im_of else channel.name
        payload = {
            "token": "verification", "team_id": TEAM, "team_domain": "fleet", "channel_id": channel.id, "channel_name": name,
            "user_id": self.id, "user_name": self.name, "command": command, "text": text, "api_app_id": APP,
            "is_enterprise_install": "false", "response_url": self.slack.response_url(self.id, channel.id),
            "trigger_id": self.slack.trigger(),
        }  # fmt: skip
        return await self.slack.send("slash_commands", payload)

    # -- pressing -----------------------------------------------------------------------------------------------------

    async def presses(self, label: str, where: str, message: Json) -> "Delivery":
        """Press a button of a message."""
        channel = self.place(where)
        shown = channel.find(message["ts"]) or message
        button = find_button(shown.get("blocks", []), label)
        return await self.press_of(button, where, message)

    async def press_of(self, button: Json, where: str, message: Json) -> "Delivery":
        """Press a button as it was seen, even if the message has changed."""
        channel = self.place(where)
        container = {"type": "message", "message_ts": message["ts"], "channel_id": channel.id, "is_ephemeral": False}
        if message.get("thread_ts"):
            container["thread_ts"] = message["thread_ts"]
        payload = self._interaction("block_actions", button, container=container, message=dict(message))
        payload["channel"] = {"id": channel.id, "name": "directmessage" if channel.im_of else channel.name}
        payload["response_url"] = self.slack.response_url(self.id, channel.id)
        return await self.slack.send("interactive", payload, accepts=False)

    async def presses_at_home(self, label: str) -> "Delivery":
        """Press a button in the person's App Home."""
        view = self.slack.world.homes[self.id]
        payload = self._interaction(
            "block_actions", find_button(view["blocks"], label), container={"type": "view", "view_id": view["id"]}, view=view
        )
        return await self.slack.send("interactive", payload, accepts=False)

    def _interaction(self, kind: str, button: Json, **more: Any) -> Json:
        user = {"id": self.id, "username": self.name, "name": self.name, "team_id": self.slack.world.users[self.id].team}
        action: Json = {**{key: button[key] for key in ("action_id", "block_id", "value", "type", "text") if key in button},
                  "action_ts": self.slack.world.ts()}  # fmt: skip
        payload: Json = {
            "type": kind, "user": user, "api_app_id": APP, "token": "verification", "trigger_id": self.slack.trigger(),
            "team": {"id": TEAM, "domain": "fleet"}, "enterprise": None, "is_enterprise_install": False,
            "state": {"values": {}}, "actions": [action], **more,
        }  # fmt: skip
        return payload

    async def shortcuts(self, callback: str, where: str, ts: str) -> "Delivery":
        """Choose a shortcut from a message's menu."""
        channel = self.place(where)
        message = channel.find(ts)
        payload = self._interaction("message_action", {})
        payload.update(callback_id=callback, message=message, message_ts=ts, action_ts=self.slack.world.ts(),
                       channel={"id": channel.id, "name": "directmessage" if channel.im_of else channel.name},
                       response_url=self.slack.response_url(self.id, channel.id))  # fmt: skip
        del payload["actions"], payload["state"]
        return await self.slack.send("interactive", payload, accepts=False)

    # -- forms and Home -----------------------------------------------------------------------------------------------

    async def form(self) -> Json:
        """Wait for the newest form."""
        forms = self.slack.world.views
        found: Json = await self.slack.until(
            lambda: next((each for each in reversed([*forms.values()]) if each["type"] == "modal"), None), "a form"
        )
        return found

    async def submits(self, view: Json, values: Mapping[str, str]) -> "Delivery":
        """Submit a form with values by field label."""
        state: Json = {}
        for block in view["blocks"]:
            if block["type"] == "input":
                state.setdefault(block["block_id"], {})[block["element"]["action_id"]] = _filled(block, values)
        payload = self._interaction("view_submission", {})
        payload["view"] = {**view, "state": {"values": state}}
        del payload["actions"], payload["state"]
        return await self.slack.send("interactive", payload)

    async def opens_home(self, tab: str = "home") -> None:
        """Open App Home."""
        event = {"type": "app_home_opened", "user": self.id, "channel": self.slack.world.im(self.id).id, "tab": tab,
                 "event_ts": self.slack.world.ts()}  # fmt: skip
        await self.slack.emit(event)

    async def opens_assistant(self, thread: str) -> None:
        """Open the agent's pane."""
        channel = self.slack.world.im(self.id)
        self.slack.echo, echo = False, self.slack.echo
        root = self.slack.world.add(channel, {"user": BOT_USER, "bot_id": BOT, "text": "New conversation", "ts": thread})
        self.slack.echo = echo
        started = {"user_id": self.id, "context": {}, "channel_id": channel.id, "thread_ts": root["ts"]}
        event = {"type": "assistant_thread_started", "assistant_thread": started, "event_ts": self.slack.world.ts()}
        await self.slack.emit(event)

    async def stops(self, where: str, thread: str) -> None:
        """Press Slack's own Stop below the agent's answer."""
        channel = self.place(where)
        streaming = [each["ts"] for each in channel.thread(thread) if each.get("streaming")]
        for each in channel.thread(thread):
            each.update(streaming=False) if each.get("streaming") else None
        event = {"type": "agent_session_stopped", "channel": channel.id, "user": self.id, "thread_ts": thread,
                 "streaming_message_ts": streaming, "event_ts": self.slack.world.ts()}  # fmt: skip
        await self.slack.emit(event)


def find_button(blocks: list[Json], label: str) -> Json:
    """Return the button with this label."""
    buttons = [each for each in elements(blocks) if each["type"] == "button"]
    for each in buttons:
        if each["text"]["text"] == label:
            return each
    raise AssertionError(f"There is no button {label!r}, only: {[each['text']['text'] for each in buttons]}")


def _filled(block: Json, values: Mapping[str, str]) -> Json:
    element, label = block["element"], block["label"]["text"]
    given = values.get(label)
    if element["type"] == "static_select":
        options = element.get("options", [])
        chosen = next((each for each in options if each["text"]["text"] == given), element.get("initial_option"))
        return {"type": "static_select", "selected_option": chosen}
    value = element.get("initial_value") if given is None else given
    assert value or block.get("optional"), f"Slack does not send the form: {label!r} is empty"
    return {"type": element["type"], "value": value or None}
