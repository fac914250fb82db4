"""Builds the coordinator of its parts: the only module that names every adapter.

`open_core` is the fleet with its engine, for a command that does one thing; `run` adds the surfaces and stays up.
"""

import asyncio
import fcntl
import gc
import json
import logging
import os
import secrets
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from pydantic import SecretStr

from bot import log as logs
from bot.agent.claude import Claude
from bot.agent.live import Live
from bot.agent.model import Model
from bot.chat.web import WebChat
from bot.commands import catalogue
from bot.conversation.platform import Chat, Part
from bot.conversation.router import Router
from bot.conversation.turns import Turns
from bot.domain.errors import DeliveryError, FleetError, SettingsError, StoreError
from bot.engine.base import Engine
from bot.engine.locate import Place, find
from bot.fleet import Change, Fleet
from bot.jobs import clock as schedule
from bot.jobs.model_choice import ModelChoice
from bot.jobs.table import Jobs
from bot.registry import RegistryFile
from bot.settings import Settings
from bot.store import Store
from bot.text.wording import count

log = logging.getLogger(__name__)

FIRST_CONTACT = 5.0
"""Seconds that the start-up report waits for the engine before it says that it is still being reached."""


@dataclass(frozen=True, slots=True)
class Line:
    """One part in the start-up report: its name, whether it is on, and in words what or why not."""

    name: str
    on: bool
    words: str


@dataclass(frozen=True, slots=True)
class Report:
    """What `fleet up` says once: parts, the page's address with its token, and how long it took (seconds)."""

    version: str
    lines: tuple[Line, ...]
    url: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Core:
    """The fleet with everything but its surfaces."""

    settings: Settings
    registry: RegistryFile
    store: Store
    engine: Engine
    place: Place
    fleet: Fleet
    jobs: Jobs
    router: Router
    failures: dict[str, Part] = field(default_factory=dict)
    """Platforms that could not be connected, and why."""


@asynccontextmanager
async def open_core(settings: Settings, live: Callable[[str, Live], None] = lambda *_: None) -> AsyncIterator[Core]:
    """The fleet, connected to its engine. Raises RegistryError, StoreError or SettingsError when it cannot be."""
    registry = RegistryFile(settings.products)
    place = await find(settings, registry.current)
    store = Store(settings.state / "fleet.db")
    engine = place.engine()
    fleet = Fleet(registry, store, engine, platforms=("web", *configured(settings)), redact=settings.redact)
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
    """The core for one command: waits until the engine has answered, and does what the command made due before it ends."""
    async with open_core(settings, live) as core:
        await _contact(core)
        yield core
        await core.jobs.settled()
        await core.fleet.store.durable()  # what the command prints must not be forgotten


async def run(settings: Settings, report: Callable[[Report], None]) -> None:
    """Be the coordinator until told to stop (SIGINT, SIGTERM). Raises FleetError in words when it cannot start."""
    began = time.monotonic()
    logs.configure(settings.log_level, settings.log_format, settings.redact)
    stopped = asyncio.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(each, stopped.set)
    surfaces: list[Chat] = []

    def live(conversation: str, event: Live) -> None:
        for chat in surfaces:
            chat.live(conversation, event)

    with _only_one(settings.state):
        async with open_core(settings, live) as core:
            token = web_token(settings)
            ports = (settings.web_port, settings.gateway_port)
            web = WebChat(
                core.fleet, core.router, token=token, ready=lambda: readiness(core), host=settings.web_host, ports=ports
            )
            core.jobs.chats.update(_chats(core))
            surfaces += [web, *core.jobs.chats.values()]
            for chat in core.jobs.chats.values():
                web.mounted.update(chat.hooks())
            await web.start()
            clock = schedule.make(core.jobs, core.registry)
            jobs = asyncio.create_task(core.jobs.run(), name="jobs")
            connecting = [
                asyncio.create_task(_connect(chat, core.fleet, core.failures), name=f"connect {name}")
                for name, chat in core.jobs.chats.items()
            ]
            try:
                clock.start()
                core.router.resume()
                with _announced(settings.state, web.url, token):
                    await _contact(core)
                    await asyncio.wait(connecting, timeout=FIRST_CONTACT) if connecting else None
                    report(Report(version("meta-coordinator"), lines(core), web.login_url, time.monotonic() - began))
                    gc.freeze()  # modules and the like live as long as we do; no collection need walk through them
                    await stopped.wait()
            finally:
                clock.shutdown(wait=False)
                for task in (jobs, *connecting):
                    task.cancel()
                await asyncio.gather(jobs, *connecting, return_exceptions=True)
                await asyncio.gather(*(chat.stop() for chat in surfaces), return_exceptions=True)


def web_token(settings: Settings) -> str:
    """The token of the page: as set, or made once and kept in the state folder, readable by its owner alone."""
    if settings.web_token is not None:
        return settings.web_token.get_secret_value()
    path = settings.state / "web-token"
    if path.exists() and (kept := path.read_text().strip()):
        return kept
    made = secrets.token_urlsafe(24)
    _write_private(path, made + "\n")
    return made


def readiness(core: Core) -> Mapping[str, Part]:
    """Each part: `ok`, `off` or `down`, and why."""
    problems = core.fleet.registry_problems
    down = core.fleet.down
    reached = ", ".join(f"{each.name}: {each.engine or 'no engine'}" for each in core.engine.runtimes())
    unreached = "; ".join(f"{name}: {reason}" for name, (reason, _) in down.items())
    return {
        "store": Part("ok"),
        "registry": Part("ok", f"{count(len(problems), 'problem')} in the file; an earlier one is in use" if problems else ""),
        "engine": Part("ok", reached) if reached and not down else Part("down", unreached or "not reached yet"),
        "claude": Part("ok") if core.router.turns else Part("off", "no ANTHROPIC_API_KEY; commands work"),
        **{name: platform(core, name) for name in ("slack", "discord")},
        "web": Part("ok"),
    }


