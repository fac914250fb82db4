"""The composition root, which builds the fleet from its parts.

`open_core` is the fleet with its engine, for a command that does one thing. `run` adds the chat platforms and stays up.
"""

import asyncio
import gc
import logging
import secrets
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from importlib.metadata import version

from bot import log as logs
from bot.agent.claude import Claude
from bot.agent.live import Live
from bot.agent.model import Model
from bot.chat.web import WebChat
from bot.commands import catalogue
from bot.conversation.platform import Chat, Part
from bot.conversation.router import Router
from bot.conversation.turns import Turns
from bot.domain.errors import DeliveryError, SettingsError
from bot.engine.base import Engine
from bot.engine.locate import EngineLocation, find
from bot.fleet import Change, Fleet
from bot.jobs import clock as clocks
from bot.jobs.model_choice import ModelChoice
from bot.jobs.table import Jobs
from bot.platforms import PLATFORMS, configured
from bot.registry import RegistryFile
from bot.report import Report, lines, readiness
from bot.running import announced, locked, write_private
from bot.settings import Settings
from bot.store import Store
from bot.text.backoff import Backoff

log = logging.getLogger(__name__)

FIRST_CONTACT = 5.0
"""Seconds that the start-up report waits for the engine and the chat platforms."""
RECONNECT = Backoff(1.0, longest=60.0)


@dataclass(frozen=True, slots=True)
class Core:
    """The fleet with everything but its chat platforms."""

    settings: Settings
    registry: RegistryFile
    store: Store
    engine: Engine
    place: EngineLocation
    fleet: Fleet
    jobs: Jobs
    router: Router
    failures: dict[str, Part] = field(default_factory=dict)
    """Chat platforms that could not be connected, with the reason."""

    @property
    def model(self) -> str | None:
        """Name of the agent's model, or None without a key."""
        return self.router.turns.model.name if self.router.turns else None

    def platforms(self) -> dict[str, Part]:
        """Return the state of each chat platform.

        It is connected, off, or down with the reason."""
        states = {}
        for platform in PLATFORMS:
            chat = self.jobs.chats.get(platform.name)
            off = Part("off", f"{platform.token} is not set")
            states[platform.name] = off if chat is None else self.failures.get(platform.name) or chat.part()
        return states

    def readiness(self) -> Mapping[str, Part]:
        """Return the state of each part of the fleet."""
        return readiness(self.fleet, self.model, self.platforms())


@asynccontextmanager
async def open_core(settings: Settings, live: Callable[[str, Live], None] = lambda *_: None) -> AsyncIterator[Core]:
    """Open the fleet and connect it to its engine. Raises RegistryError, StoreError or SettingsError."""
    registry = RegistryFile(settings.products)
    place = await find(settings, registry.current)
    store = Store(settings.state / "fleet.db")
    engine = place.engine()
    platforms = ("web", *(platform.name for platform in configured(settings)))
    fleet = Fleet(registry, store, engine, platforms=platforms, redact=settings.redact)
    jobs = Jobs(fleet)
    router = Router(fleet, catalogue.load(), live=live)
    jobs.act = router.act
    model = _model(settings, registry)
    if model is not None:
        router.turns = Turns(fleet, router.skills, model, router.invoke, live)
        jobs.scheduler.choice = ModelChoice(fleet, model)
    try:
        await engine.open(jobs.hear)
        await jobs.watch()
        yield Core(settings, registry, store, engine, place, fleet, jobs, router)
    finally:
        await router.close()
        if router.turns is not None:
            await router.turns.close()
        await engine.close()
        store.close()


@asynccontextmanager
async def open_fleet(settings: Settings, live: Callable[[str, Live], None] = lambda *_: None) -> AsyncIterator[Core]:
    """Open the fleet for one command, and run what the command made due before closing.

    The engine is waited for first."""
    async with open_core(settings, live) as core:
        await _contact(core)
        yield core
        await core.jobs.settled()
        await core.fleet.store.durable()  # what the command prints must not be forgotten


