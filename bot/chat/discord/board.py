"""The fleet board, one pinned message in each channel of the registry.

The board's message id is stored. A deleted board is posted again. After a failure the board is retried at the next change, and
the failure is logged once.
"""

import asyncio
import logging
from dataclasses import replace
from datetime import UTC, datetime

import discord

from bot.chat.discord.api import FAILURES, UNKNOWN_MESSAGE, refused
from bot.chat.discord.channels import PLATFORM
from bot.chat.discord.page import Page
from bot.chat.discord.send import Sender, nonce
from bot.chat.discord.to_board import to_board
from bot.domain import GateState
from bot.fleet import Change, Fleet
from bot.store.boards import Board
from bot.work.status import FleetStatus
from bot.work.status import status as fleet_status

log = logging.getLogger(__name__)

NEVER = datetime.fromtimestamp(0, UTC)
"""Fixed time for comparing boards, because a new timestamp alone is no change."""
SHOWN_KINDS = frozenset({"status", "work", "gate", "registry", "runtime"})


class Boards:
    """Keeps the boards up to date. `pace` is the least number of seconds between two edits."""

    def __init__(self, fleet: Fleet, sender: Sender, pace: float) -> None:
        self.fleet, self.sender, self.pace = fleet, sender, pace
        self._shown: dict[int, tuple[str, ...]] = {}
        self._failed: dict[int, str] = {}
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start updating the boards."""
        self._shown.clear()
        self._changed.set()
        if self._task is None:
            self._task = asyncio.create_task(self._refresh(), name="discord boards")

    async def close(self) -> None:
        """Stop updating the boards."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def changed(self, change: Change) -> None:
        """Update the boards after a change of the fleet."""
        if change.kind in SHOWN_KINDS:
            self.wake()

    def wake(self) -> None:
        """Check the boards for changes."""
        self._changed.set()

    async def _refresh(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            status = fleet_status(self.fleet)
            for channel, own in self._channels().items():
                await self._show(channel, own, status)
            await asyncio.sleep(self.pace)

    def _channels(self) -> dict[int, list[str]]:
        """Return the channels of the registry with their products."""
        found: dict[int, list[str]] = {}
        for product in self.fleet.registry.products:
            for each in product.channels:
                if each.platform == PLATFORM:
                    found.setdefault(int(each.id), []).append(product.name)
        return found

    async def _show(self, channel: int, own: list[str], status: FleetStatus) -> None:
        links = self._links(channel, own)
        texts = to_board(replace(status, at=NEVER), own, links).marks()
        if self._shown.get(channel) == texts:
            return
        try:
            await self._put(channel, to_board(status, own, links))
        except FAILURES as error:
            failure = refused(error, f"channel {channel}")
            if self._failed.get(channel) != failure.message:
                log.warning("discord: cannot show the fleet board in channel %s: %s %s", channel, failure.message, failure.hint)
            self._failed[channel] = failure.message
            return
        self._failed.pop(channel, None)
        self._shown[channel] = texts
        self.fleet.mark_reachable(f"{PLATFORM}:{channel}")

    async def _put(self, channel: int, page: Page) -> None:
        store, api = self.fleet.store, self.sender.api
        board = store.boards.get(PLATFORM, str(channel))
        if board is not None:
            try:
                await api.edit(channel, int(board.message), page)
            except discord.NotFound as error:
                if error.code != UNKNOWN_MESSAGE:
                    raise
            else:
                return
        version = (board.version if board else 0) + 1
        message = await api.send(channel, page, nonce(f"board:{store.origin}:{channel}:{version}"))
        store.boards.set(PLATFORM, str(channel), Board(str(message), version))
        try:
            await api.pin(channel, message)
        except discord.Forbidden as error:
            log.warning(
                "discord: cannot pin the fleet board in channel %s: %s; see `fleet discord-invite`", channel, error.text
            )

    def _links(self, channel: int, own: list[str]) -> dict[str, str]:
        """Return the link to each open gate's card, preferably in this channel."""
        open_gates = self.fleet.store.gates.in_states(GateState.OPEN)
        found = {gate.id: self.sender.links.card(gate.id, channel) for gate in open_gates if gate.product in own}
        return {gate: link for gate, link in found.items() if link}
