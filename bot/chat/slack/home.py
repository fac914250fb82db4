"""App Home of everyone who has it open, and the suggestions in the agent's pane.

A Home is updated when the fleet changes, at most every few seconds.
"""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any

from bot.chat.slack import to_home
from bot.chat.slack.api import Api
from bot.chat.slack.manifest import PROMPTS
from bot.domain import GateState, Person, Role, access
from bot.domain.errors import DeliveryError
from bot.fleet import Change, Fleet
from bot.work import views
from bot.work.status import status as fleet_status

log = logging.getLogger(__name__)

PAUSE = 2.0
"""Seconds between two updates of a Home."""
KEPT_LIVE = 8 * 3600.0
"""Seconds after its last opening for which a Home is updated."""
MOST_LIVE = 200


class Homes:
    """The Homes that people have open."""

    def __init__(
        self,
        fleet: Fleet,
        api: Api,
        person: Callable[[str], Person],
        background: Callable[[Coroutine[Any, Any, None]], None],
        *,
        pause: float = PAUSE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fleet, self._api, self._person, self._background = fleet, api, person, background
        self._pause, self._clock = pause, clock
        self._opened: dict[str, float] = {}
        self._shown: dict[str, str] = {}
        self._due: set[str] = set()
        self._busy = False

    def opened(self, user: str, tab: str, channel: str) -> None:
        """Record that a person opened a tab of the app, and show it."""
        if tab == "home":
            self._opened[user] = self._clock()
            self._shown.pop(user, None)
            self._want(user)
        elif channel:
            self.greet(user, channel, "")

    def greet(self, user: str, channel: str, thread: str) -> None:
        """Offer suggestions to a person who opened the agent's pane."""
        if access.may(self._person(user), Role.VIEWER) is None:
            self._background(self._offer(channel, thread))

    def changed(self, change: Change) -> None:
        """Update the open Homes after a change of the fleet."""
        if change.kind == "post" or not self._opened:
            return
        now = self._clock()
        self._opened = {user: at for user, at in self._opened.items() if now - at < KEPT_LIVE}
        for user in sorted(self._opened, key=lambda user: -self._opened[user])[:MOST_LIVE]:
            self._want(user)

    def view(self, user: str) -> dict[str, Any]:
        """Return a user's Home with the current state."""
        person, fleet = self._person(user), self._fleet
        if reason := access.may(person, Role.VIEWER):
            return to_home.closed(user, reason)
        status = fleet_status(fleet, person=person)
        seen = {each.name for each in status.products}
        found = [gate for gate in fleet.store.gates.in_states(GateState.OPEN) if gate.product in seen]
        shown = [views.gate_json(gate, fleet) for gate in found]
        mine = [each for each in shown if person.name in each["may_decide"]]
        return to_home.home(status, mine, [each for each in shown if each not in mine])

    def _want(self, user: str) -> None:
        self._due.add(user)
        if not self._busy:
            self._busy = True
            self._background(self._show_all())

    async def _show_all(self) -> None:
        try:
            while self._due:
                for user in tuple(self._due):
                    self._due.discard(user)
                    await self._show(user)
                await asyncio.sleep(self._pause)
        finally:
            self._busy = False

    async def _show(self, user: str) -> None:
        view = self.view(user)
        text = json.dumps(view, sort_keys=True)
        if self._shown.get(user) == text:
            return
        try:
            await self._api.call("views.publish", user_id=user, view=view)
        except DeliveryError as error:
            log.warning("slack: cannot show the Home of %s: %s", user, error.message)
            if error.code == "limited":
                await asyncio.sleep(error.retry_after or self._pause)
                self._due.add(user)
            return
        self._shown[user] = text

    async def _offer(self, channel: str, thread: str) -> None:
        prompts = [{"title": title, "message": message} for title, message in PROMPTS]
        try:
            await self._api.call(
                "assistant.threads.setSuggestedPrompts", channel_id=channel, thread_ts=thread or None, prompts=prompts
            )
        except DeliveryError as error:
            log.info("slack: cannot offer suggestions: %s", error.message)
