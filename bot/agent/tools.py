"""Execution of the tools that the model calls, and the results that it reads.

Consecutive tools that only read run at the same time, all others run in the order of their calls. A refusal of a skill becomes
a result, so that the model can correct its call. A bug of ours is raised.
"""

import asyncio
import difflib
import json
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, TypeVar

from pydantic import ValidationError

from bot.agent.history import Block
from bot.agent.live import Doing, Live
from bot.commands.skill import Skill, SkillResult
from bot.domain import Card, Suggestion
from bot.domain.errors import DeliveryError, EngineError, FleetError, NotAllowed, RegistryError, UsageError

Invoke = Callable[[Skill, dict[str, Any], str], Awaitable[SkillResult]]
"""Function that runs a skill with unchecked arguments and the id of the call.

The id is the same when a call is repeated after a crash. The function checks arguments and rights, and raises on problems.
"""

T = TypeVar("T")
REFUSALS = (UsageError, NotAllowed, EngineError, RegistryError, DeliveryError)
NOT_RUN = "[not run: {why}]"


@dataclass(frozen=True, slots=True)
class ToolRun:
    """A finished call, with its duration in ms and its outcome (`ok`, `not_run` or an error code)."""

    skill: str
    ms: int
    outcome: str


@dataclass(frozen=True, slots=True)
class Ran:
    """Result of a call for the model, with the cards and suggestions for people."""

    block: Block
    run: ToolRun
    cards: tuple[Card, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()


class Halt:
    """Early end of a turn, because a person stopped it or its time ran out."""

    def __init__(self, stop: asyncio.Event, seconds: float) -> None:
        self._stop, self._until = stop, time.monotonic() + seconds

    @property
    def reason(self) -> str:
        """Return `stopped`, `time`, or an empty string."""
        return "stopped" if self._stop.is_set() else "time" if time.monotonic() >= self._until else ""

    async def wait(self) -> None:
        """Wait until there is a reason."""
        try:
            await asyncio.wait_for(self._stop.wait(), max(self._until - time.monotonic(), 0))
        except TimeoutError:
            return

    async def unless(self, work: Coroutine[Any, Any, T]) -> T | None:
        """Return the result of a coroutine, or cancel it and return None once there is a reason."""
        task, halted = asyncio.ensure_future(work), asyncio.ensure_future(self.wait())
        try:
            await asyncio.wait({task, halted}, return_when=asyncio.FIRST_COMPLETED)
            return task.result() if task.done() else None
        finally:
            task.cancel()
            halted.cancel()
            await asyncio.gather(task, halted, return_exceptions=True)


class Tools:
    """Skills that the model can call in a turn. All others do not exist for it."""

    def __init__(
        self, skills: Sequence[Skill], invoke: Invoke, live: Callable[[Live], None], *, parallel: int, most_chars: int
    ) -> None:
        self._skills = {skill.tool: skill for skill in skills if skill.model}
        self._invoke, self._live = invoke, live
        self._slots, self._most_chars = asyncio.Semaphore(parallel), most_chars

    async def run(self, calls: Sequence[Block], halt: Halt) -> list[Ran]:
        """Return one result per call, in their order."""
        ran: list[Ran] = []
        for reads, group in groupby(calls, key=self._reads):
            if reads:
                ran += await _together([self._read(call, halt) for call in group])
            else:
                ran += [await self._one(call) if not halt.reason else not_run(call, halt.reason) for call in group]
        return ran

    def _reads(self, call: Block) -> bool:
        skill = self._skills.get(call["name"])
        return skill is not None and skill.reads

    async def _read(self, call: Block, halt: Halt) -> Ran:
        async with self._slots:
            ran = None if halt.reason else await halt.unless(self._one(call))
        return ran or not_run(call, halt.reason)

    async def _one(self, call: Block) -> Ran:
        skill = self._skills.get(call["name"])
        if skill is None:
            return _error(call, "unknown", _unknown(call["name"], list(self._skills)), 0)
        self._live(Doing(doing(skill.name, call["input"]), skill.name))
        began = time.monotonic()
        try:
            result = await self._invoke(skill, call["input"], call["id"])
        except ValidationError as error:
            return _error(call, "arguments", _arguments(skill, error), _ms(began))
        except REFUSALS as error:
            return _error(call, error.code, error_text(error), _ms(began))
        content = result_text(call["name"], result, self._most_chars)
        block = {"type": "tool_result", "tool_use_id": call["id"], "content": content}
        return Ran(block, ToolRun(skill.name, _ms(began), "ok"), result.cards, result.suggestions)


def not_run(call: Block, why: str) -> Ran:
    """Return the result of a call that did not run."""
    words = {"stopped": "the person pressed Stop"}.get(why, "this turn has reached a limit")
    return _error(call, "not_run", NOT_RUN.format(why=words), 0)


def result_text(tool: str, result: SkillResult, most: int) -> str:
    """Return the result's text and JSON as data, each cut to `most` characters with a note."""
    text = cut(result.text, most)
    if result.data is not None:
        data = json.dumps(result.data, ensure_ascii=False, separators=(",", ":"), default=str)
        left = f"[cut: {len(data):,} characters of JSON, ask for less at once]"
        text += "\n" + (data if len(data) <= most else left)
    inside = text.replace("</data", "<\\/data")
    return f'<data from="{tool}">\n{inside}\n</data>'


def cut(text: str, most: int) -> str:
    """Cut the text to `most` characters, with a note of how much is missing."""
    left = f"\n[cut: {len(text) - most:,} of {len(text):,} characters left out, ask for less at once]"
    return text if len(text) <= most else text[:most] + left


def error_text(error: FleetError) -> str:
    """Return an error's message and hint for the model."""
    return f"{error.message} {error.hint}".strip() or error.code


def doing(name: str, arguments: dict[str, Any]) -> str:
    """Describe a call in a few words, as in `inspect product-a`."""
    product = arguments.get("product")
    return f"{name} {product}"[:80] if isinstance(product, str) else name


def _error(call: Block, outcome: str, words: str, ms: int) -> Ran:
    block = {"type": "tool_result", "tool_use_id": call["id"], "content": words, "is_error": True}
    return Ran(block, ToolRun(call["name"].replace("_", "-"), ms, outcome))


def _unknown(name: str, names: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    return f"There is no tool {name}." + (f" Did you mean {near[0]}?" if near else f" Known tools: {', '.join(names)}.")


def _arguments(skill: Skill, error: ValidationError) -> str:
    wrong = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors(include_url=False))
    return f"{wrong}. Arguments of {skill.tool}: {', '.join(skill.args.model_fields) or 'none'}."


async def _together(work: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each) for each in work]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]


def _ms(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