def platform(core: Core, name: str) -> Part:
    """How a chat platform does: connected, not set up, or down and why."""
    chat = core.jobs.chats.get(name)
    if chat is None:
        return Part("off", f"no {name.upper()}_{'BOT_' if name == 'slack' else ''}TOKEN")
    return core.failures.get(name) or chat.part()


def lines(core: Core) -> tuple[Line, ...]:
    """The parts of the start-up report."""
    settings, fleet = core.settings, core.fleet
    count = len(fleet.registry.products)
    runtimes = core.engine.runtimes()
    engine = ", ".join(each.engine or "no engine found" for each in runtimes) or "not reached yet"
    claude = (
        f"{core.router.turns.model.name}"
        if core.router.turns
        else "set ANTHROPIC_API_KEY to talk in plain words; commands work"
    )
    return (
        Line("products", count > 0, f"{count} from {settings.products}"),
        Line("engine", bool(runtimes), f"{engine} ({core.place.why})"),
        Line("claude", core.router.turns is not None, claude),
        *(_platform_line(name, platform(core, name)) for name in ("slack", "discord")),
    )


def _platform_line(name: str, part: Part) -> Line:
    words = {"ok": part.why or "connected", "down": f"down: {part.why}"}.get(part.state, part.why)
    return Line(name, part.state != "off", words)


def _chats(core: Core) -> dict[str, Chat]:
    """The chat platforms that are set up; each is imported when it is wanted."""
    found: dict[str, Chat] = {}
    settings = core.settings
    if settings.slack_bot_token is not None:
        from bot.chat.slack.chat import SlackChat

        over_http = settings.slack_signing_secret and settings.public_url and not settings.slack_app_token
        found["slack"] = SlackChat(
            core.fleet,
            core.router,
            bot_token=settings.slack_bot_token.get_secret_value(),
            app_token=_secret(settings.slack_app_token),
            signing_secret=_secret(settings.slack_signing_secret) if over_http else None,
            api_url=settings.slack_api_url,
        )
    if settings.discord_token is not None:
        from bot.chat.discord.chat import DiscordChat

        token, api, gateway = settings.discord_token.get_secret_value(), settings.discord_api_url, settings.discord_gateway_url
        found["discord"] = DiscordChat(core.fleet, core.router, token, api=api, gateway=gateway)
    return found


def _secret(value: SecretStr | None) -> str | None:
    return value.get_secret_value() if value is not None else None


def configured(settings: Settings) -> tuple[str, ...]:
    """The platforms that are set up, beside the web."""
    known = {"slack": settings.slack_bot_token, "discord": settings.discord_token}
    return tuple(name for name, token in known.items() if token is not None)


async def _connect(chat: Chat, fleet: Fleet, failures: dict[str, Part]) -> None:
    """Connect a platform, trying again until it works or only a person can mend it."""
    pause = 1.0
    while True:
        try:
            await chat.start()
        except SettingsError as error:
            log.error("%s stays off: %s", chat.platform, error)
            failures[chat.platform] = Part("down", str(error))
            return
        except DeliveryError as error:
            log.warning("%s cannot be reached, it is tried again: %s", chat.platform, error)
            failures[chat.platform] = Part("down", f"{error.message} It is tried again.")
        else:
            failures.pop(chat.platform, None)
            fleet.changed(Change("chat"))
            return
        await asyncio.sleep(pause)
        pause = min(pause * 2, 60.0)


def _model(settings: Settings, registry: RegistryFile) -> Model | None:
    if settings.anthropic_api_key is None:
        return None
    key = settings.anthropic_api_key.get_secret_value()
    return Claude(api_key=key, base_url=settings.anthropic_base_url, model=registry.current.agent.model)


async def _contact(core: Core) -> None:
    """Wait until every product has been heard of, or a runtime is known not to answer; for a moment at most."""
    fleet, answered = core.fleet, asyncio.Event()
    watched = [product.name for product in fleet.registry.products if product.overstory]

    def look(_: Change | None = None) -> None:
        if fleet.down or (core.engine.runtimes() and all(name in fleet.snapshots for name in watched)):
            answered.set()

    unsubscribe = fleet.subscribe(look)
    look()
    try:
        with suppress(TimeoutError):
            await asyncio.wait_for(answered.wait(), FIRST_CONTACT)
    finally:
        unsubscribe()


@contextmanager
def _only_one(state: Path) -> Iterator[None]:
    """One coordinator for each state folder: the lock goes with the process."""
    try:
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(state / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(
            f"The state folder {state} cannot be written: {error.strerror}.",
            "Make it writable, or set FLEET_STATE to another folder.",
        ) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise FleetError(
                f"A coordinator already runs on {state}.",
                "Use it, or stop it first; `fleet doctor` says where it is.",
                code="running",
            ) from None
        yield
    finally:
        os.close(handle)


@contextmanager
def _announced(state: Path, url: str, token: str) -> Iterator[None]:
    """While it runs, commands on this machine find the coordinator through `bot.json` in the state folder."""
    path = state / "bot.json"
    _write_private(path, json.dumps({"pid": os.getpid(), "url": url, "token": token}))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
