"""Running the tools that the model calls, and what it is told of them.

Reads that stand side by side run at once, everything else in the order in which it was called. What a skill refuses on
purpose becomes a result in words, so that the model can mend its call; what is a mistake of ours is raised.
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
"""Runs a skill with arguments as they came and the id of the call, which is the same when the call is repeated after a
crash. Checks arguments and rights, and raises what it finds."""

T = TypeVar("T")
REFUSALS = (UsageError, NotAllowed, EngineError, RegistryError, DeliveryError)
NOT_RUN = "[not run: {why}]"


@dataclass(frozen=True, slots=True)
class ToolRun:
    """One call as it went: how long it took (ms) and what came of it (`ok`, `not_run`, or the error's code)."""

    skill: str
    ms: int
    outcome: str


@dataclass(frozen=True, slots=True)
class Ran:
    """A call's result as the model is told it, and what people are shown of it."""

    block: Block
    run: ToolRun
    cards: tuple[Card, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()


class Halt:
    """Why a turn has to end before its time: somebody pressed Stop, or the clock ran out."""

    def __init__(self, stop: asyncio.Event, seconds: float) -> None:
        self._stop, self._until = stop, time.monotonic() + seconds

    @property
    def reason(self) -> str:
        """`stopped`, `time`, or nothing."""
        return "stopped" if self._stop.is_set() else "time" if time.monotonic() >= self._until else ""

    async def wait(self) -> None:
        """Returns when there is a reason."""
        try:
            await asyncio.wait_for(self._stop.wait(), max(self._until - time.monotonic(), 0))
        except TimeoutError:
            return

    async def unless(self, work: Coroutine[Any, Any, T]) -> T | None:
        """The work's result; None, and the work cancelled, when there was a reason first."""
        task, halted = asyncio.ensure_future(work), asyncio.ensure_future(self.wait())
        try:
            await asyncio.wait({task, halted}, return_when=asyncio.FIRST_COMPLETED)
            return task.result() if task.done() else None
        finally:
            task.cancel()
            halted.cancel()
            await asyncio.gather(task, halted, return_exceptions=True)


class Tools:
    """The skills that the model is offered in a turn. Those it is not offered do not exist for it."""

    def __init__(
        self, skills: Sequence[Skill], invoke: Invoke, live: Callable[[Live], None], *, parallel: int, most_chars: int
    ) -> None:
        self._skills = {skill.tool: skill for skill in skills if skill.model}
        self._invoke, self._live = invoke, live
        self._places, self._most_chars = asyncio.Semaphore(parallel), most_chars

    async def run(self, calls: Sequence[Block], halt: Halt) -> list[Ran]:
        """Results in the order of the calls, one for each, whatever happens."""
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
        async with self._places:
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
            return _error(call, error.code, told_error(error), _ms(began))
        content = told(call["name"], result, self._most_chars)
        block = {"type": "tool_result", "tool_use_id": call["id"], "content": content}
        return Ran(block, ToolRun(skill.name, _ms(began), "ok"), result.cards, result.suggestions)


def not_run(call: Block, why: str) -> Ran:
    """The result of a call that was left."""
    words = {"stopped": "the person pressed Stop"}.get(why, "a limit of this turn is reached")
    return _error(call, "not_run", NOT_RUN.format(why=words), 0)


def told(tool: str, result: SkillResult, most: int) -> str:
    """What the model reads: the words, then the JSON, marked as data and cut visibly to `most` characters of each."""
    text = cut(result.text, most)
    if result.data is not None:
        data = json.dumps(result.data, ensure_ascii=False, separators=(",", ":"), default=str)
        left = f"[cut: {len(data):,} characters of JSON; ask for less at once]"
        text += "\n" + (data if len(data) <= most else left)
    inside = text.replace("</data", "<\\/data")
    return f'<data from="{tool}">\n{inside}\n</data>'


def cut(text: str, most: int) -> str:
    """The text, and where it is longer than `most` characters, how much of it was left out."""
    left = f"\n[cut: {len(text) - most:,} of {len(text):,} characters left out; ask for less at once]"
    return text if len(text) <= most else text[:most] + left


def told_error(error: FleetError) -> str:
    """An error as the model reads it: what happened, and what to do."""
    return f"{error.message} {error.hint}".strip() or error.code


def doing(name: str, arguments: dict[str, Any]) -> str:
    """What runs, in a few words: `inspect product-a`."""
    product = arguments.get("product")
    return f"{name} {product}"[:80] if isinstance(product, str) else name


def _error(call: Block, outcome: str, words: str, ms: int) -> Ran:
    block = {"type": "tool_result", "tool_use_id": call["id"], "content": words, "is_error": True}
    return Ran(block, ToolRun(call["name"].replace("_", "-"), ms, outcome))


def _unknown(name: str, names: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    return f"There is no tool {name}." + (f" Did you mean {near[0]}?" if near else f" There are: {', '.join(names)}.")


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
