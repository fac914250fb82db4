"""Resources that the measurements of one run share."""

import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.bench.running_fleet import RunningFleet
from tests.bench.runtime import Runtime

PRODUCTS = 50


class Bench:
    """One run, with a folder and a container of working products that is started when first needed."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._working: tuple[Runtime, RunningFleet] | None = None

    async def __aenter__(self) -> Self:
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="fleet-bench-")))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def place(self, name: str) -> Path:
        """Create a folder for one measurement."""
        place = self.folder / name
        place.mkdir()
        return place

    async def working(self) -> tuple[Runtime, RunningFleet]:
        """Return a container with `PRODUCTS` working products, and the fleet that started their work."""
        if self._working is None:
            place = self.place("working")
            runtime = await self._stack.enter_async_context(Runtime(PRODUCTS))
            fleet = RunningFleet(place, runtime.registry(place / "products.yaml"))
            await self._stack.enter_async_context(fleet)
            await runtime.set_to_work(fleet)
            self._working = (runtime, fleet)
        return self._working
