"""The Model port for Anthropic's Messages API, through the official SDK.

- The SDK is imported in a thread with the first request, because the import takes most of a second and 50 MiB.
- Caching uses one marker after the system prompt (which covers the tools before it) and the automatic one at the end of the
  conversation. Content that changes from turn to turn comes last.
- Thinking is left at the model's default, which every model accepts. The API binds thinking blocks to the tools, the system
  prompt and the messages before them. If those have changed (a new release, another model), it refuses the request, which is
  then repeated without these blocks.
- The SDK's own retries are off. A temporary failure (overload, rate limit, broken connection, also in the middle of a stream)
  is attempted three times in all, with the delay that the API asks for, up to `MOST_WAIT`. After text was shown, it is retried
  at most once, and `Begun` then voids the text.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from bot.agent.model import Begun, Finished, Message, Model, ModelEvent, ModelRequest, TextDelta, Usage
from bot.agent.pricing import cost_usd, known
from bot.domain.errors import ModelError
from bot.text.backoff import Backoff

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

log = logging.getLogger(__name__)

DEFAULT_MODEL = "claude-sonnet-5-5"
DEFAULT_URL = "https://api.anthropic.com"
TRIES = 3
RETRIES = Backoff(0.5, longest=1.0, jitter=0.25)
MOST_WAIT = 20.0
"""Longest delay before a retry, in seconds."""
SILENCE = 120.0
"""Read timeout in seconds. The API sends pings while it thinks."""

_CODES = {
    "overloaded_error": "overloaded",
    "rate_limit_error": "rate_limited",
    "authentication_error": "auth",
    "permission_error": "auth",
    "billing_error": "auth",
    "request_too_large": "too_large",
    "invalid_request_error": "bad_request",
    "not_found_error": "bad_request",
    "timeout_error": "unreachable",
}
_STATUS = {401: "auth", 402: "auth", 403: "auth", 413: "too_large", 429: "rate_limited", 504: "unreachable", 529: "overloaded"}
_TEMPORARY = {"overloaded", "rate_limited", "unreachable", "failed"}
MESSAGES = {
    "overloaded": ("Claude is overloaded.", "Try again in a minute. Commands still work."),
    "rate_limited": ("Claude's rate limit is reached.", "Try again in {wait}. Commands still work."),
    "auth": ("Claude does not accept the API key: {detail}", "Check ANTHROPIC_API_KEY and restart the fleet."),
    "too_large": ("This conversation is too long for Claude.", "Start a new conversation, or ask for less at once."),
    "unreachable": ("Claude cannot be reached: {detail}", "Check the network. Commands still work."),
    "bad_request": ("Claude did not accept the request: {detail}", "Run `fleet doctor`, or start a new conversation."),
    "failed": ("Claude failed: {detail}", "Try again in a minute. Commands still work."),
}
"""Message and hint for each code of `ModelError`."""


class Claude(Model):
    """Claude through its API. The connection opens with the first request."""

    def __init__(
        self, *, api_key: str, base_url: str | None = None, model: str = DEFAULT_MODEL, backoff: Backoff = RETRIES
    ) -> None:
        self.name = model
        self._key, self._url, self._backoff = api_key, base_url or DEFAULT_URL, backoff
        self._client: AsyncAnthropic | None = None
        self._opening = asyncio.Lock()

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Stream one answer, with the retries that the module describes."""
        client = await self._open()
        body, tries = self._body(request), TRIES
        while True:
            tries -= 1
            try:
                async with aclosing(self._attempt(client, body)) as events:
                    async for event in events:
                        if isinstance(event, TextDelta):
                            tries = min(tries, 1)
                        yield event
                return
            except _Failure as failure:
                if failure.thinking and (bare := without_thinking(body["messages"])) != body["messages"]:
                    body, tries = {**body, "messages": bare}, max(tries, 1)
                elif tries <= 0 or failure.code not in _TEMPORARY or failure.wait > MOST_WAIT:
                    raise self._error(failure) from failure.__cause__
                else:
                    await asyncio.sleep(failure.wait or self._backoff.pause(TRIES - tries))

    async def close(self) -> None:
        """Close the connections. The next request opens them again."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _open(self) -> "AsyncAnthropic":
        async with self._opening:
            if self._client is None:
                self._client = await asyncio.to_thread(_connect, self._key, self._url)
                if not known(self.name):
                    log.warning("%s has no known price, so its turns are counted at the highest price", self.name)
            return self._client

    def _body(self, request: ModelRequest) -> dict[str, Any]:
        marker = {"type": "ephemeral"}
        return {
            "model": self.name,
            "max_tokens": request.max_tokens,
            "system": [{"type": "text", "text": request.system, "cache_control": marker}],
            "tools": list(request.tools),
            "messages": list(request.messages),
            "cache_control": marker,
        }

    async def _attempt(self, client: "AsyncAnthropic", body: dict[str, Any]) -> AsyncGenerator[ModelEvent, None]:
        from anthropic import APIError
        from httpx2 import RequestError

        complete = spoken = False
        try:
            async with client.messages.stream(**body) as stream:
                async for event in stream:
                    if event.type == "message_start":
                        usage = _usage(event.message.usage)
                        yield Begun(usage, cost_usd(self.name, usage))
                    elif event.type == "content_block_start" and event.content_block.type == "text" and spoken:
                        yield TextDelta("\n\n")
                    elif event.type == "text" and event.text:
                        spoken = True
                        yield TextDelta(event.text)
                    elif event.type == "message_stop":
                        complete = True
                        yield self._finished(event.message)
        except (APIError, RequestError, ValueError) as error:  # ValueError: an invalid response
            raise _Failure.of(error) from error
        if not complete:
            raise _Failure("unreachable", "the connection broke before the answer was complete")

    def _finished(self, message: Any) -> Finished:
        usage = _usage(message.usage)
        content = [block.model_dump(mode="json", exclude_none=True) for block in message.content]
        for block in content:
            block.pop("parsed_output", None)
        details = message.stop_details
        return Finished(
            content=content,
            stop_reason=message.stop_reason or "end_turn",
            usage=usage,
            model=message.model,
            cost_usd=cost_usd(self.name, usage),
            detail=(details.explanation or details.category or "") if details else "",
        )

    def _error(self, failure: "_Failure") -> ModelError:
        message, hint = MESSAGES[failure.code]
        detail = failure.detail.rstrip(".") + "."
        if failure.missing:
            message, hint = "Claude has no model “{model}”.", "Set another model as `agent.model` in products.yaml."
        wait = f"{failure.wait / 60:.0f} minutes" if failure.wait > 90 else "a minute"
        values = {"detail": detail.replace(self._key or "\0", "[key]"), "wait": wait, "model": self.name}
        return ModelError(message.format_map(values), hint.format_map(values), code=failure.code)


class _Failure(Exception):
    """A failed attempt, with a code of `MODEL_ERRORS`, the API's message and its retry delay in seconds."""

    def __init__(self, code: str, detail: str, wait: float = 0.0, *, missing: bool = False, thinking: bool = False) -> None:
        super().__init__(detail)
        self.code, self.detail, self.wait = code, detail, wait
        self.missing = missing
        """True if the model does not exist."""
        self.thinking = thinking
        """True if the API refused the thinking blocks."""

    @classmethod
    def of(cls, error: Exception) -> "_Failure":
        """Convert an error of the SDK."""
        from anthropic import APIConnectionError, APIStatusError
        from httpx2 import RequestError

        if isinstance(error, (RequestError, APIConnectionError)):
            cause = error.__cause__ or error
            return cls("unreachable", str(cause) or type(cause).__name__)
        if not isinstance(error, APIStatusError):
            return cls("failed", "its answer is invalid")
        detail = error.api_message or f"status {error.status_code}"
        code = _CODES.get(error.type or "") or _STATUS.get(error.status_code) or "failed"
        if code == "bad_request" and "prompt is too long" in detail:
            code = "too_large"
        if code == "bad_request" and "credit balance" in detail:
            code = "auth"
        return cls(
            code,
            detail,
            _seconds(error.response.headers.get("retry-after")),
            missing=error.type == "not_found_error",
            thinking=code == "bad_request" and "thinking` block" in detail,
        )


def without_thinking(messages: list[Message]) -> list[Message]:
    """Return the messages without thinking blocks, except where a message has no other block."""
    kinds = {"thinking", "redacted_thinking"}
    return [
        {**message, "content": [block for block in message["content"] if block["type"] not in kinds] or message["content"]}
        for message in messages
    ]


def _connect(key: str, url: str) -> "AsyncAnthropic":
    """Import the SDK and create the client, in a thread because both block."""
    import anthropic
    import anthropic.resources.messages
    from httpx2 import Timeout

    return anthropic.AsyncAnthropic(api_key=key, base_url=url, max_retries=0, timeout=Timeout(SILENCE, connect=10.0))


def _usage(usage: Any) -> Usage:
    return Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cache_read_input_tokens or 0,
        cache_write_tokens=usage.cache_creation_input_tokens or 0,
    )


def _seconds(header: str | None) -> float:
    try:
        return max(float(header or 0), 0.0)
    except ValueError:  # A date, which this API does not send.
        return 0.0
