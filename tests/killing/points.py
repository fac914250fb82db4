"""Points at which a process may be killed by SIGKILL.

A point is every resumption of a task of the fleet (every await at which it yielded), every commit of the store, and
both sides of every call to the engine and to a platform. Between two points nothing happens that outlasts the
process.
"""

import asyncio
import os
import selectors
import signal
from collections.abc import Coroutine
from contextvars import Context
from pathlib import Path
from typing import Any

from bot.store.database import Database
from tests.killing import ROOT

WRITES = ("INSERT", "UPDATE", "DELETE")


class Fate:
    """Counter of points that kills the process at the point number `at` (0 kills nowhere)."""

    def __init__(self, at: int = 0) -> None:
        self.at = at
        self.met: list[str] = []

    def meet(self, where: str) -> None:
        """Pass a point, or die there."""
        self.met.append(where)
        if len(self.met) == self.at:
            os.kill(os.getpid(), signal.SIGKILL)


class Stepped(Coroutine[Any, Any, Any]):
    """A coroutine that passes a point whenever its task resumes it."""

    def __init__(self, inner: Coroutine[Any, Any, Any], fate: Fate) -> None:
        self._inner, self._fate = inner, fate
        self.__qualname__ = str(getattr(inner, "__qualname__", inner))

    def send(self, value: Any) -> Any:
        self._fate.meet(f"{self.__qualname__} resumes")
        return self._inner.send(value)

    def throw(self, *raised: Any) -> Any:
        self._fate.meet(f"{self.__qualname__} resumes")
        return self._inner.throw(*raised)

    def close(self) -> None:
        self._inner.close()

    def __await__(self) -> Any:
        raise NotImplementedError("a task steps it")


class _Selector(selectors.SelectSelector):
    """Selector that does not wait and counts the skipped time."""

    passed = 0.0

    def select(self, timeout: float | None = None) -> Any:
        found = super().select(0)
        if not found:
            assert timeout is not None, "every task waits indefinitely"
            self.passed += max(timeout, 0.0)
        return found


class HastyLoop(asyncio.SelectorEventLoop):
    """Event loop whose time advances at once when idle, and whose tasks pass a point at every step."""

    def __init__(self, fate: Fate) -> None:
        self._skipping = _Selector()
        super().__init__(self._skipping)

        def make(
            loop: asyncio.AbstractEventLoop, coro: Any, *, context: Context | None = None, **how: Any
        ) -> "asyncio.Task[Any]":
            ours = not Path(coro.cr_code.co_filename).is_relative_to(ROOT / "tests")
            return asyncio.Task(Stepped(coro, fate) if ours else coro, loop=loop, context=context, **how)

        self.set_task_factory(make)

    def time(self) -> float:
        """Return the seconds since the start."""
        return self._skipping.passed


def mortal(fate: Fate) -> type[Database]:
    """The store's database with a point before each commit. Only the process dies, so nothing is flushed."""

    class Mortal(Database):
        synchronous = "OFF"

        def run(self, sql: str, *values: Any) -> Any:
            if sql == "COMMIT" or (not self._depth and sql.lstrip().startswith(WRITES)):
                fate.meet(f"store: {sql[:40]}")
            return super().run(sql, *values)

    return Mortal
