"""The Model port: one streamed answer of a language model. Held by `tests/contracts/model.py`.

Messages, tools and content blocks have the shapes of Anthropic's Messages API (plain dicts), because that is the record
we keep and replay; nothing else of it leaks. `stream` raises `ModelError` with a code of `MODEL_ERRORS` and a sentence
for the person; retries have been made by then.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

MODEL_ERRORS = ("overloaded", "rate_limited", "auth", "too_large", "refused", "unreachable", "bad_request", "failed")

Message = dict[str, Any]
"""`{"role": "user" | "assistant", "content": [blocks]}`. What we keep of it may carry keys of our own beside these two,
which never reach a model: see `bot.agent.history.view`."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one request, as billed."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cache_read_tokens + other.cache_read_tokens,
            self.cache_write_tokens + other.cache_write_tokens,
        )


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One request: stable parts first, so that they are cached."""

    system: str
    tools: tuple[dict[str, Any], ...]
    messages: tuple[Message, ...]
    max_tokens: int = 32_000
    """Most tokens of the answer. Thinking counts too, so a small number cuts answers off rather than making them short."""


@dataclass(frozen=True, slots=True)
class Begun:
    """An answer begins, and its input is billed from here on. When it comes a second time the first answer broke off:
    what was shown of it is void, and the price of its input was paid for nothing."""

    usage: Usage = field(default_factory=Usage)
    cost_usd: float = 0.0


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More of the answer's text."""

    text: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The whole answer: content blocks to keep, why it stopped (end_turn, tool_use, max_tokens, refusal …), and its price."""

    content: list[dict[str, Any]]
    stop_reason: str
    usage: Usage = field(default_factory=Usage)
    model: str = ""
    cost_usd: float = 0.0
    detail: str = ""
    """Why it declined, where it did and said so."""


ModelEvent = Begun | TextDelta | Finished


class Model(ABC):
    """A language model that streams."""

    name: str

    @abstractmethod
    def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """`Begun`, text as it comes, then `Finished`, once and last; `Begun` again where the answer starts anew."""

    @abstractmethod
    async def close(self) -> None:
        """Let go of connections."""
