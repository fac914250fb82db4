"""Slack payloads, each persisted before it is acknowledged.

Bolt acknowledges events before its listeners run, and drops events without a listener. A single middleware therefore takes
every payload. Its return value is the response to Slack, which is empty or contains the errors of a form. If it fails because
the store cannot be written, Slack gets no response and sends the event again.
"""

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from slack_bolt.async_app import AsyncApp, AsyncBoltRequest
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.response import BoltResponse

from bot.chat.slack import from_message
from bot.chat.slack.api import Api
from bot.chat.slack.catch_up import ReadPositions
from bot.chat.slack.channels import Me
from bot.chat.slack.home import Homes
from bot.chat.slack.intake import Intake, is_stranger
from bot.chat.slack.interactions import EMPTY, Interactions
from bot.chat.slack.manifest import COMMAND, SHORTCUT
from bot.chat.slack.workspace import WorkspaceEvents

log = logging.getLogger(__name__)

NOTICE_INTERVAL = 3600.0
"""Seconds before a stranger is notified again that they have no access."""


@dataclass(slots=True)
class Receiver:
    """Dispatches payloads, and hands messages to the router."""

    intake: Intake
    me: Me
    positions: ReadPositions
    homes: Homes
    workspace: WorkspaceEvents
    interactions: Interactions
    clock: Callable[[], float] = time.monotonic
    _noticed: dict[str, float] = field(default_factory=dict)
    """Time at which each stranger was last notified that they have no access."""

    async def take(self, body: dict[str, Any]) -> BoltResponse:
        """Take one payload, and return the response once the payload is on disk.

        Concurrent payloads share one wait for the disk.
        """
        answer = await self._take(body)
        await self.intake.fleet.store.durable()
        return answer

    async def _take(self, body: dict[str, Any]) -> BoltResponse:
        kind = body.get("type")
        if kind == "event_callback":
            self.event(body["event"])
        elif kind == "block_actions":
            await self.interactions.pressed(body)
        elif kind == "view_submission":
            return self.interactions.submitted(body)
        elif kind == "message_action" and body.get("callback_id") == SHORTCUT:
            await self.interactions.make_task(body)
        elif body.get("command") == COMMAND:
            return self.interactions.command(body)
        return EMPTY

    def event(self, event: dict[str, Any]) -> None:
        """Take one event, live or from the history."""
        kind, subtype = event.get("type"), event.get("subtype")
        if kind in {"message", "app_mention"}:
            if subtype == "message_changed":
                self._edited(event)
            elif subtype == "message_deleted":
                self._deleted(event)
            else:
                self._message(event)
        elif kind == "agent_session_stopped":
            self._stopped(event)
        elif kind == "app_home_opened":
            self.homes.opened(str(event["user"]), str(event.get("tab", "home")), str(event.get("channel", "")))
        elif kind == "assistant_thread_started":
            started = event["assistant_thread"]
            self.homes.greet(str(started["user_id"]), str(started["channel_id"]), str(started["thread_ts"]))
        else:
            self.workspace.handle(event)

    def _message(self, event: dict[str, Any]) -> None:
        channels = self.intake.channels
        said = from_message.parse(event, self.me.user, self.intake.name, self.intake.router.skills)
        if said is None:
            return
        self.positions.saw(said.channel, said.ts)
        if said.direct:
            channels.met(said.channel, said.user)
            conversation = channels.conversation(said.channel, said.thread, said.user)
        else:
            conversation = channels.conversation(said.channel, said.thread or said.ts)
        person = self.intake.person(said.user)
        stranger = is_stranger(person)
        unaddressed = not (said.direct or said.addressed)
        if unaddressed and (said.to_others or not said.thread or stranger or not self._in_our_thread(conversation, event)):
            return
        if not said.text or (stranger and self._recently_noticed(said.user)):
            return
        channels.mark_reachable(said.channel, said.user if said.direct else "")
        extra = {"user": said.user, "channel": said.channel, "thread": said.thread, "ts": said.ts}
        self.intake.submit(said.event, conversation, person, said.channel, text=said.text, extra=extra, at=said.at)

    def _in_our_thread(self, conversation: str, event: dict[str, Any]) -> bool:
        """Return True for a message in a thread that the bot started or posted in."""
        posts = self.intake.fleet.store.posts.of(conversation, limit=1)
        return event.get("parent_user_id") == self.me.user or bool(posts)

    def _edited(self, event: dict[str, Any]) -> None:
        """Take an edited message whose original was not for the bot.

        Otherwise notify the author that the original counts.
        """
        now, before = event.get("message", {}), event.get("previous_message", {})
        if now.get("text") == before.get("text") or now.get("bot_id") or now.get("user") == self.me.user:
            return
        fleet = self.intake.fleet
        id = f"slack:{event['channel']}:{now.get('ts')}"
        known = fleet.store.inbound.get(id)
        if known is None:
            self._message({**now, "channel": event["channel"], "channel_type": event.get("channel_type")})
            return
        text = "I've already picked up your original message. If you want something else, send a new message."
        key = f"{id}:edited:{now.get('edited', {}).get('ts')}"
        fleet.say(known.conversation, text, key=key, product=known.product, answers=id, private=True)

    def _deleted(self, event: dict[str, Any]) -> None:
        """Stop the unfinished turn that a deleted message started."""
        inbounds = self.intake.fleet.store.inbound
        id = f"slack:{event['channel']}:{event.get('deleted_ts')}"
        inbound = inbounds.get(id)
        if inbound is not None and not inbounds.done(id):
            self.intake.router.stop_turn(inbound.conversation)

    def _stopped(self, event: dict[str, Any]) -> None:
        """Take a press of Slack's own Stop button below a streaming answer."""
        user, channel = str(event["user"]), str(event["channel"])
        person = self.intake.person(user)
        if is_stranger(person):
            return
        direct = user if channel.startswith("D") else ""
        conversation = self.intake.channels.conversation(channel, str(event.get("thread_ts") or ""), direct)
        extra = {"user": user, "channel": channel, "thread": event.get("thread_ts") or ""}
        self.intake.submit(f"slack:stop:{channel}:{event['event_ts']}", conversation, person, channel, text="stop", extra=extra)

    def _recently_noticed(self, user: str) -> bool:
        """Return True if a stranger was notified within NOTICE_INTERVAL, else record a notice now."""
        now, last = self.clock(), self._noticed.get(user)
        if last is not None and now - last < NOTICE_INTERVAL:
            return True
        self._noticed[user] = now
        return False


def bolt_app(me: Me, api: Api, take: Callable[[dict[str, Any]], Awaitable[BoltResponse]], secret: str | None) -> AsyncApp:
    """Return a Bolt app whose only middleware is `take`.

    The bot's identity is given, so Bolt never asks Slack for it.
    """

    async def authorize() -> AuthorizeResult:
        return AuthorizeResult(
            enterprise_id=None, team_id=me.team, bot_user_id=me.user, bot_id=me.bot, bot_token=api.client.token
        )

    quiet = log.getChild("bolt")
    quiet.setLevel(logging.ERROR)
    app = AsyncApp(
        logger=quiet, name="fleet", client=api.client, signing_secret=secret or "none", authorize=authorize,
        process_before_response=True,
    )  # fmt: skip

    @app.middleware
    async def middleware(req: AsyncBoltRequest) -> BoltResponse:
        return await take(dict(req.body))

    return app
