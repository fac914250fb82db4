"""Fixtures for a Docker engine, the images of this checkout, temporary containers, and a browser."""

import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.e2e.bed import ARTIFACTS, BOT, ROOT, RUNTIME, Compose, free_ports, run, take_certificates, unavailable
from tests.e2e.fleets import Fleet, InContainers, OnHost
from tests.e2e.tabs import Tab

QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--no-first-run"]


@pytest.fixture(scope="session", autouse=True)
def artifacts() -> Path:
    """Return the folder for logs and screenshots."""
    ARTIFACTS.mkdir(exist_ok=True)
    return ARTIFACTS


@pytest.fixture(scope="session")
def docker() -> None:
    """Require a Docker engine on which the containers' names are free."""
    if shutil.which("docker") is None:
        unavailable("docker is not installed")
    if subprocess.run(["docker", "info"], capture_output=True, timeout=60).returncode != 0:
        unavailable("no Docker engine answers")
    taken = run(["docker", "ps", "--all", "--format", "{{.Names}}"]).split()
    if BOT in taken or RUNTIME in taken:
        pytest.fail(f"a container {BOT} or {RUNTIME} is here already: docker compose down, then try again", pytrace=False)


@pytest.fixture(scope="session")
def images(docker: None) -> None:
    """Build both images from compose.yaml."""
    run([ROOT / "containers/base/make"], seconds=300)
    take_certificates()
    Compose("fleet-e2e", {})("build", seconds=1200)


@pytest.fixture(scope="session")
def new_compose(images: None, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Compose]:
    """Make a compose project with free ports, its own volumes, an editable registry and recognizable keys."""

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


@contextmanager
def running(compose: Compose, name: str, *services: str) -> Iterator[Compose]:
    """Start the project's containers. Their logs are saved and they are removed afterwards."""
    try:
        compose.up(*services)
        yield compose
    finally:
        compose.keep_logs(name)
        compose.down()


@contextmanager
def model_stand_in() -> Iterator[str]:
    """Start a scripted model on loopback for a fleet on this machine, and return its address."""
    argv = [sys.executable, "-m", "tests.standins.messages_api", "--port", "0", "--script", "tests/e2e/model.json"]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def containers(new_compose: Callable[..., Compose], request: pytest.FixtureRequest) -> Iterator[Compose]:
    """Start the two containers and the model's stand-in for the tests of one module."""
    with running(new_compose(), _log_name(request)) as compose:
        yield compose


@pytest.fixture(scope="module", params=[InContainers.name, OnHost.name])
def fleet(
    new_compose: Callable[..., Compose], request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """Start a fleet, once in containers and once on this machine."""
    name = _log_name(request)
    if request.param == InContainers.name:
        with running(new_compose(), name) as compose:
            fleet = InContainers(compose)
            fleet.start()
            yield fleet
        return
    with model_stand_in() as url, (ARTIFACTS / f"{name}-bot.log").open("w") as log:
        compose = new_compose(ANTHROPIC_BASE_URL=url)
        with running(compose, name, RUNTIME):
            host = OnHost(compose.settings, tmp_path_factory.mktemp("host"), log)
            host.start()
            yield host
            host.end()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, without a screen."""
    program = shutil.which("chromium")
    if program is None:
        unavailable("chromium is not installed")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=QUIET)
        yield started
        started.close()


@pytest.fixture
def open_tab(fleet: Fleet, browser: Browser, request: pytest.FixtureRequest) -> Iterator[Callable[..., Tab]]:
    """Open the signed-in page in its own browser. Check afterwards that nothing external was loaded and nothing failed."""
    tabs: list[Tab] = []

    def make(*, signed_in: bool = True, **context: object) -> Tab:
        options = {"viewport": {"width": 1440, "height": 900}, "locale": "en-GB", **context}
        tab = Tab(browser.new_context(**options).new_page(), fleet, request.node.originalname)  # type: ignore[arg-type]
        tab.watch()
        tabs.append(tab)
        tab.page.goto(f"{fleet.url}/?token={fleet.settings['FLEET_WEB_TOKEN']}" if signed_in else fleet.url)
        if signed_in:
            expect(tab.find("connection")).to_have_attribute("data-state", "live")
        return tab

    yield make
    for tab in tabs:
        tab.picture(tab.name)
        tab.page.context.close()
    assert [each for tab in tabs for each in tab.foreign] == []
    assert [each for tab in tabs for each in tab.errors] == []


@pytest.fixture
def tab(open_tab: Callable[..., Tab]) -> Tab:
    return open_tab()


def _log_name(request: pytest.FixtureRequest) -> str:
    module = request.module.__name__.rpartition(".")[2]
    return f"{module}-{request.param}" if hasattr(request, "param") else module
