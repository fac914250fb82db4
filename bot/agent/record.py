"""What a turn took, did and says, read from the messages it kept; and the words with which it ends early. Pure.

An answer carries `spent` (`{"model", "stop", "steps", "usage", "cost_usd"}`), results carry `runs` (a `ToolRun` each)
and `shown` (`{"cards", "suggestions"}`). So a turn that was killed and taken up again accounts for all of itself.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bot.agent.history import calls, words
from bot.agent.model import Finished, Message, Usage
from bot.agent.tools import Ran, ToolRun, doing
from bot.domain import Card, Suggestion
from bot.domain.errors import ModelError
from bot.text.wording import listed, money

GO_ON = "Say “go on” to continue."


@dataclass(frozen=True, slots=True)
class Limits:
    """How far one turn may go."""

    steps: int = 24
    """Answers of the model."""
    seconds: float = 900.0
    tokens: int = 400_000
    """Read and written, without what the cache held."""
    cost_usd: float | None = None
    answer_tokens: int = 32_000
    """Of one answer, thinking included."""
    history_tokens: int = 40_000
    """Of earlier turns that are shown again."""
    result_chars: int = 12_000
    """Of the words, and of the JSON, of one tool's result."""
    parallel: int = 6
    """Reads at once."""


@dataclass(frozen=True, slots=True)
class TurnRecord:
    """What a turn took. `stop`: end_turn, stopped, time, steps, tokens, money, failed, or the API's own word."""

    model: str
    stop: str
    steps: int
    tools: tuple[ToolRun, ...]
    usage: Usage
    cost_usd: float
    first_token_ms: int | None = None
    """From the start of this run to the first text; None where there was none."""
    total_ms: int = 0


@dataclass(frozen=True, slots=True)
class TurnResult:
    """What the turn says and shows. With `error` the model could not go on, and the turn waits to be taken up again."""

    text: str
    record: TurnRecord
    cards: tuple[Card, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()
    error: ModelError | None = None


def record(turn: Sequence[Message]) -> TurnRecord:
    """What the turn has taken so far."""
    spent = [message["spent"] for message in turn if "spent" in message]
    return TurnRecord(
        model=spent[-1]["model"] if spent else "",
        stop=spent[-1]["stop"] if spent else "",
        steps=sum(each["steps"] for each in spent),
        tools=tuple(ToolRun(**run) for message in turn for run in message.get("runs", ())),
        usage=sum((Usage(**each["usage"]) for each in spent), Usage()),
        cost_usd=sum(each["cost_usd"] for each in spent),
    )


def spent(model: str, stop: str, steps: int, usage: Usage, cost_usd: float) -> dict[str, Any]:
    """What is kept beside an answer."""
    return {"model": model, "stop": stop, "steps": steps, "usage": asdict(usage), "cost_usd": cost_usd}


def results(ran: Sequence[Ran], said: Sequence[str]) -> Message:
    """The message with what tools answered, and after it what the person has said meanwhile."""
    return {
        "role": "user",
        "content": [*[each.block for each in ran], *[{"type": "text", "text": text} for text in said if text.strip()]],
        "runs": [asdict(each.run) for each in ran],
        "shown": {
            "cards": [asdict(card) for each in ran for card in each.cards],
            "suggestions": [asdict(suggestion) for each in ran for suggestion in each.suggestions],
        },
    }


def said(turn: Sequence[Message]) -> str:
    """What the model has said in a turn."""
    texts = [words(message) for message in turn if message["role"] == "assistant"]
    return "\n\n".join(text for text in texts if text)


def cards(turn: Sequence[Message]) -> tuple[Card, ...]:
    """The cards of all results, each once."""
    return tuple(dict.fromkeys(Card(**card) for message in turn for card in message.get("shown", {}).get("cards", ())))


def suggestions(turn: Sequence[Message]) -> tuple[Suggestion, ...]:
    """The suggestions of all results, each once."""
    shown = [message["shown"]["suggestions"] for message in turn if "shown" in message]
    return tuple(dict.fromkeys(Suggestion(**suggestion) for each in shown for suggestion in each))


def done(turn: Sequence[Message]) -> str:
    """What a turn's tools have done: `Done so far: 2 × status and spawn product-a.`"""
    named = {call["id"]: doing(call["name"].replace("_", "-"), call["input"]) for message in turn for call in calls(message)}
    answered = [
        named[block["tool_use_id"]]
        for message in turn
        for block in message["content"]
        if block["type"] == "tool_result" and not block.get("is_error")
    ]
    names = [f"{times} × {name}" if times > 1 else name for name, times in Counter(answered).items()]
    return f"Done so far: {listed(names)}." if names else "Nothing was done."


def over(turn: Sequence[Message], limits: Limits) -> str:
    """Which limit of a turn is reached: steps, tokens, money, or none."""
    so_far = record(turn)
    if so_far.steps >= limits.steps:
        return "steps"
    if so_far.usage.input_tokens + so_far.usage.cache_write_tokens + so_far.usage.output_tokens >= limits.tokens:
        return "tokens"
    return "money" if limits.cost_usd is not None and so_far.cost_usd >= limits.cost_usd else ""


def limit_words(reason: str, turn: Sequence[Message], limits: Limits) -> str:
    """How a turn ends that was stopped, or that has reached a limit."""
    if reason == "stopped":
        return f"Stopped. {done(turn)}"
    limit = {
        "steps": f"{limits.steps} steps",
        "time": f"{limits.seconds / 60:.0f} minutes" if limits.seconds >= 90 else f"{limits.seconds:g} seconds",
        "tokens": f"{limits.tokens:,} tokens",
        "money": money(limits.cost_usd or 0.0),
    }[reason]
    return f"I stopped after {limit}, the limit of one turn. {done(turn)} {GO_ON}"


def stop_words(finished: Finished, turn: Sequence[Message], limits: Limits) -> str:
    """What is added to an answer that ended in an unusual way; nothing otherwise."""
    why = f" ({finished.detail})" if finished.detail else ""
    unusual = {
        "max_tokens": f"[The answer was cut off at {limits.answer_tokens:,} tokens. {GO_ON}]",
        "model_context_window_exceeded": "[The answer was cut off: this conversation is too long. Start a new one.]",
        "pause_turn": f"[Claude paused in the middle of its answer. {GO_ON}]",
        "refusal": f"Claude declined to answer this{why}. Put it differently, or start a new conversation if it goes on.",
    }
    if finished.stop_reason in unusual:
        return unusual[finished.stop_reason]
    return "" if words({"content": finished.content}) else f"Claude had nothing to add. {done(turn)}"
