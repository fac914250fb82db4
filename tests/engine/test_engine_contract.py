"""The contract of the Engine port, on the fake and on the real client in both dialects."""

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.domain import MailKind, Product, Trouble
from bot.engine.base import Engine
from bot.engine.supervised import SupervisedEngine
from bot.engine.unix import UnixTransport
from tests.contracts.engine import EngineContract, WorkContract, World
from tests.ending import end_everything_in
from tests.fakes.engine import FakeEngine
from tests.yard import Ear, Supervisor, Yard, mailed
from tests.yard_fixtures import NEW, OLD

TYPES = {MailKind.PROGRESS: "status", MailKind.QUESTION: "question"}
"""The engine\'s mail types for the kinds that the contract sends."""


class FakeWorld(World):
    def __init__(self) -> None:
        self.one, self.two, self.lost = (Product(name, f"/projects/{name}") for name in ("one", "two", "lost"))
        self.engine = FakeEngine()
        self.engine.set_trouble("lost", Trouble("path_missing", "There is no such folder.", "Fix `path`."))
        self.first = True

    async def client(self, cursors: Mapping[str, str] | None = None) -> tuple[Engine, Ear]:
        ear = Ear()
        engine = self.engine if self.first else FakeEngine(sharing=self.engine)
        self.first = False
        await engine.open(ear)
        await engine.watch([self.one, self.two, self.lost], cursors or {})
        return engine, ear

    async def agent_mails(self, product: Product, subject: str, kind: MailKind = MailKind.PROGRESS) -> None:
        self.engine.push_mail(product.name, subject=subject, body=subject, kind=kind)

    async def go_down(self) -> None:
        self.engine.go_down()

    async def come_up(self) -> None:
        self.engine.come_up()


class TestFake(EngineContract):
    @pytest.fixture
    def world(self) -> World:
        return FakeWorld()


class RealWorld(World):
    def __init__(self, yard: Yard, supervisor: Supervisor, dialect: str) -> None:
        self.yard, self.supervisor, self.dialect = yard, supervisor, dialect
        self.own: Supervisor | None = None
        self.one, self.two = yard.product("one"), yard.product("two")
        self.lost = replace(self.one, name="lost", path=f"{self.one.path}-lost")

    async def client(self, cursors: Mapping[str, str] | None = None) -> tuple[Engine, Ear]:
        return await self.yard.engine(self.supervisor, self.one, self.two, self.lost, cursors=cursors)

    async def agent_mails(self, product: Product, subject: str, kind: MailKind = MailKind.PROGRESS) -> None:
        mailed(product, subject=subject, dialect=self.dialect, type=TYPES[kind])

    async def go_down(self) -> None:
        self.supervisor.end()

    async def come_up(self) -> None:
        self.supervisor.start()


@pytest.fixture(scope="module")
def supervisors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Supervisor]]:
    """One supervisor for each dialect, for all tests of this module."""
    folder = tmp_path_factory.mktemp("supervisors")
    made = {dialect: Supervisor(folder / dialect, idle=1.0, REHEARSAL_DIALECT=dialect) for dialect in (NEW, OLD)}
    yield made
    for supervisor in made.values():
        supervisor.end()
    end_everything_in(folder)


async def real_world(yard: Yard, supervisor: Supervisor, dialect: str) -> AsyncIterator[World]:
    if supervisor.process is None:
        supervisor.start()
    world = RealWorld(yard, supervisor, dialect)
    yield world
    engine = SupervisedEngine(UnixTransport(supervisor.socket))
    await engine.open(lambda event: None)
    await engine.watch([world.one, world.two], {})
    for product in ("one", "two"):
        await engine.resume(product)
        await engine.stop(product)
    await engine.close()


class TestNewDialect(EngineContract):
    @pytest.fixture
    async def world(self, yard: Yard, supervisors: dict[str, Supervisor]) -> AsyncIterator[Any]:
        async for world in real_world(yard, supervisors[NEW], NEW):
            yield world


class TestOldDialect(WorkContract):
    @pytest.fixture
    async def world(self, old_yard: Yard, supervisors: dict[str, Supervisor]) -> AsyncIterator[Any]:
        async for world in real_world(old_yard, supervisors[OLD], OLD):
            yield world


def test_templates_match_their_versions(new_product: Path, old_product: Path) -> None:
    assert (new_product / ".overstory" / "config.yaml").exists()
    assert (old_product / ".overstory" / "config.yaml").exists()
