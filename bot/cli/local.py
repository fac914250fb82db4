"""The terminal's access to a fleet, with skills run in this process and streamed conversations."""

import asyncio
import getpass
import json
import signal
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from bot.agent.live import Delta, Live
from bot.commands import catalogue
from bot.commands.skill import Skill, SkillContext, SkillResult
from bot.domain import TERMINAL, Inbound, Person
from bot.domain.access import OWNER
from bot.domain.errors import FleetError
from bot.running import RunningFleet
from bot.settings import Settings

Write = Callable[[str], None]


async def run_skill(settings: Settings, name: str, arguments: dict[str, Any], *, progress: Write) -> dict[str, Any]:
    """Run a skill on a fleet opened for it, and return `{"text", "data", "table"}`.

    Started sessions keep going."""
    from bot.app import open_fleet

    async with open_fleet(settings) as core:
        skill = next(each for each in core.router.skills if each.name == name)
        result = await core.router.invoke(
            skill, arguments, _person(core.fleet.registry), TERMINAL, f"cli:{uuid.uuid4().hex}", progress=progress
        )
        return as_json(result)


async def help_text(skills: Sequence[Skill], arguments: dict[str, Any]) -> dict[str, Any]:
    """Run the skill `help`, which reads nothing but the skills."""
    skill = next(each for each in skills if each.name == "help")
    context = SkillContext(fleet=None, person=OWNER, conversation="", request="", skills=skills)  # type: ignore[arg-type]
    try:
        return as_json(await skill.run(catalogue.arguments(skill, arguments), context))
    except FleetError as error:
        return {"error": error.as_json()}


def as_json(result: SkillResult) -> dict[str, Any]:
    """Return a skill's result in the form of the web API."""
    table = {"columns": result.table.columns, "rows": result.table.rows} if result.table else None
    return {"text": result.text, "data": result.data, "table": table}


def is_product(word: str, running: RunningFleet | None, settings: Settings) -> bool:
    """Return True if a word names a product of the fleet."""
    from bot.registry import load
    from bot.registry.schema import normalized

    names = running.products() if running else load(settings.products).names
    return normalized(word) in {normalized(name) for name in names}


async def talk(
    text: str, running: RunningFleet | None, settings: Settings, conversation: str, *, write: Write | None, aside: Write
) -> dict[str, Any]:
    """Run one turn of the agent, and return `{"conversation", "replies", "streamed"}`. Ctrl-C stops it.

    Text is passed to `write` as it arrives (None: not at all), and the running skills to `aside`."""
    heard = _Heard(write, aside)
    if running is not None:
        answer = await _there(text, running, conversation, heard)
    else:
        answer = await _here(text, settings, conversation, heard)
    return {**answer, "streamed": heard.text}


class _Heard:
    """The text of a turn that has been written already, so that nothing is written twice."""

    def __init__(self, write: Write | None, aside: Write) -> None:
        self.write, self.aside, self.text = write, aside, ""

    def delta(self, text: str) -> None:
        if self.write is not None and text:
            self.text += text
            self.write(text)

    def doing(self, skill: str, text: str) -> None:
        if self.write is not None and skill:
            if self.text and not self.text.endswith("\n"):
                self.delta("\n")
            self.aside(text)


async def _there(text: str, running: RunningFleet, conversation: str, heard: _Heard) -> dict[str, Any]:
    import aiohttp

    headers = {"Authorization": f"Bearer {running.token}"}
    try:
        async with (
            aiohttp.ClientSession(running.url, headers=headers, timeout=aiohttp.ClientTimeout(total=None)) as session,
            session.ws_connect("/ws") as socket,
        ):
            await socket.send_json({"type": "subscribe", "conversations": [conversation]})
            listening = asyncio.create_task(_listen(socket, heard))
            loop = asyncio.get_running_loop()
            with _on_interrupt(lambda: loop.run_in_executor(None, running.stop_turn, conversation)):
                body = {"conversation": conversation, "text": text}
                async with session.post("/api/messages", json=body) as response:
                    answer: dict[str, Any] = await response.json()
            await socket.send_json({"type": "ping"})
            with suppress(TimeoutError):
                await asyncio.wait_for(listening, 2)
    except (aiohttp.ClientError, json.JSONDecodeError) as error:
        raise FleetError(
            f"The fleet at {running.url} stopped answering: {error}.", "Check it with `/fleet doctor`.", code="no_answer"
        ) from error
    if "error" in answer:
        raise FleetError(answer["error"]["message"], answer["error"]["hint"], code=answer["error"]["code"])
    return answer


async def _listen(socket: Any, heard: _Heard) -> None:
    """Pass on live events until the pong that follows the answer."""
    async for message in socket:
        said = json.loads(message.data) if isinstance(message.data, str) else {}
        match said.get("type"):
            case "delta":
                heard.delta(said["text"])
            case "doing":
                heard.doing(said.get("skill", ""), said["text"])
            case "pong":
                return


async def _here(text: str, settings: Settings, conversation: str, heard: _Heard) -> dict[str, Any]:
    from bot.app import open_fleet
    from bot.work import views

    def live(_: str, event: Live) -> None:
        if isinstance(event, Delta):
            heard.delta(event.text)
        else:
            heard.doing(event.skill, event.text)

    async with open_fleet(settings, live) as core:
        where = f"web:{conversation}"
        person, event = _person(core.fleet.registry), f"cli:{uuid.uuid4().hex}"
        inbound = Inbound(event, "web", where, person, core.fleet.now(), text=text)
        with _on_interrupt(lambda: core.router.stop_turn(where)):
            posts = await core.router.handle(inbound)
        return {"conversation": conversation, "replies": views.posts_json(posts, core.fleet)}


@contextmanager
def _on_interrupt(stop: Callable[[], object]) -> Iterator[None]:
    """Stop the turn on the first Ctrl-C and the command on the second."""
    loop = asyncio.get_running_loop()

    def first() -> None:
        loop.remove_signal_handler(signal.SIGINT)
        stop()

    loop.add_signal_handler(signal.SIGINT, first)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)


def _person(registry: Any) -> Person:
    """Return the local user, matched by OS user name, else the owner of the web token."""
    found: Person | None = registry.person("terminal", getpass.getuser()) or registry.person("web", "token")
    return found or OWNER
