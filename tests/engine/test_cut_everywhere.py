"""The real channel to a real supervisor over the rehearsal, cut on both sides of every kind of message.

A plan is requested, changed, approved and completed, and nothing is lost or happens twice.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from bot.domain import Gate, GateState, Mail, Press, WorkState
from bot.domain.errors import EngineError
from bot.engine.supervised import SupervisedEngine
from bot.engine.unix import UnixTransport, connected
from tests.bed import Bed, Clock
from tests.yard import Yard, until

LONG = 90.0
"""Seconds for a step on a busy machine. A step has a dozen cuts, each followed by a reconnection after a pause."""


class Cutter:
    """A socket before a supervisor's.

    It drops the first message of each kind with the connection, and cuts the connection right after the next one.
    """

    def __init__(self, path: Path, behind: Path) -> None:
        self.path, self._behind = path, behind
        self.lost: set[str] = set()
        self.passed: set[str] = set()

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_unix_server(self._serve, str(self.path), limit=2**25)

    async def stop(self) -> None:
        """Listen no more."""
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        methods: dict[int, str] = {}
        there = await connected(self._behind)
        pumps = [
            asyncio.create_task(self._pump(_lines(reader.read), there.write, methods)),
            asyncio.create_task(self._pump(_lines(lambda _: there.read()), _writing(writer), methods)),
        ]
        with suppress(OSError):
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
        await there.close()
        writer.close()

    async def _pump(self, source: AsyncIterator[bytes], sink: Callable[[bytes], Any], methods: dict[int, str]) -> None:
        async for line in source:
            kind = _kind(json.loads(line), methods)
            if kind not in self.lost:
                self.lost.add(kind)
                return
            await sink(line)
            if kind not in self.passed:
                self.passed.add(kind)
                return


async def _lines(read: Callable[[int], Any]) -> AsyncIterator[bytes]:
    rest = b""
    while chunk := await read(2**16):
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line + b"\n"


def _writing(writer: asyncio.StreamWriter) -> Callable[[bytes], Any]:
    async def write(line: bytes) -> None:
        writer.write(line)
        await writer.drain()

    return write


def _kind(message: dict[str, Any], methods: dict[int, str]) -> str:
    if "id" not in message:
        return f"notification {message['method']}"
    if "method" in message:
        methods[message["id"]] = message["method"]
        return f"request {message['method']}"
    return f"response to {methods.get(message['id'])}"


class Now(Clock):
    """The present."""

    def __call__(self) -> datetime:
        return datetime.now(UTC)


class CutBed(Bed):
    """A fleet over a real engine."""

    def __init__(self, folder: Path, product: str, engine: SupervisedEngine) -> None:
        super().__init__(folder, f"products: [{{name: one, path: {product}}}]")
        self.clock, self.engine = Now(), engine  # type: ignore[assignment]

    def gate(self, revision: int) -> Gate | None:
        """Return the open gate of a revision."""
        return next((gate for gate in self.store.gates.in_states(GateState.OPEN) if gate.revision == revision), None)

    async def press(self, revision: int, choice: str, note: str = "") -> None:
        """Press a button as a person."""
        gate = await until(lambda: self.gate(revision), LONG)
        given = Press(gate.id, choice, note, revision, gate.digest)
        await self.router.handle(self.inbound("", press=given))


@pytest.fixture
async def cutter(yard: Yard) -> AsyncIterator[Cutter]:
    with TemporaryDirectory() as short:
        cutter = Cutter(Path(short) / "cut", yard.supervisor(own=True).socket)
        await cutter.start()
        yield cutter
        await cutter.stop()


async def _tick(bed: Bed) -> None:
    """Run the jobs as the clock does."""
    while True:
        await asyncio.sleep(0.3)
        await bed.jobs.tick()


async def _asked(bed: Bed) -> tuple[Mail, ...]:
    """Return the product's mail, requested until it is answered."""
    while True:
        with suppress(EngineError):
            return await bed.engine.mail("one", limit=200)
        await asyncio.sleep(0.05)


async def test_channel_cut_at_every_kind_of_message_loses_nothing(tmp_path: Path, yard: Yard, cutter: Cutter) -> None:
    product, engine = yard.product("one"), SupervisedEngine(UnixTransport(cutter.path))
    (tmp_path / "bot").mkdir()
    bed = CutBed(tmp_path / "bot", product.path, engine)
    await bed.start()
    ticking = asyncio.create_task(_tick(bed))
    try:
        await bed.router.handle(bed.inbound("/fleet spawn one [complex] fix the failing test"))
        await bed.press(1, "changes", "smaller")
        await bed.press(2, "approve")
        await until(lambda: bed.work("w1").state is WorkState.DONE, LONG)
        await until(lambda: not bed.store.gates.in_states(GateState.OPEN, GateState.DECIDED), LONG)
        gates = bed.store.gates.in_states()
        mail = await _asked(bed)
    finally:
        ticking.cancel()
        await bed.kill()
        await engine.close()
    ends = [(gate.state, gate.decision and gate.decision.choice) for gate in gates]
    assert ends == [(GateState.DELIVERED, "changes"), (GateState.DELIVERED, "approve")]
    ours = Counter(each.body.split("\n")[0] for each in mail if each.ours)
    assert set(ours.values()) == {1}
    assert {"DECISION: revise: smaller", "DECISION: approve"} <= set(ours)
    for kind in ("request hello", "request watch", "request send", "request reply", "request receipt", "notification mail"):
        assert kind in cutter.passed, (kind, cutter.passed)
    assert len(cutter.lost) + len(cutter.passed) >= 26
