"""Skills, storage and a runner for turns in tests."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.agent.live import Delta, Doing, Live
from bot.agent.loop import Limits, Transcript, TurnResult, run_turn
from bot.agent.model import Message, Model
from bot.commands.skill import Skill, SkillArgs, SkillContext, SkillResult, option, words
from bot.domain import Card, Role, Suggestion
from bot.domain.errors import EngineError, NotAllowed, NotFound

SYSTEM = "You tend a fleet."


class OneProduct(SkillArgs):
    product: str = words(description="Name of a product.")


class Task(SkillArgs):
    product: str = words(description="Name of a product.")
    task: str | None = words(None, description="What to do.", rest=True)
    capability: str | None = option(None, description="One agent of this kind.")


async def _not_run(args: Any, context: SkillContext) -> SkillResult:
    raise AssertionError("the loop runs skills through what it is handed")


def make(name: str, args: type[SkillArgs] = OneProduct, *, reads: bool = False, model: bool = True) -> Skill:
    """Return a skill with this name."""
    return Skill(name, f"{name} a product.", f"How to {name}.", args, _not_run, Role.VIEWER, reads, model)


SKILLS = (
    make("status", reads=True),
    make("inspect", reads=True),
    make("spawn", Task),
    make("pause"),
    make("approve-plan", model=False),
)


class Killed(BaseException):
    """End of the process at this point."""


class Kept(Transcript):
    """Transcript in memory, with hooks `before` and `after` each message."""

    def __init__(self, messages: Sequence[Message] = ()) -> None:
        self.messages = list(messages)
        self.waiting: list[tuple[str, str]] = []
        self.before: Callable[[Message], None] = lambda message: None
        self.after: Callable[[Message], None] = lambda message: None

    async def append(self, message: Message, taken: Sequence[str] = ()) -> None:
        self.before(message)
        self.messages.append(message)
        self.waiting = [each for each in self.waiting if each[0] not in taken]
        self.after(message)

    async def pending(self) -> Sequence[tuple[str, str]]:
        return tuple(self.waiting)


@dataclass
class Desk:
    """Runner of turns, which records the effects of its skills in `done`, once per request."""

    kept: Kept = field(default_factory=Kept)
    asked: list[tuple[str, str]] = field(default_factory=list)
    done: dict[str, str] = field(default_factory=dict)
    heard: list[Live] = field(default_factory=list)
    running: int = 0
    most_at_once: int = 0
    gate: asyncio.Event | None = None
    """Event that skills which read wait for, if set."""
    during: Callable[[str], None] = lambda name: None

    def say(self, *texts: str) -> None:
        """Begin a turn with a message of a person."""
        self.kept.messages.append({"role": "user", "content": [{"type": "text", "text": text} for text in texts]})

    async def invoke(self, skill: Skill, arguments: dict[str, Any], request: str) -> SkillResult:
        """Check the arguments, then act once per request, as the application does."""
        args = skill.args.model_validate(arguments)
        product = getattr(args, "product", "")
        self.asked.append((skill.name, request))
        self._refuse(product)
        self.running += 1
        self.most_at_once = max(self.most_at_once, self.running)
        try:
            if skill.reads and self.gate is not None:
                await self.gate.wait()
            else:
                await asyncio.sleep(0)
        finally:
            self.running -= 1
        if not skill.reads:
            self.done.setdefault(request, f"{skill.name} {product}")
        self.during(skill.name)
        card = (Card("work", work="w1"),) if skill.name == "spawn" else ()
        suggestion = (Suggestion("Status", "/fleet status"),) if skill.name == "spawn" else ()
        return SkillResult(f"{skill.name} {product}: fine", {"product": product}, cards=card, suggestions=suggestion)

    def _refuse(self, product: str) -> None:
        if product == "product-x":
            raise NotFound("There is no product-x.", "Did you mean product-a?")
        if product == "product-secret":
            raise NotAllowed("Only Ana may see product-secret.")
        if product == "product-down":
            raise EngineError("The runtime does not answer.", "Look at fleet doctor.", code="unreachable")
        if product == "product-bug":
            raise ZeroDivisionError("ours")

    async def turn(
        self, model: Model, limits: Limits | None = None, stop: asyncio.Event | None = None, skills: Sequence[Skill] = SKILLS
    ) -> TurnResult:
        """Run or resume the turn."""
        return await run_turn(
            model=model,
            system=SYSTEM,
            skills=skills,
            messages=tuple(self.kept.messages),
            transcript=self.kept,
            invoke=self.invoke,
            live=self.heard.append,
            limits=limits,
            stop=stop,
        )

    @property
    def streamed(self) -> str:
        """Return the streamed text."""
        return "".join(event.text for event in self.heard if isinstance(event, Delta)).strip()

    @property
    def doings(self) -> list[str]:
        """Return the activities shown during the turn."""
        return [event.text for event in self.heard if isinstance(event, Doing) and event.text]

    @property
    def results(self) -> list[dict[str, Any]]:
        """Return all stored tool results."""
        blocks = [block for message in self.kept.messages for block in message["content"]]
        return [block for block in blocks if block["type"] == "tool_result"]
