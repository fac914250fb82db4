"""Which engine this runtime has: its command, its version, its driver."""

import asyncio
import re
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from bot.supervisor import commands, errors
from bot.supervisor.protocol import ChannelError

NAMES = ("ov", "overstory")
"""The commands looked for on the PATH, in this order."""

FORGET_AFTER = 60.0
"""Seconds after which an engine that was not found is looked for again, or its version asked again."""


class Engine:
    """The engine's command, and what is known of it."""

    def __init__(self, argv: Sequence[str] = ()) -> None:
        self._given = tuple(argv)
        self._asking = asyncio.Lock()
        self._asked = float("-inf")
        self._version = ""
        self._problem: ChannelError | None = None

    @property
    def argv(self) -> tuple[str, ...]:
        """The command, as an argv; raises `engine_missing`."""
        if self._given:
            if shutil.which(self._given[0]) is None:
                raise errors.engine_missing(self._given[0])
            return self._given
        for name in NAMES:
            if (found := shutil.which(name)) is not None:
                return (found,)
        raise errors.engine_missing("`ov` or `overstory`")

    @property
    def known_version(self) -> str:
        """The version as far as it was asked; empty when there is no engine."""
        return self._version

    @property
    def rehearsal(self) -> bool:
        """Whether the engine is the stand-in, as its version says."""
        return "rehearsal" in self._version

    async def version(self) -> str:
        """The version as the engine prints it (`0.11.0`, `0.11.0 (rehearsal)`); raises `engine_missing`."""
        async with self._asking:
            if time.monotonic() - self._asked > FORGET_AFTER or (self._problem and time.monotonic() - self._asked > 2):
                await self._ask()
        if self._problem is not None:
            raise self._problem
        return self._version

    async def _ask(self) -> None:
        try:
            outcome = await commands.run((*self.argv, "--version"), Path("/"), deadline=15.0)
            if outcome.code != 0:
                raise errors.from_engine(outcome.words, doing="ov --version")
            line = (outcome.stdout.strip().splitlines() or [""])[0]
            self._version, self._problem = re.sub(r"^\D*?v?(?=\d)", "", line), None
        except ChannelError as error:
            self._version, self._problem = "", error
        self._asked = time.monotonic()
