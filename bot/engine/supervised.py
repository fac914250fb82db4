"""The Engine port over supervisors, with one link per runtime."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pydantic import ValidationError

from bot.domain import LEAD, Mail, Product, Snapshot
from bot.domain.errors import EngineError, RuntimeUnreachable
from bot.engine.base import (
    Adoption,
    Answer,
    Engine,
    EngineEvent,
    Listener,
    MailArrived,
    Receipt,
    Reporting,
    RuntimeDown,
    RuntimeInfo,
    RuntimeUp,
    SnapshotChanged,
    Started,
)
from bot.engine.link import Link
from bot.engine.parsing import to_adoption, to_mail, to_session, to_snapshot, troubled
from bot.engine.transport import Transport
from bot.supervisor.protocol import Notification

log = logging.getLogger(__name__)


class SupervisedEngine(Engine):
    """Products on one or several runtimes. A product that names no runtime is on the first."""

    def __init__(self, *transports: Transport) -> None:
        self._links = {transport.name: Link(transport, self._up, self._down, self._heard) for transport in transports}
        self._products: dict[str, Product] = {}
        self._cursors: dict[str, str] = {}
        self._listener: Listener | None = None

    async def open(self, listener: Listener) -> None:
        """See `Engine`."""
        self._listener = listener
        for link in self._links.values():
            link.open()

    async def close(self) -> None:
        """See `Engine`."""
        self._listener = None
        await asyncio.gather(*(link.close() for link in self._links.values()))

    async def watch(self, products: Sequence[Product], cursors: Mapping[str, str]) -> None:
        """See `Engine`."""
        self._products = {product.name: product for product in products}
        self._cursors = {product.name: cursors.get(product.name, "") for product in products}
        for product in products:
            if self._link_of(product) is None:
                error = self._no_runtime(product)
                self._tell(SnapshotChanged(troubled(product.name, error.code, error.message, error.hint)))
        results = await asyncio.gather(
            *(self._watch(link) for link in self._links.values() if link.info), return_exceptions=True
        )
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, RuntimeUnreachable):
                raise result

    def runtimes(self) -> tuple[RuntimeInfo, ...]:
        """See `Engine`."""
        return tuple(link.info for link in self._links.values() if link.info is not None)

    async def snapshot(self, products: Sequence[str] = ()) -> tuple[Snapshot, ...]:
        """See `Engine`. Raises RuntimeUnreachable only if no runtime that was asked answers."""
        names = tuple(products) or tuple(self._products)
        by_link: dict[Link, list[str]] = {}
        found: dict[str, Snapshot] = {}
        for name in names:
            try:
                by_link.setdefault(self._link(name), []).append(name)
            except EngineError as error:
                found[name] = troubled(name, error.code, error.message, error.hint)
        answers = await asyncio.gather(
            *(self._snapshots(link, asked) for link, asked in by_link.items()), return_exceptions=True
        )
        lost = [answer for answer in answers if isinstance(answer, RuntimeUnreachable)]
        if lost and len(lost) == len(answers) and not found:
            raise lost[0]
        for asked, answer in zip(by_link.values(), answers, strict=True):
            if isinstance(answer, EngineError):
                found |= {name: troubled(name, answer.code, answer.message, answer.hint) for name in asked}
            elif isinstance(answer, BaseException):
                raise answer
            else:
                found |= answer
        return tuple(found[name] for name in names)

    async def start(self, product: str) -> None:
        """See `Engine`."""
        await self._ask(product, "start")

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
        params = {"subject": subject, "body": body, "marker": marker, "to": to, "question": question}
        return str((await self._ask(product, "send", {**params, "reporting": reporting and asdict(reporting)}))["id"])

    async def reply(self, product: str, mail: str, answer: Answer, *, marker: str, plan: str | None = None) -> str:
        """See `Engine`."""
        params = {"mail": mail, **asdict(answer), "marker": marker, "plan": plan}
        return str((await self._ask(product, "reply", params))["id"])

    async def receipt(self, product: str, mail: str) -> Receipt:
        """See `Engine`."""
        return Receipt((await self._ask(product, "receipt", {"mail": mail}))["receipt"])

    async def start_worker(self, product: str, *, agent: str, capability: str, task: str, brief: str, marker: str) -> Started:
        """See `Engine`."""
        params = {"agent": agent, "capability": capability, "task": task, "brief": brief, "marker": marker}
        found = await self._ask(product, "start_worker", params)
        return Started(str(found["agent"]), str(found["branch"]), bool(found["already"]))

    async def stop(self, product: str, agent: str | None = None) -> tuple[str, ...]:
        """See `Engine`."""
        return tuple((await self._ask(product, "stop", {"agent": agent}))["stopped"])

    async def pause(self, product: str) -> tuple[str, ...]:
        """See `Engine`."""
        return tuple((await self._ask(product, "pause"))["agents"])

    async def resume(self, product: str) -> tuple[str, ...]:
        """See `Engine`."""
        return tuple((await self._ask(product, "resume"))["agents"])

    async def nudge(self, product: str, agent: str, text: str) -> bool:
        """See `Engine`."""
        return bool((await self._ask(product, "nudge", {"agent": agent, "text": text}))["delivered"])

    async def mail(self, product: str, *, limit: int = 50, agent: str | None = None) -> tuple[Mail, ...]:
        """See `Engine`."""
        found = await self._ask(product, "mail", {"limit": limit, "agent": agent})
        return tuple(to_mail(product, value) for value in found)

    async def inspect(self, product: str, agent: str) -> dict[str, Any]:
        """See `Engine`. `session` is a `Session`; an event is `{"at", "kind", "tool", "text"}`."""
        found = await self._ask(product, "inspect", {"agent": agent})
        return {**found, "session": to_session(found["session"])}

    async def adopt(self, product: Product, *, undo: bool = False, apply: bool = False, shown: str = "") -> Adoption:
        """See `Engine`."""
        link = self._link_of(product)
        if link is None:
            raise self._no_runtime(product)
        params = {"path": product.path, "type": product.type, "undo": undo, "apply": apply, "shown": shown}
        return to_adoption(await link.request("adopt", product.name, params))

    async def _ask(self, product: str, method: str, params: Mapping[str, Any] | None = None) -> Any:
        return await self._link(product).request(method, product, params)

    def _link(self, product: str) -> Link:
        if product not in self._products:
            raise EngineError(f"{product} is not watched.", "Add it to products.yaml.", code="not_found", product=product)
        link = self._link_of(self._products[product])
        if link is None:
            raise self._no_runtime(self._products[product])
        return link

    def _link_of(self, product: Product) -> Link | None:
        if product.runtime is None:
            return next(iter(self._links.values()), None)
        return self._links.get(product.runtime)

    def _no_runtime(self, product: Product) -> EngineError:
        known = ", ".join(self._links) or "none"
        summary = f"{product.name} names the runtime {product.runtime}, which does not exist."
        return EngineError(summary, f"Known runtimes: {known}.", code="not_found", product=product.name)

    async def _snapshots(self, link: Link, names: list[str]) -> dict[str, Snapshot]:
        found = await link.request("snapshot", params={"products": names})
        return {snapshot.product: snapshot for snapshot in map(to_snapshot, found)}

    async def _watch(self, link: Link) -> None:
        products = [product for product in self._products.values() if self._link_of(product) is link]
        wanted = [{"name": p.name, "path": p.path, "cursor": self._cursors.get(p.name, "")} for p in products]
        await link.ask("watch", params={"products": wanted})

    async def _up(self, link: Link, restarted: bool) -> None:
        if link.info is not None:
            self._tell(RuntimeUp(link.name, link.info, restarted))
        await self._watch(link)

    def _down(self, link: Link, reason: str) -> None:
        self._tell(RuntimeDown(link.name, reason))

    def _heard(self, link: Link, message: Notification) -> None:
        name = str(message.params.get("product", ""))
        if name not in self._products or self._link_of(self._products[name]) is not link:
            return
        try:
            if message.method == "mail":
                mail = tuple(to_mail(name, value) for value in message.params.get("mail", ()))
                self._tell(MailArrived(name, mail))
                self._cursors[name] = str(message.params.get("cursor", ""))
            elif message.method == "snapshot":
                self._tell(SnapshotChanged(to_snapshot(message.params)))
        except ValidationError as error:
            log.error("%s sent a %s of %s that is invalid: %s", link.name, message.method, name, error)

    def _tell(self, event: EngineEvent) -> None:
        if self._listener is None:
            return
        try:
            self._listener(event)
        except Exception:
            # An error in the listener must not break the connection.
            log.exception("the listener failed on %s", type(event).__name__)
