"""The bed: a Docker engine, the images built from this checkout, and containers that are taken away afterwards."""

import secrets
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.bed import ARTIFACTS, BOT, ROOT, RUNTIME, Compose, free_ports, run, take_certificates, unavailable


@pytest.fixture(scope="session", autouse=True)
def artifacts() -> Path:
    """The folder for logs and screenshots."""
    ARTIFACTS.mkdir(exist_ok=True)
    return ARTIFACTS


@pytest.fixture(scope="session")
def docker() -> None:
    """A Docker engine that answers, with the names free that the containers have."""
    if shutil.which("docker") is None:
        unavailable("docker is not installed")
    if subprocess.run(["docker", "info"], capture_output=True, timeout=60).returncode != 0:
        unavailable("no Docker engine answers")
    taken = run(["docker", "ps", "--all", "--format", "{{.Names}}"]).split()
    if BOT in taken or RUNTIME in taken:
        pytest.fail(f"a container {BOT} or {RUNTIME} is here already: docker compose down, then try again", pytrace=False)


@pytest.fixture(scope="session")
def images(docker: None) -> None:
    """Both images, built from compose.yaml as it stands."""
    run([ROOT / "containers/base/make"], seconds=300)
    take_certificates()
    Compose("fleet-e2e", {})("build", seconds=1200)


@pytest.fixture(scope="session")
def new_compose(images: None, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Compose]:
    """Make a project of one's own: free ports, its own volumes, a registry that may be edited, keys that can be recognised."""

    def make(**settings: str) -> Compose:
        registry = tmp_path_factory.mktemp("registry")
        registry.chmod(0o755)
        shutil.copyfile(ROOT / "containers/bot/registry/products.yaml", registry / "products.yaml")
        web, gateway = free_ports(2)
        return Compose(
            f"fleet-e2e-{secrets.token_hex(4)}",
            {
                "ANTHROPIC_API_KEY": f"sk-ant-bot-{secrets.token_hex(8)}",
                "ANTHROPIC_BASE_URL": "http://model:4010",
                "ENGINE_ANTHROPIC_API_KEY": f"sk-ant-engine-{secrets.token_hex(8)}",
                "FLEET_WEB_PORT": str(web),
                "FLEET_GATEWAY_PORT": str(gateway),
                "FLEET_WEB_TOKEN": secrets.token_urlsafe(24),
                "REGISTRY_FOLDER": str(registry),
                "REHEARSAL_SECONDS": "1",
                **settings,
            },
        )

    return make


@pytest.fixture(scope="module")
def containers(new_compose: Callable[..., Compose], request: pytest.FixtureRequest) -> Iterator[Compose]:
    """The two containers and the model's stand-in, running, for the tests of one module."""
    compose = new_compose()
    try:
        compose.up()
        yield compose
    finally:
        compose.keep_logs(request.module.__name__.rpartition(".")[2])
        compose.down()
