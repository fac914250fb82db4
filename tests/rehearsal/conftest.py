import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.rehearsal.driving import Product, Served, new_product


@pytest.fixture(scope="session")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Product with an initialised engine, to be copied."""
    made = new_product(tmp_path_factory.mktemp("ready") / "shop")
    assert made.ov("init", "--yes", "--name", "shop").code == 0
    return made.root


@pytest.fixture
def product(ready: Path, tmp_path: Path) -> Product:
    """Product with an initialised engine."""
    return Product(shutil.copytree(ready, tmp_path / "shop"))


@pytest.fixture
def serve() -> Iterator[Callable[[Product], Served]]:
    """Function that starts servers, which end with the test."""
    servers: list[Served] = []

    def start(product: Product) -> Served:
        servers.append(Served(product))
        return servers[-1]

    yield start
    for server in servers:
        server.end(hard=True)


@pytest.fixture(scope="session")
def shop(ready: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Served product with a coordinator, for tests whose objectives do not disturb each other."""
    server = Served(Product(shutil.copytree(ready, tmp_path_factory.mktemp("shared") / "shop")))
    server.post("/api/coordinator/start")
    yield server
    server.end()
