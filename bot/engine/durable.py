"""An engine that is called only once everything the fleet has stored is on disk.

The fleet must remember what it sent to an agent even after a power loss, so each call first waits for the disk.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from bot.domain import LEAD, Mail, Product, Snapshot
from bot.engine.base import Adoption, Answer, Engine, Listener, Receipt, Reporting, RuntimeInfo, Started


class DurableEngine(Engine):
    """Passes each call to another engine after waiting for the disk. Calls raise StoreError when the disk refuses."""

    def __init__(self, engine: Engine, durable: Callable[[], Awaitable[None]]) -> None:
        self._engine, self._durable = engine, durable

    async def open(self, listener: Listener) -> None:
        """See `Engine`."""
        await self._engine.open(listener)

    async def close(self) -> None:
        """See `Engine`."""
        await self._engine.close()

    async def watch(self, products: Sequence[Product], cursors: Mapping[str, str]) -> None:
        """See `Engine`."""
        await self._durable()
        await self._engine.watch(products, cursors)

    def runtimes(self) -> tuple[RuntimeInfo, ...]:
        """See `Engine`."""
        return self._engine.runtimes()

    async def snapshot(self, products: Sequence[str] = ()) -> tuple[Snapshot, ...]:
        """See `Engine`."""
        await self._durable()
        return await self._engine.snapshot(products)

    async def start(self, product: str) -> None:
        """See `Engine`."""
        await self._durable()
        await self._engine.start(product)

    async def send(
        self,
        product: str,
        subject: str,
        body: str,
        *,
        marker: str,
        to: str = LEAD,
        question: bool = False,
        reporting: Reporting | None = None,
    ) -> str:
        """See `Engine`."""
        await self._durable()
        return await self._engine.send(product, subject, body, marker=marker, to=to, question=question, reporting=reporting)

    async def reply(self, product: str, mail: str, answer: Answer, *, marker: str, plan: str | None = None) -> str:
        """See `Engine`."""
        await self._durable()
        return await self._engine.reply(product, mail, answer, marker=marker, plan=plan)

    async def receipt(self, product: str, mail: str) -> Receipt:
        """See `Engine`."""
        await self._durable()
        return await self._engine.receipt(product, mail)

    async def start_worker(self, product: str, *, agent: str, capability: str, task: str, brief: str, marker: str) -> Started:
        """See `Engine`."""
        await self._durable()
        return await self._engine.start_worker(
            product, agent=agent, capability=capability, task=task, brief=brief, marker=marker
        )

    async def stop(self, product: str, agent: str | None = None) -> tuple[str, ...]:
        """See `Engine`."""
        await self._durable()
        return await self._engine.stop(product, agent)

    async def pause(self, product: str) -> tuple[str, ...]:
        """See `Engine`."""
        await self._durable()
        return await self._engine.pause(product)

    async def resume(self, product: str) -> tuple[str, ...]:
        """See `Engine`."""
        await self._durable()
        return await self._engine.resume(product)

    async def nudge(self, product: str, agent: str, text: str) -> bool:
        """See `Engine`."""
        await self._durable()
        return await self._engine.nudge(product, agent, text)

    async def mail(self, product: str, *, limit: int = 50, agent: str | None = None) -> tuple[Mail, ...]:
        """See `Engine`."""
        await self._durable()
        return await self._engine.mail(product, limit=limit, agent=agent)

    async def adopt(self, product: Product, *, undo: bool = False, apply: bool = False, shown: str = "") -> Adoption:
        """See `Engine`."""
        await self._durable()
        return await self._engine.adopt(product, undo=undo, apply=apply, shown=shown)

    async def inspect(self, product: str, agent: str) -> dict[str, Any]:
        """See `Engine`."""
        await self._durable()
        return await self._engine.inspect(product, agent)
