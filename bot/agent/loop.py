"""One turn of the agent, in which the model calls tools until it has an answer.

Every message is stored before the next step: calls before they run, and results before the model reads them. So a turn that was
killed at any point resumes from its messages. If they end in calls, `run_turn` runs these with the same ids, so that nothing
starts twice. If they end in an answer, it only returns the answer. The model is never asked again for an answer it has given.
"""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from bot.agent import context, record
from bot.agent.history import Block, calls, open_calls, turn_start, view, words
from bot.agent.live import Delta, Doing, Live
from bot.agent.model import Finished, Message, Model, ModelRequest, TextDelta, Usage
from bot.agent.record import Limits, TurnRecord, TurnResult
from bot.agent.tools import Halt, Invoke, Ran, ToolRun, Tools, not_run
from bot.commands.skill import Skill
from bot.domain.errors import ModelError

__all__ = ["Invoke", "Limits", "ToolRun", "Transcript", "TurnRecord", "TurnResult", "run_turn"]


class Transcript(ABC):
    """Storage of a turn's messages."""

    @abstractmethod
    async def append(self, message: Message, taken: Sequence[str] = ()) -> None:
        """Store a message, and in the same transaction that it includes the events `taken`."""

    @abstractmethod
    async def pending(self) -> Sequence[tuple[str, str]]:
        """Return the events and texts since the turn began that it does not include yet, oldest first.

        Only those of the turn's person count. A turn has that person's rights, so messages of others start their own turns.
        """


async def run_turn(
    *,
    model: Model,
    system: str,
    skills: Sequence[Skill],
    messages: Sequence[Message],
    transcript: Transcript,
    invoke: Invoke,
    live: Callable[[Live], None] = lambda event: None,
    limits: Limits | None = None,
    stop: asyncio.Event | None = None,
) -> TurnResult:
    """Run or resume the turn at the end of `messages`, whose opening message is already stored.

    Once `stop` is set, the turn ends within moments. A streaming answer and tools that only read are cancelled, a tool that
    changes something finishes, and the remaining calls do not run.
    """
    limits = limits or Limits()
    tools = Tools(skills, invoke, live, parallel=limits.parallel, most_chars=limits.result_chars)
    halt = Halt(stop or asyncio.Event(), limits.seconds)
    turn = _Turn(model, system, context.tools(tuple(skills)), list(messages), transcript, tools, live, limits, halt)
    result = await turn.run()
    live(Doing(""))
    return result


@dataclass(slots=True)
class _Answer:
    """An answer so far. `usage` and `cost_usd` include broken attempts."""

    text: str = ""
    usage: Usage = field(default_factory=Usage)
    cost_usd: float = 0.0
    finished: Finished | None = None
    steps: int = 0


