"""What the measurements of one run share: a folder, and a container of working products that is made when first needed."""

import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.bench.coordinator import Coordinator
from tests.bench.runtime import Runtime

PRODUCTS = 50


class Bench:
    """One run."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._working: tuple[Runtime, Coordinator] | None = None

    async def __aenter__(self) -> Self:
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="fleet-bench-")))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def place(self, name: str) -> Path:
        """A folder of one's own."""
        place = self.folder / name
        place.mkdir()
        return place

    async def working(self) -> tuple[Runtime, Coordinator]:
        """A container in which `PRODUCTS` products work, and the coordinator that set them to it."""
        if self._working is None:
            place = self.place("working")
            runtime = await self._stack.enter_async_context(Runtime(PRODUCTS))
            fleet = Coordinator(place, runtime.registry(place / "products.yaml"))
            await self._stack.enter_async_context(fleet)
            await runtime.set_to_work(fleet)
            self._working = (runtime, fleet)
        return self._working
