"""Everything that Slack sends, persisted before it is acknowledged, and acknowledged whatever it is.

Bolt acknowledges events before its listeners run, and those that no listener wants not at all; so one middleware takes all of
them. What it answers is what Slack hears: nothing, or what is wrong with a form. If it fails (the store cannot be written),
Slack hears nothing, and sends the event again.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from slack_bolt.async_app import AsyncApp, AsyncBoltRequest
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.response import BoltResponse

from bot.chat.slack import from_interaction, from_message, to_card, to_form
from bot.chat.slack.api import Api
from bot.chat.slack.catch_up import Marks
from bot.chat.slack.from_interaction import Pressed
from bot.chat.slack.happenings import Happenings
from bot.chat.slack.homes import Homes
from bot.chat.slack.manifest import COMMAND, SHORTCUT
from bot.chat.slack.places import Me, Places
from bot.chat.slack.text import read
from bot.conversation.router import Router
from bot.domain import GateState, Inbound, Person, Role, access
from bot.domain.errors import DeliveryError
from bot.fleet import Fleet
from bot.work import views

log = logging.getLogger(__name__)

FORM = 2.5
"""Seconds within which a form must be open: its trigger lives for three."""
TOLD_AGAIN = 3600.0
"""Seconds after which a stranger is told again that we do not know them."""
FINE = BoltResponse(status=200, body="")


@dataclass(slots=True)
class Listener:
    """From payloads to the router."""

    fleet: Fleet
    router: Router
    api: Api
    places: Places
    me: Me
    marks: Marks
    homes: Homes
    happenings: Happenings
    background: Callable[[Coroutine[Any, Any, None]], None]
    clock: Callable[[], float] = time.monotonic
    _told: dict[str, float] = field(default_factory=dict)
    """When each stranger was told last."""

    async def take(self, body: dict[str, Any]) -> BoltResponse:
        """One payload; what Slack is answered, once the disk has it. Many at once wait for the disk together."""
        answer = await self._take(body)
        await self.fleet.store.durable()
        return answer

    async def _take(self, body: dict[str, Any]) -> BoltResponse:
        kind = body.get("type")
        if kind == "event_callback":
            self.event(body["event"])
        elif kind == "block_actions":
            await self._pressed(body)
        elif kind == "view_submission":
            return self._submitted(body)
        elif kind == "message_action" and body.get("callback_id") == SHORTCUT:
            await self._shortcut(body)
        elif body.get("command") == COMMAND:
            return self._command(body)
        return FINE

    # -- events --------------------------------------------------------------------------------------------------------

    def event(self, event: dict[str, Any]) -> None:
        """One event; also one that was found in the history afterwards."""
        kind, subtype = event.get("type"), event.get("subtype")
        if kind in {"message", "app_mention"}:
            if subtype == "message_changed":
                self._edited(event)
            elif subtype == "message_deleted":
                self._deleted(event)
            else:
                self._said(event)
        elif kind == "agent_session_stopped":
            self._stopped(event)
        elif kind == "app_home_opened":
            self.homes.opened(str(event["user"]), str(event.get("tab", "home")), str(event.get("channel", "")))
        elif kind == "assistant_thread_started":
            started = event["assistant_thread"]
            self.homes.greet(str(started["user_id"]), str(started["channel_id"]), str(started["thread_ts"]))
        else:
            self.happenings.hear(event)

    def _said(self, event: dict[str, Any]) -> None:
        said = from_message.said(event, self.me.user, self.name, self.router.skills)
        if said is None:
            return
        self.marks.saw(said.channel, said.ts)
        if said.direct:
            self.places.met(said.channel, said.user)
            conversation = self.places.conversation(said.channel, said.thread, said.user)
        else:
            conversation = self.places.conversation(said.channel, said.thread or said.ts)
        person = self.person(said.user)
        overheard = not (said.direct or said.meant)
        if overheard and (said.to_others or not said.thread or self._unknown(person) or not self._ours(conversation, event)):
            return
        if not said.text or (self._unknown(person) and self._told_lately(said.user)):
            return
        self.places.mark_reachable(said.channel, said.user if said.direct else "")
        extra = {"user": said.user, "channel": said.channel, "thread": said.thread, "ts": said.ts}
        self._receive(said.event, conversation, person, said.channel, text=said.text, extra=extra, at=said.at)

    def _ours(self, conversation: str, event: dict[str, Any]) -> bool:
        """Whether it is a thread that we speak in."""
        return event.get("parent_user_id") == self.me.user or bool(self.fleet.store.posts.of(conversation, limit=1))

    def _edited(self, event: dict[str, Any]) -> None:
        """A message that says something else now: taken up if it was not, and not taken up twice."""
        now, before = event.get("message", {}), event.get("previous_message", {})
        if now.get("text") == before.get("text") or now.get("bot_id") or now.get("user") == self.me.user:
            return
        id = f"slack:{event['channel']}:{now.get('ts')}"
        known = self.fleet.store.inbound.get(id)
        if known is None:
            self._said({**now, "channel": event["channel"], "channel_type": event.get("channel_type")})
            return
        text = "I have taken up what you wrote before you changed it. If you want something else, say it in a new message."
        key = f"{id}:edited:{now.get('edited', {}).get('ts')}"
        self.fleet.say(known.conversation, text, key=key, product=known.product, answers=id, private=True)

    def _deleted(self, event: dict[str, Any]) -> None:
        """A message was taken back: what it began is stopped, if it is still under way."""
        id = f"slack:{event['channel']}:{event.get('deleted_ts')}"
        inbound = self.fleet.store.inbound.get(id)
        if inbound is not None and not self.fleet.store.inbound.done(id):
            self.router.stop_turn(inbound.conversation)

    def _stopped(self, event: dict[str, Any]) -> None:
        """Slack's own Stop below an answer that is being written."""
        person, channel, user = self.person(str(event["user"])), str(event["channel"]), str(event["user"])
        if self._unknown(person):
            return
        direct = user if channel.startswith("D") else ""
        conversation = self.places.conversation(channel, str(event.get("thread_ts") or ""), direct)
        extra = {"user": user, "channel": channel, "thread": event.get("thread_ts") or ""}
        self._receive(f"slack:stop:{channel}:{event['event_ts']}", conversation, person, channel, text="stop", extra=extra)

    # -- what is pressed, typed and chosen -----------------------------------------------------------------------------

    async def _pressed(self, body: dict[str, Any]) -> None:
        pressed = from_interaction.pressed(body)
        if pressed is None:
            return
        person = self.person(pressed.user)
        extra = {
            "user": pressed.user,
            "channel": pressed.channel,
            "thread": pressed.thread,
            "response_url": pressed.response_url,
        }
        if pressed.press is not None and (gate := self._asks(pressed, person)):
            await self._ask(body, gate, pressed, extra)
            return
        thread = pressed.thread
        if pressed.command and not body.get("container", {}).get("is_ephemeral") and not pressed.channel.startswith("D"):
            thread = thread or pressed.message
        conversation = self._place(pressed.channel, thread, pressed.user)
        self._receive(
            pressed.event, conversation, person, pressed.channel, text=pressed.command, press=pressed.press, extra=extra
        )

    def _asks(self, pressed: Pressed, person: Person) -> dict[str, Any] | None:
        """The gate, where this press opens a form; what cannot succeed is answered by the router in words."""
        press = pressed.press
        gate = self.fleet.store.gates.get(press.gate) if press else None
        if press is None or gate is None or press.choice not in to_card.ASKING or gate.state is not GateState.OPEN:
            return None
        shown = views.gate_json(gate, self.fleet)
        return shown if person.name in shown["may_decide"] and press.digest == gate.digest else None

    async def _ask(self, body: dict[str, Any], gate: dict[str, Any], pressed: Pressed, extra: dict[str, str]) -> None:
        choice = pressed.press.choice if pressed.press else ""
        if not await self._open(pressed.trigger, to_form.decision(gate, choice, extra)):
            words = "what you want" if choice != "reject" else "why"
            self._tell(
                body, f"Slack did not open the form. Press again, or say `/fleet approve-plan {gate['id']} {choice} {words}`."
            )

    def _submitted(self, body: dict[str, Any]) -> BoltResponse:
        sent = from_interaction.submitted(body)
        if sent is None:
            return FINE
        if sent.problems:
            return BoltResponse(status=200, body={"response_action": "errors", "errors": sent.problems})
        origin = sent.origin
        conversation = self._place(origin.get("channel", ""), origin.get("thread", ""), sent.user)
        self._receive(
            sent.event, conversation, self.person(sent.user), origin.get("channel", ""), text=sent.command, press=sent.press,
            extra={**origin, "user": sent.user},
        )  # fmt: skip
        return FINE

    def _command(self, body: dict[str, Any]) -> BoltResponse:
        user, channel = str(body["user_id"]), str(body["channel_id"])
        extra = {"user": user, "channel": channel, "thread": "", "response_url": str(body.get("response_url") or "")}
        text = f"{COMMAND} {body.get('text') or 'help'}".strip()
        event = f"slack:command:{body['trigger_id']}"
        self._receive(event, self._place(channel, "", user), self.person(user), channel, text=text, extra=extra)
        seen = channel in self.places.names and not self._unknown(self.person(user))
        return BoltResponse(status=200, body={"response_type": "in_channel"}) if seen else FINE

    async def _shortcut(self, body: dict[str, Any]) -> None:
        user, channel = str(body["user"]["id"]), str(body["channel"]["id"])
        person, message = self.person(user), body.get("message", {})
        able = tuple(name for name in self.fleet.products if access.may(person, Role.OPERATOR, name) is None)
        if not able:
            self._tell(body, access.may(person, Role.OPERATOR) or "There is no product yet that you may act on.")
            return
        ts = str(message.get("ts") or body.get("message_ts"))
        said = read(str(message.get("text") or ""), self.me.user, self.name)
        named = self.places.names.get(channel)
        link = f"{self.me.url}archives/{channel}/p{ts.replace('.', '')}"
        text = to_form.task_text(f"#{named}" if named else "", said, link)
        direct = channel.startswith("D")
        origin = {"channel": channel, "thread": str(message.get("thread_ts") or ("" if direct else ts))}
        view = to_form.task(able, self.places.product(channel) or "", text, origin)
        if not await self._open(str(body["trigger_id"]), view):
            self._tell(body, "Slack did not open the form. Choose it again, or say `/fleet spawn <product> <what is wanted>`.")

    async def _open(self, trigger: str, view: dict[str, Any]) -> bool:
        try:
            async with asyncio.timeout(FORM):
                await self.api.call("views.open", trigger_id=trigger, view=view)
        except (DeliveryError, TimeoutError) as error:
            log.warning("slack did not open a form: %s", error or "too slow")
            return False
        return True

    # -- what they share -----------------------------------------------------------------------------------------------

    def person(self, user: str) -> Person:
        """Who this is to the registry."""
        return self.fleet.registry.person("slack", user) or access.stranger("slack", user)

    def name(self, user: str) -> str:
        """What a Slack user is called."""
        known = self.fleet.registry.person("slack", user)
        return known.name if known else user

    def _unknown(self, person: Person) -> bool:
        return person.products == access.NOTHING

    def _told_lately(self, user: str) -> bool:
        """Whether a stranger has been told within the hour; counts this time."""
        now, last = self.clock(), self._told.get(user)
        if last is not None and now - last < TOLD_AGAIN:
            return True
        self._told[user] = now
        return False

    def _place(self, channel: str, thread: str, user: str) -> str:
        """The conversation of an interaction: what is pressed at Home, or in talks of others, is answered in person."""
        if not channel or channel.startswith("D"):
            return self.places.conversation("", thread if channel else "", user)
        return self.places.conversation(channel, thread)

    def _receive(self, event: str, conversation: str, person: Person, channel: str, **more: Any) -> None:
        at = more.pop("at", None) or self.fleet.now()
        product = self.places.product(channel) if channel else None
        self.router.receive(Inbound(event, "slack", conversation, person, at, product=product, **more), lasting=False)

    def _tell(self, body: dict[str, Any], text: str) -> None:
        """A word to the person alone, through the interaction's own URL."""

        async def tell() -> None:
            try:
                await self.api.respond(str(body["response_url"]), text=text, response_type="ephemeral", replace_original=False)
            except (DeliveryError, KeyError) as error:
                log.warning("a person could not be told: %s", error)

        self.background(tell())


def make(me: Me, api: Api, take: Callable[[dict[str, Any]], Awaitable[BoltResponse]], secret: str | None) -> AsyncApp:
    """A Bolt app in which one middleware takes everything. Nothing in it asks Slack who we are: that was asked at the start."""

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
    async def intake(req: AsyncBoltRequest) -> BoltResponse:
        return await take(dict(req.body))

    return app
