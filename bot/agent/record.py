"""Usage, actions and text of a turn, read from its stored messages. Pure.

A stored answer has `spent` (`{"model", "stop", "steps", "usage", "cost_usd"}`). Stored results have `runs` (`ToolRun`s) and
`shown` (`{"cards", "suggestions"}`). So a resumed turn accounts for all of its steps.
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

CONTINUE = "Say “continue” to resume."


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one turn."""

    steps: int = 24
    """Most answers of the model."""
    seconds: float = 900.0
    tokens: int = 400_000
    """Most input and output tokens, without cached input."""
    cost_usd: float | None = None
    answer_tokens: int = 32_000
    """Most tokens of one answer, thinking included."""
    history_tokens: int = 40_000
    """Most tokens of earlier turns."""
    result_chars: int = 12_000
    """Most characters of a tool result's text, and of its JSON."""
    parallel: int = 6
    """Most tools that read at the same time."""


@dataclass(frozen=True, slots=True)
class TurnRecord:
    """Usage of a turn.

    `stop` is end_turn, stopped, time, steps, tokens, money, failed, or another reason of the API.
    """

    model: str
    stop: str
    steps: int
    tools: tuple[ToolRun, ...]
    usage: Usage
    cost_usd: float
    first_token_ms: int | None = None
    """Milliseconds from the start of this run to the first text, None without text."""
    total_ms: int = 0


@dataclass(frozen=True, slots=True)
class TurnResult:
    """Text and cards of a turn. With an `error` the model failed, and the turn can be resumed."""

    text: str
    record: TurnRecord
    cards: tuple[Card, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()
    error: ModelError | None = None


def record(turn: Sequence[Message]) -> TurnRecord:
    """Return the usage of the turn so far."""
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
    """Return the usage that is stored with an answer."""
    return {"model": model, "stop": stop, "steps": steps, "usage": asdict(usage), "cost_usd": cost_usd}


def results(ran: Sequence[Ran], said: Sequence[str]) -> Message:
    """Return the message with the tool results, followed by the person's messages since."""
    return {
        "role": "user",
        "content": [*[each.block for each in ran], *[{"type": "text", "text": text} for text in said if text.strip()]],
        "runs": [asdict(each.run) for each in ran],
        "shown": {
            "cards": [asdict(card) for each in ran for card in each.cards],
            "suggestions": [asdict(suggestion) for each in ran for suggestion in each.suggestions],
        },
    }


def final_text(turn: Sequence[Message]) -> str:
    """Return the text of the model in a turn."""
    texts = [words(message) for message in turn if message["role"] == "assistant"]
    return "\n\n".join(text for text in texts if text)


def cards(turn: Sequence[Message]) -> tuple[Card, ...]:
    """Return the cards of all results, without duplicates."""
    return tuple(dict.fromkeys(Card(**card) for message in turn for card in message.get("shown", {}).get("cards", ())))


def suggestions(turn: Sequence[Message]) -> tuple[Suggestion, ...]:
    """Return the suggestions of all results, without duplicates."""
    shown = [message["shown"]["suggestions"] for message in turn if "shown" in message]
    return tuple(dict.fromkeys(Suggestion(**suggestion) for each in shown for suggestion in each))


def done(turn: Sequence[Message]) -> str:
    """List the finished tool calls, as in `Done so far: 2 × status and spawn product-a.`"""
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
    """Return the limit that the turn has reached (steps, tokens or money), empty if none."""
    so_far = record(turn)
    if so_far.steps >= limits.steps:
        return "steps"
    if so_far.usage.input_tokens + so_far.usage.cache_write_tokens + so_far.usage.output_tokens >= limits.tokens:
        return "tokens"
    return "money" if limits.cost_usd is not None and so_far.cost_usd >= limits.cost_usd else ""


def limit_text(reason: str, turn: Sequence[Message], limits: Limits) -> str:
    """Return the closing text of a turn that was stopped or has reached a limit."""
    if reason == "stopped":
        return f"Stopped. {done(turn)}"
    limit = {
        "steps": f"{limits.steps} steps",
        "time": f"{limits.seconds / 60:.0f} minutes" if limits.seconds >= 90 else f"{limits.seconds:g} seconds",
        "tokens": f"{limits.tokens:,} tokens",
        "money": money(limits.cost_usd or 0.0),
    }[reason]
    return f"I stopped after {limit}, the limit per turn. {done(turn)} {CONTINUE}"


def stop_text(finished: Finished, turn: Sequence[Message], limits: Limits) -> str:
    """Return the closing text of an answer with an unusual stop reason, else an empty string."""
    why = f" ({finished.detail})" if finished.detail else ""
    unusual = {
        "max_tokens": f"[The answer was cut off at {limits.answer_tokens:,} tokens. {CONTINUE}]",
        "model_context_window_exceeded": "[The answer was cut off: this conversation is too long. Start a new one.]",
        "pause_turn": f"[Claude paused in the middle of its answer. {CONTINUE}]",
        "refusal": f"Claude declined to answer this{why}. Rephrase it, or start a new conversation if this repeats.",
    }
    if finished.stop_reason in unusual:
        return unusual[finished.stop_reason]
    return "" if words({"content": finished.content}) else f"Claude had nothing to add. {done(turn)}"
