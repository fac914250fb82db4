"""The Model port, for one streamed answer of a language model. `tests/contracts/model.py` tests it.

Messages, tools and content blocks have the shapes of Anthropic's Messages API (plain dicts), because that is the stored record.
Nothing else of the API is visible. After its retries, `stream` raises `ModelError` with a code of `MODEL_ERRORS` and a message
for the person.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

MODEL_ERRORS = ("overloaded", "rate_limited", "auth", "too_large", "refused", "unreachable", "bad_request", "failed")

Message = dict[str, Any]
"""A message as `{"role": "user" | "assistant", "content": [blocks]}`.

A stored message may have more keys, which `bot.agent.history.view` removes.
"""


@dataclass(frozen=True, slots=True)
class Usage:
    """Billed tokens of one request."""

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
    """One request, with the stable parts first so that they are cached."""

    system: str
    tools: tuple[dict[str, Any], ...]
    messages: tuple[Message, ...]
    max_tokens: int = 32_000
    """Token limit of the answer. Thinking counts too, so a low limit truncates answers."""


@dataclass(frozen=True, slots=True)
class Begun:
    """Start of an answer, from which on its input is billed.

    A second one means that the first answer broke off. Its text is void, but its input is still billed.
    """

    usage: Usage = field(default_factory=Usage)
    cost_usd: float = 0.0


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More of the answer's text."""

    text: str


@dataclass(frozen=True, slots=True)
class Finished:
    """A complete answer, with its content blocks, stop reason (end_turn, tool_use, …) and price."""

    content: list[dict[str, Any]]
    stop_reason: str
    usage: Usage = field(default_factory=Usage)
    model: str = ""
    cost_usd: float = 0.0
    detail: str = ""
    """Reason of a refusal, if the model gave one."""


ModelEvent = Begun | TextDelta | Finished


class Model(ABC):
    """A language model that streams."""

    name: str

    @abstractmethod
    def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Yield `Begun`, the text, and `Finished` once at the end. A restarted answer yields `Begun` again."""

    @abstractmethod
    async def close(self) -> None:
        """Close the connections."""
