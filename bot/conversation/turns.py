"""Turns of the agent, one at a time per conversation, stored step by step and resumed after a crash.

A message of the same person during a turn joins its next step. A message of someone else waits for a turn of its own, because a
turn acts with the rights of its person.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from bot.agent import context
from bot.agent.live import Doing, Live
from bot.agent.loop import Limits, Transcript, TurnResult, run_turn
from bot.agent.model import Message, Model
from bot.commands.skill import Skill, SkillResult
from bot.domain import Inbound
from bot.domain.errors import UsageError
from bot.fleet import Fleet
from bot.text.wording import money
from bot.work.status import status

Invoke = Callable[..., Awaitable[SkillResult]]
"""Signature of `Router.invoke`."""


@dataclass(slots=True)
class _Running:
    """The running turn of one conversation."""

    inbound: Inbound
    said: list[tuple[str, str]] = field(default_factory=list)
    """Events and texts of the same person since the start that no step includes yet."""
    taken: set[str] = field(default_factory=set)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    doing: str = "thinking"


class _StoredTranscript(Transcript):
    """Messages of a turn in the store."""

    def __init__(self, fleet: Fleet, running: _Running) -> None:
        self._fleet, self._running = fleet, running

    async def append(self, message: Message, taken: Sequence[str] = ()) -> None:
        inbound = self._running.inbound
        with self._fleet.transaction():
            self._fleet.store.transcript.append(inbound.conversation, inbound.event, message, self._fleet.now())
            for event in taken:
                self._fleet.store.inbound.handled(event, answered_by=inbound.event)
        self._running.taken.update(taken)
        self._running.said = [(event, text) for event, text in self._running.said if event not in taken]

    async def pending(self) -> Sequence[tuple[str, str]]:
        return list(self._running.said)


class Turns:
    """Turns of all conversations."""

    def __init__(
        self,
        fleet: Fleet,
        skills: Sequence[Skill],
        model: Model,
        invoke: Invoke,
        live: Callable[[str, Live], None] = lambda *_: None,
    ) -> None:
        self.fleet = fleet
        self.skills = tuple(skills)
        self.model = model
        self.invoke = invoke
        self.live = live
        self._running: dict[str, _Running] = {}

    async def answer(self, inbound: Inbound, text: str) -> str:
        """Answer a message in a new or the running turn. Returns the event whose posts answer it.

        Raises UsageError if the agent's daily budget is used up, and ModelError if Claude could not answer.
        """
        while running := self._running.get(inbound.conversation):
            if running.inbound.person == inbound.person:
                running.said.append((inbound.event, text))
            await running.ended.wait()
            if inbound.event in running.taken:
                return running.inbound.event
        self._running[inbound.conversation] = running = _Running(inbound)
        try:
            await self._turn(running, text)
        finally:
            del self._running[inbound.conversation]
            running.ended.set()
            self.live(inbound.conversation, Doing(""))
        return inbound.event

    def stop(self, conversation: str) -> bool:
        """Stop the turn in a conversation. Returns False if there is none."""
        running = self._running.get(conversation)
        if running:
            running.stop.set()
        return running is not None

    def running(self) -> dict[str, str]:
        """Return the conversations with a running turn, and its activity."""
        return {conversation: running.doing for conversation, running in self._running.items()}

    async def close(self) -> None:
        """Close the model's connections."""
        await self.model.close()

    async def _turn(self, running: _Running, text: str) -> None:
        fleet, inbound = self.fleet, running.inbound
        transcript = _StoredTranscript(fleet, running)
        limits = self._limits()
        record = fleet.store.transcript.of(inbound.conversation)
        messages = [message for _, message in record]
        if not any(turn == inbound.event for turn, _ in record):
            opening = context.opening(text, inbound.person, status(fleet, person=inbound.person), product=inbound.product)
            await transcript.append(opening)
            messages.append(opening)
        self._show(running, Doing("thinking"))
        result = await run_turn(
            model=self.model,
            system=context.system_prompt(),
            skills=self.skills,
            messages=messages,
            transcript=transcript,
            invoke=lambda skill, arguments, call: self._invoke(running, skill, arguments, call),
            live=lambda event: self._show(running, event),
            limits=limits,
            stop=running.stop,
        )
        self._end(inbound, result)

    def _limits(self) -> Limits:
        fleet, agent = self.fleet, self.fleet.registry.agent
        left = None
        if agent.per_day_usd is not None:
            spent = fleet.store.turns.spent_since(fleet.today())
            left = agent.per_day_usd - spent
            if left <= 0:
                raise UsageError(
                    f"I have used {money(spent)} of my daily budget of {money(agent.per_day_usd)}.",
                    "Commands still work (`/fleet help`). An admin can raise `agent.per_day_usd` in products.yaml.",
                )
        return Limits(steps=agent.max_steps, answer_tokens=agent.max_tokens, cost_usd=left)

    async def _invoke(self, running: _Running, skill: Skill, arguments: dict[str, Any], call: str) -> SkillResult:
        inbound = running.inbound
        return await self.invoke(
            skill,
            arguments,
            inbound.person,
            inbound.conversation,
            f"{inbound.event}:{call}",
            product=inbound.product,
            by_model=True,
            progress=lambda text: self._show(running, Doing(text, skill=skill.name)),
        )

    def _show(self, running: _Running, event: Live) -> None:
        if isinstance(event, Doing):
            running.doing = event.text
        self.live(running.inbound.conversation, event)

    def _end(self, inbound: Inbound, result: TurnResult) -> None:
        fleet = self.fleet
        with fleet.transaction():
            record = asdict(result.record)
            fleet.store.turns.record(inbound.event, inbound.conversation, fleet.now(), result.record.cost_usd, record)
            if result.text or result.cards:
                fleet.say(
                    inbound.conversation,
                    result.text,
                    key=f"{inbound.event}:reply",
                    product=inbound.product,
                    cards=result.cards,
                    suggestions=result.suggestions,
                    answers=inbound.event,
                )
        if result.error is not None:
            raise result.error
