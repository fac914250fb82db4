from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.rehearsal.driving import Product, Served, new_product


@pytest.fixture
def product(tmp_path: Path) -> Product:
    """A product where the engine is initialised."""
    made = new_product(tmp_path / "shop")
    assert made.ov("init", "--yes", "--name", "shop").code == 0
    return made


@pytest.fixture
def serve() -> Iterator[Callable[[Product], Served]]:
    """Start servers; they are ended with the test."""
    servers: list[Served] = []

    def start(product: Product) -> Served:
        servers.append(Served(product))
        return servers[-1]

    yield start
    for server in servers:
        server.end(hard=True)


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One served product with a coordinator, for all tests whose objectives do not disturb each other."""
    made = new_product(tmp_path_factory.mktemp("shared") / "shop")
    assert made.ov("init", "--yes", "--name", "shop").code == 0
    server = Served(made)
    server.post("/api/coordinator/start")
    yield server
    server.end()
