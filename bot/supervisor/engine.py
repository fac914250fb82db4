"""Which engine this runtime has: its command, its version, its dialect."""

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

CURRENT = (0, 6)
"""First version with `ov serve` and JSON envelopes is beyond this; older ones speak the dialect of 0.5.8."""

FORGET_AFTER = 60.0
"""Seconds after which an engine that was not found is looked for again, or its version asked again."""


class Engine:
    """The engine's command, and what is known of it."""

    def __init__(self, argv: Sequence[str] = ()) -> None:
        self._given = tuple(argv)
        self._asking = asyncio.Lock()
        self._asked = float("-inf")
        self._version = ""
        self._trouble: ChannelError | None = None

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

    @property
    def planning(self) -> bool:
        """Whether it speaks the dialect of 0.5.8, with plan_ready and without serve."""
        numbers = tuple(int(part) for part in re.findall(r"\d+", self._version)[:2])
        return bool(numbers) and numbers < CURRENT

    async def version(self) -> str:
        """The version as the engine prints it (`0.11.0`, `0.11.0 (rehearsal)`); raises `engine_missing`."""
        async with self._asking:
            if time.monotonic() - self._asked > FORGET_AFTER or (self._trouble and time.monotonic() - self._asked > 2):
                await self._ask()
        if self._trouble is not None:
            raise self._trouble
        return self._version

    async def _ask(self) -> None:
        try:
            outcome = await commands.run((*self.argv, "--version"), Path("/"), deadline=15.0)
            if outcome.code != 0:
                raise errors.from_engine(outcome.words, doing="ov --version")
            line = (outcome.stdout.strip().splitlines() or [""])[0]
            self._version, self._trouble = re.sub(r"^\D*?v?(?=\d)", "", line), None
        except ChannelError as error:
            self._version, self._trouble = "", error
        self._asked = time.monotonic()
