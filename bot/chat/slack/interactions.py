"""Buttons, forms, the slash command and the message shortcut."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from slack_bolt.response import BoltResponse

from bot.chat.slack import from_interaction, to_card, to_form
from bot.chat.slack.api import Api
from bot.chat.slack.channels import Me
from bot.chat.slack.from_interaction import Pressed
from bot.chat.slack.intake import Intake, is_stranger
from bot.chat.slack.manifest import COMMAND
from bot.chat.slack.text import read
from bot.domain import GateState, Person, Role, access
from bot.domain.errors import DeliveryError
from bot.work import views

log = logging.getLogger(__name__)

OPEN_TIMEOUT = 2.5
"""Seconds for opening a form. Slack's trigger ids expire after three."""
EMPTY = BoltResponse(status=200, body="")
"""The response that acknowledges a payload and shows nothing."""


@dataclass(frozen=True, slots=True)
class Interactions:
    """Handles interactive payloads."""

    intake: Intake
    api: Api
    me: Me
    background: Callable[[Coroutine[Any, Any, None]], None]

    async def pressed(self, body: dict[str, Any]) -> None:
        """Open the form of a pressed button, or hand its decision or command to the router."""
        pressed = from_interaction.pressed(body)
        if pressed is None:
            return
        person = self.intake.person(pressed.user)
        extra = {
            "user": pressed.user,
            "channel": pressed.channel,
            "thread": pressed.thread,
            "response_url": pressed.response_url,
        }
        if pressed.press is not None and (gate := self._gate_with_form(pressed, person)):
            await self._open_decision(body, gate, pressed, extra)
            return
        thread = pressed.thread
        if pressed.command and not body.get("container", {}).get("is_ephemeral") and not pressed.channel.startswith("D"):
            thread = thread or pressed.message
        conversation = self.intake.conversation(pressed.channel, thread, pressed.user)
        self.intake.submit(
            pressed.event, conversation, person, pressed.channel, text=pressed.command, press=pressed.press, extra=extra
        )

    def _gate_with_form(self, pressed: Pressed, person: Person) -> dict[str, Any] | None:
        """Return the gate if this press opens a form. None for a press that the router decides or refuses."""
        press, fleet = pressed.press, self.intake.fleet
        gate = fleet.store.gates.get(press.gate) if press else None
        if press is None or gate is None or press.choice not in to_card.TAKES_NOTE or gate.state is not GateState.OPEN:
            return None
        shown = views.gate_json(gate, fleet)
        return shown if person.name in shown["may_decide"] and press.digest == gate.digest else None

    async def _open_decision(self, body: dict[str, Any], gate: dict[str, Any], pressed: Pressed, extra: dict[str, str]) -> None:
        choice = pressed.press.choice if pressed.press else ""
        if not await self._open(pressed.trigger, to_form.decision(gate, choice, extra)):
            command = f"/fleet approve-plan {gate['id']} {choice} <note>"
            self._tell(body, f"Slack didn't open the form. Press the button again, or send `{command}`.")

    def submitted(self, body: dict[str, Any]) -> BoltResponse:
        """Take a submitted form. The response keeps it open if a field has errors."""
        sent = from_interaction.submitted(body)
        if sent is None:
            return EMPTY
        if sent.problems:
            return BoltResponse(status=200, body={"response_action": "errors", "errors": sent.problems})
        origin = sent.origin
        conversation = self.intake.conversation(origin.get("channel", ""), origin.get("thread", ""), sent.user)
        self.intake.submit(
            sent.event, conversation, self.intake.person(sent.user), origin.get("channel", ""), text=sent.command,
            press=sent.press, extra={**origin, "user": sent.user},
        )  # fmt: skip
        return EMPTY

    def command(self, body: dict[str, Any]) -> BoltResponse:
        """Take the slash command.

        It is shown in the channel if the bot is a member and knows the person.
        """
        user, channel = str(body["user_id"]), str(body["channel_id"])
        extra = {"user": user, "channel": channel, "thread": "", "response_url": str(body.get("response_url") or "")}
        text = f"{COMMAND} {body.get('text') or 'help'}".strip()
        event = f"slack:command:{body['trigger_id']}"
        person = self.intake.person(user)
        self.intake.submit(event, self.intake.conversation(channel, "", user), person, channel, text=text, extra=extra)
        visible = channel in self.intake.channels.names and not is_stranger(person)
        return BoltResponse(status=200, body={"response_type": "in_channel"}) if visible else EMPTY

    async def make_task(self, body: dict[str, Any]) -> None:
        """Open the task form for a message, filled in with its text."""
        fleet, channels = self.intake.fleet, self.intake.channels
        user, channel = str(body["user"]["id"]), str(body["channel"]["id"])
        person, message = self.intake.person(user), body.get("message", {})
        products = tuple(name for name in fleet.products if access.may(person, Role.OPERATOR, name) is None)
        if not products:
            self._tell(
                body, access.may(person, Role.OPERATOR) or "You can't start work on any product yet. Ask an admin for access."
            )
            return
        ts = str(message.get("ts") or body.get("message_ts"))
        said = read(str(message.get("text") or ""), self.me.user, self.intake.name)
        named = channels.names.get(channel)
        link = f"{self.me.url}archives/{channel}/p{ts.replace('.', '')}"
        text = to_form.task_text(f"#{named}" if named else "", said, link)
        direct = channel.startswith("D")
        origin = {"channel": channel, "thread": str(message.get("thread_ts") or ("" if direct else ts))}
        view = to_form.task(products, channels.product(channel) or "", text, origin)
        if not await self._open(str(body["trigger_id"]), view):
            command = "/fleet spawn <product> <objective>"
            self._tell(body, f"Slack didn't open the form. Choose the shortcut again, or send `{command}`.")

    async def _open(self, trigger: str, view: dict[str, Any]) -> bool:
        try:
            async with asyncio.timeout(OPEN_TIMEOUT):
                await self.api.call("views.open", trigger_id=trigger, view=view)
        except (DeliveryError, TimeoutError) as error:
            log.warning("slack: cannot open a form: %s", error or "timed out")
            return False
        return True

    def _tell(self, body: dict[str, Any], text: str) -> None:
        """Show a text to the person alone, through the interaction's own URL."""

        async def tell() -> None:
            try:
                await self.api.respond(str(body["response_url"]), text=text, response_type="ephemeral", replace_original=False)
            except (DeliveryError, KeyError) as error:
                log.warning("slack: cannot answer an interaction: %s", error)

        self.background(tell())
