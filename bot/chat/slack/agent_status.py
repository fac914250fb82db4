"""The state of an agent's session in a thread, and its status line."""

import logging

from bot.chat.slack.api import Api, reason
from bot.chat.slack.channels import Location
from bot.chat.slack.text import tame
from bot.domain import GateState
from bot.domain.errors import DeliveryError
from bot.fleet import Fleet

log = logging.getLogger(__name__)

UNSUPPORTED = frozenset(
    {
        "unknown_method", "not_an_agent", "team_not_supported", "missing_scope", "access_denied", "feature_not_enabled",
        "method_not_supported_for_channel_type", "not_allowed_token_type", "invalid_thread_ts", "channel_type_not_supported",
    }
)  # fmt: skip
"""Errors of a workspace without agents, after which a method is not tried again."""
LONGEST_LINE = 96
"""Characters of a status line."""


class AgentStatus:
    """The session states and status lines of all threads."""

    def __init__(self, fleet: Fleet, api: Api) -> None:
        self._fleet, self._api = fleet, api
        self.has_sessions = self.has_lines = True
        """True until the workspace refuses agent sessions or status lines."""
        self._processing: set[str] = set()
        """Conversations that Slack shows as in progress, with its own Stop."""

    async def begin(self, conversation: str, location: Location) -> None:
        """Show that a turn is in progress."""
        if location.thread and self.has_sessions:
            self._processing.add(conversation)
            await self._set_session(location, "processing")

    def end(self, conversation: str) -> str | None:
        """Return the session's state after a turn, if the workspace has sessions.

        A thread with an open gate waits for a person, which Slack calls suspended.
        """
        self._processing.discard(conversation)
        return ("suspended" if self._waits(conversation) else "active") if self.has_sessions else None

    async def settle(self, conversation: str, location: Location, *, gate: bool) -> None:
        """Show the state after a post, if a turn was in progress or the post is a gate's card."""
        if not location.thread or not (gate or conversation in self._processing):
            return
        if state := self.end(conversation):
            await self._set_session(location, state)
        if self.has_lines and self._waits(conversation):
            await self.line(location, "is waiting for a decision")

    async def line(self, location: Location, text: str) -> None:
        """Show a status line. An empty text removes it."""
        words = tame(" ".join(self._fleet.redact(text).split()))[:LONGEST_LINE]
        try:
            await self._api.call(
                "assistant.threads.setStatus", channel_id=location.channel, thread_ts=location.thread, status=words
            )
        except DeliveryError as error:
            self.has_lines = reason(error) not in UNSUPPORTED
            log.info("slack: no status line: %s", error.message)

    async def _set_session(self, location: Location, state: str) -> None:
        try:
            await self._api.call(
                "agents.sessions.setStatus", channel_id=location.channel, thread_ts=location.thread, status=state
            )
        except DeliveryError as error:
            self.has_sessions = reason(error) not in UNSUPPORTED
            log.info("slack: no agent session: %s", error.message)

    def _waits(self, conversation: str) -> bool:
        return any(gate.conversation == conversation for gate in self._fleet.store.gates.in_states(GateState.OPEN))
