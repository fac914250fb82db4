"""App Home of everyone who looks at it, live: shown anew when something changes, at most every few seconds; and what the
agent's own pane offers to ask."""

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
"""Seconds between two times that somebody's Home is shown anew."""
KEPT_LIVE = 8 * 3600.0
"""Seconds after its last opening during which a Home is kept live."""
MOST_LIVE = 200


class Homes:
    """Who looks at their Home."""

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
        """Somebody looks at a tab of ours."""
        if tab == "home":
            self._opened[user] = self._clock()
            self._shown.pop(user, None)
            self._want(user)
        elif channel:
            self.greet(user, channel, "")

    def greet(self, user: str, channel: str, thread: str) -> None:
        """Somebody opened the agent's pane: offer what can be asked."""
        if access.may(self._person(user), Role.VIEWER) is None:
            self._background(self._offer(channel, thread))

    def changed(self, change: Change) -> None:
        """Something in the fleet is another way than it was."""
        if change.kind == "post" or not self._opened:
            return
        now = self._clock()
        self._opened = {user: at for user, at in self._opened.items() if now - at < KEPT_LIVE}
        for user in sorted(self._opened, key=lambda user: -self._opened[user])[:MOST_LIVE]:
            self._want(user)

    def view(self, user: str) -> dict[str, Any]:
        """The Home of a user as it is now."""
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
            log.warning("the Home of %s could not be shown: %s", user, error.message)
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
            log.info("no prompts are offered: %s", error.message)
