"""The engine of this runtime, its command and its version."""

import asyncio
import re
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from bot.supervisor import commands, errors
from bot.supervisor.protocol import ChannelError

NAMES = ("ov", "overstory")
"""Commands to look for on the PATH, in this order."""

FORGET_AFTER = 60.0
"""Seconds after which a missing engine is looked up again, and a version asked for again."""


class Engine:
    """Command and version of the engine."""

    def __init__(self, argv: Sequence[str] = ()) -> None:
        self._given = tuple(argv)
        self._asking = asyncio.Lock()
        self._asked = float("-inf")
        self._version = ""
        self._problem: ChannelError | None = None

    @property
    def argv(self) -> tuple[str, ...]:
        """Command as an argument list. Raises `engine_missing`."""
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
        """Version as last read, empty without an engine."""
        return self._version

    @property
    def rehearsal(self) -> bool:
        """True if the engine is the rehearsal, as its version says."""
        return "rehearsal" in self._version

    async def version(self) -> str:
        """Return the version that the engine prints (`0.11.0`, `0.11.0 (rehearsal)`). Raises `engine_missing`."""
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
                raise errors.from_engine(outcome.error_text, doing="ov --version")
            line = (outcome.stdout.strip().splitlines() or [""])[0]
            self._version, self._problem = re.sub(r"^\D*?v?(?=\d)", "", line), None
        except ChannelError as error:
            self._version, self._problem = "", error
        self._asked = time.monotonic()