async def run(settings: Settings, report: Callable[[Report], None]) -> None:
    """Run the fleet until SIGINT or SIGTERM. Raises FleetError when it cannot start."""
    began = time.monotonic()
    logs.configure(settings.log_level, settings.log_format, settings.redact)
    stopped = asyncio.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(each, stopped.set)
    surfaces: list[Chat] = []

    def live(conversation: str, event: Live) -> None:
        for chat in surfaces:
            chat.live(conversation, event)

    with locked(settings.state):
        async with open_core(settings, live) as core, _serving(core, surfaces) as (web, connecting):
            core.router.resume()
            with announced(settings.state, web.url, web_token(settings)):
                await _contact(core)
                if connecting:
                    await asyncio.wait(connecting, timeout=FIRST_CONTACT)
                shown = lines(core.fleet, core.model, core.platforms(), chosen=core.place.why)
                report(Report(version("meta-coordinator"), shown, web.login_url, time.monotonic() - began))
                gc.freeze()  # modules and the like live as long as the process; no collection need traverse them
                await stopped.wait()


@asynccontextmanager
async def _serving(core: Core, surfaces: list[Chat]) -> AsyncIterator[tuple[WebChat, list[asyncio.Task[None]]]]:
    """Run the page, the chat platforms, the jobs and the clock.

    Yield the page, and the tasks that connect the platforms.

    `surfaces` receives every chat that hears live events."""
    settings = core.settings
    chats = {each.name: each.make(settings, core.fleet, core.router) for each in configured(settings)}
    core.jobs.chats.update(chats)
    ports = (settings.web_port, settings.gateway_port)
    token = web_token(settings)
    web = WebChat(core.fleet, core.router, token=token, ready=core.readiness, host=settings.web_host, ports=ports)
    for chat in chats.values():
        web.mounted.update(chat.hooks())
    surfaces += [web, *chats.values()]
    await web.start()
    clock = clocks.make(core.jobs, core.registry)
    jobs = asyncio.create_task(core.jobs.run(), name="jobs")
    connecting = [asyncio.create_task(_connect(chat, core), name=f"connect {name}") for name, chat in chats.items()]
    try:
        clock.start()
        yield web, connecting
    finally:
        clock.shutdown(wait=False)
        for task in (jobs, *connecting):
            task.cancel()
        await asyncio.gather(jobs, *connecting, return_exceptions=True)
        await asyncio.gather(*(chat.stop() for chat in surfaces), return_exceptions=True)


def web_token(settings: Settings) -> str:
    """Return the page's token, as set or else created once and stored in the state folder.

    Only its owner can read that file."""
    if settings.web_token is not None:
        return settings.web_token.get_secret_value()
    path = settings.state / "web-token"
    if path.exists() and (stored := path.read_text().strip()):
        return stored
    made = secrets.token_urlsafe(24)
    write_private(path, made + "\n")
    return made


async def _connect(chat: Chat, core: Core) -> None:
    """Connect a platform, retrying until it works or fails with something that only a person can fix."""
    attempts = 0
    while True:
        attempts += 1
        try:
            await chat.start()
        except SettingsError as error:
            log.error("%s stays off: %s", chat.platform, error)
            core.failures[chat.platform] = Part("down", str(error))
            return
        except DeliveryError as error:
            log.warning("%s cannot be reached and is retried: %s", chat.platform, error)
            core.failures[chat.platform] = Part("down", f"{error.message} Retrying.")
        else:
            core.failures.pop(chat.platform, None)
            core.fleet.changed(Change("chat"))
            return
        await asyncio.sleep(RECONNECT.pause(attempts))


def _model(settings: Settings, registry: RegistryFile) -> Model | None:
    if settings.anthropic_api_key is None:
        return None
    key = settings.anthropic_api_key.get_secret_value()
    return Claude(api_key=key, base_url=settings.anthropic_base_url, model=registry.current.agent.model)


async def _contact(core: Core) -> None:
    """Wait at most `FIRST_CONTACT` until every product has a snapshot, or a runtime is known to be down."""
    fleet, answered = core.fleet, asyncio.Event()
    watched = [product.name for product in fleet.registry.products if product.overstory]

    def check(_: Change | None = None) -> None:
        if fleet.down or (core.engine.runtimes() and all(name in fleet.snapshots for name in watched)):
            answered.set()

    unsubscribe = fleet.subscribe(check)
    check()
    try:
        with suppress(TimeoutError):
            await asyncio.wait_for(answered.wait(), FIRST_CONTACT)
    finally:
        unsubscribe()
