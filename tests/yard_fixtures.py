from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.ending import end_everything_in
from tests.yard import Supervisor, Yard, template

NEW, OLD = "0.11.0", "0.5.8"


@pytest.fixture(scope="session")
def new_product(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Product of 0.11, to be copied."""
    return template(tmp_path_factory.mktemp("new") / "shop", NEW)


@pytest.fixture(scope="session")
def old_product(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Product of 0.5.8, to be copied."""
    return template(tmp_path_factory.mktemp("old") / "shop", OLD)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Supervisor]:
    """Supervisor of 0.11 for all tests that do nothing to it. The first one starts it."""
    folder = tmp_path_factory.mktemp("shared")
    supervisor = Supervisor(folder, idle=1.0)
    yield supervisor
    supervisor.end()
    end_everything_in(folder)


@pytest.fixture
async def yard(tmp_path: Path, new_product: Path, shared: Supervisor) -> AsyncIterator[Yard]:
    """Yard with products of 0.11."""
    made = Yard(tmp_path, new_product, shared)
    yield made
    await made.close()


@pytest.fixture
async def old_yard(tmp_path: Path, old_product: Path) -> AsyncIterator[Yard]:
    """Yard with products of 0.5.8."""
    made = Yard(tmp_path, old_product)
    yield made
    await made.close()
