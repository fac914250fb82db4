from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.engine.yard import Yard, template

NEW, OLD = "0.11.0", "0.5.8"


@pytest.fixture(scope="session")
def new_product(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A product of 0.11, to be copied."""
    return template(tmp_path_factory.mktemp("new") / "shop", NEW)


@pytest.fixture(scope="session")
def old_product(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A product of 0.5.8, to be copied."""
    return template(tmp_path_factory.mktemp("old") / "shop", OLD)


@pytest.fixture
async def yard(tmp_path: Path, new_product: Path) -> AsyncIterator[Yard]:
    """A yard with products of 0.11."""
    made = Yard(tmp_path, new_product)
    yield made
    await made.close()


@pytest.fixture
async def old_yard(tmp_path: Path, old_product: Path) -> AsyncIterator[Yard]:
    """A yard with products of 0.5.8."""
    made = Yard(tmp_path, old_product)
    yield made
    await made.close()