@dataclass
class _Turn:
    model: Model
    system: str
    offered: tuple[dict[str, object], ...]
    messages: list[Message]
    transcript: Transcript
    tools: Tools
    live: Callable[[Live], None]
    limits: Limits
    halt: Halt

    def __post_init__(self) -> None:
        self.start = turn_start(self.messages)
        self.began = time.monotonic()
        self.first_token_ms: int | None = None
        self.spoken = bool(record.final_text(self.turn))

    @property
    def turn(self) -> list[Message]:
        """Return the messages of this turn."""
        return self.messages[self.start :]

    @property
    def over(self) -> str:
        """Return the reason why there is no next step, empty if there is one."""
        return self.halt.reason or record.over(self.turn, self.limits)

    async def run(self) -> TurnResult:
        if self.messages[-1]["role"] == "assistant" and not open_calls(self.messages):
            return self._result()
        while True:
            if called := open_calls(self.messages):
                await self._keep_results(await self._run_tools(called))
            if reason := self.over:
                return await self._end(reason, record.limit_text(reason, self.turn, self.limits))
            answer = _Answer()
            try:
                await self.halt.unless(self._ask(answer))
            except ModelError as error:
                return self._result(answer, error)
            if answer.finished is None:
                closing = record.limit_text(self.halt.reason, self.turn, self.limits)
                return await self._end(self.halt.reason, closing, answer, answer.text.strip())
            if not (answer.finished.stop_reason == "tool_use" and calls({"content": answer.finished.content})):
                return await self._finish(answer, answer.finished)
            kept = record.spent(answer.finished.model, "tool_use", 1, answer.usage, answer.cost_usd)
            await self._append({"role": "assistant", "content": _kept(answer.finished.content), "spent": kept})

    async def _ask(self, answer: _Answer) -> None:
        messages = view(self.messages, self.limits.history_tokens)
        request = ModelRequest(self.system, self.offered, messages, self.limits.answer_tokens)
        lost, lost_usd = Usage(), 0.0
        self.live(Doing("thinking"))
        async for event in self.model.stream(request):
            if isinstance(event, TextDelta):
                self._show(event.text, first=not answer.text)
                answer.text += event.text
                continue
            if isinstance(event, Finished):
                answer.finished = event
            elif answer.steps:
                lost, lost_usd, answer.text = answer.usage, answer.cost_usd, ""
                self.live(Doing("connection lost, restarting the answer"))
            answer.steps, answer.usage, answer.cost_usd = 1, lost + event.usage, lost_usd + event.cost_usd

    def _show(self, text: str, *, first: bool) -> None:
        if self.first_token_ms is None:
            self.first_token_ms = self._ms()
        if first:
            self.live(Doing(""))
        self.live(Delta(f"\n\n{text}" if first and self.spoken else text))
        self.spoken = True

    async def _run_tools(self, called: Sequence[Block]) -> Sequence[Ran]:
        if reason := self.over:
            return [not_run(call, reason) for call in called]
        return await self.tools.run(called, self.halt)

    async def _keep_results(self, ran: Sequence[Ran]) -> None:
        """Store the results, with pending messages if a next step can answer them."""
        pending = [] if self.over else await self.transcript.pending()
        message = record.results(ran, [text for _, text in pending])
        await self._append(message, [event for event, _ in pending])

    async def _finish(self, answer: _Answer, finished: Finished) -> TurnResult:
        """End the turn with an answer that calls nothing. The text before a refusal is dropped."""
        said = "" if finished.stop_reason == "refusal" else words({"content": finished.content})
        closing = record.stop_text(finished, self.turn, self.limits)
        return await self._end(finished.stop_reason, closing, answer, said)

    async def _end(self, stop: str, closing: str, answer: _Answer | None = None, said: str = "") -> TurnResult:
        """End the turn with the text so far and the reason why it ends."""
        answer = answer or _Answer()
        if closing:
            self._show(closing, first=True)
        model = answer.finished.model if answer.finished else self.model.name
        content = [{"type": "text", "text": text} for text in (said, closing) if text]
        spent = record.spent(model, stop, answer.steps, answer.usage, answer.cost_usd)
        await self._append({"role": "assistant", "content": content, "spent": spent})
        return self._result()

    async def _append(self, message: Message, taken: Sequence[str] = ()) -> None:
        await self.transcript.append(message, taken)
        self.messages.append(message)

    def _result(self, lost: _Answer | None = None, error: ModelError | None = None) -> TurnResult:
        lost = lost or _Answer()
        so_far = record.record(self.turn)
        whole = replace(
            so_far,
            model=so_far.model or self.model.name,
            stop="failed" if error else so_far.stop,
            steps=so_far.steps + lost.steps,
            usage=so_far.usage + lost.usage,
            cost_usd=so_far.cost_usd + lost.cost_usd,
            first_token_ms=self.first_token_ms,
            total_ms=self._ms(),
        )
        shown = record.cards(self.turn), record.suggestions(self.turn)
        return TurnResult(record.final_text(self.turn), whole, *shown, error)

    def _ms(self) -> int:
        return round((time.monotonic() - self.began) * 1000)


def _kept(content: Sequence[Block]) -> list[Block]:
    """Return the blocks without empty texts, which the API sometimes sends but does not accept."""
    return [block for block in content if block["type"] != "text" or block["text"].strip()]
