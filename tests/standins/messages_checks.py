"""Checks of a request body, with the error messages of Anthropic's Messages API. Pure.

The rules come from the published reference, the types of the official SDK and reported errors. Each check yields the problems
it finds, and the first one is the response.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.standins.script import blocks

Body = dict[str, Any]
TOP_LEVEL = {
    "cache_control", "container", "diagnostics", "inference_geo", "max_tokens", "messages", "metadata", "model",
    "output_config", "service_tier", "speed", "stop_sequences", "stream", "system", "thinking", "tool_choice", "tools",
}  # fmt: skip
SAMPLING = ("temperature", "top_p", "top_k")
NAME = re.compile(r"^[a-zA-Z0-9_-]{1,128}$")
TOOL_USE_ID = re.compile(r"^[a-zA-Z0-9_-]+$")
BLOCK_KEYS = {
    "text": {"type", "text", "cache_control", "citations"},
    "tool_use": {"type", "id", "name", "input", "cache_control", "caller", "toolset_name"},
    "tool_result": {"type", "tool_use_id", "content", "is_error", "cache_control", "toolset_name"},
    "thinking": {"type", "thinking", "signature"},
    "redacted_thinking": {"type", "data"},
    "image": {"type", "source", "cache_control"},
}
TOOL_KEYS = {
    "name", "description", "input_schema", "cache_control", "type", "strict", "input_examples", "defer_loading",
    "allowed_callers", "eager_input_streaming",
}  # fmt: skip
MOST_OUTPUT = 128_000
MOST_MARKERS = 4


def problem(body: Any, headers: Mapping[str, str], *, counting: bool = False) -> tuple[int, str, str] | None:
    """Return HTTP status, error type and message of the refusal, or None for a valid request."""
    low = {key.lower(): value for key, value in headers.items()}
    if not (low.get("x-api-key") or re.match(r"Bearer \S+", low.get("authorization", ""))):
        return 401, "authentication_error", "x-api-key header is required"
    if "anthropic-version" not in low:
        return 400, "invalid_request_error", "anthropic-version: header is required"
    if not low.get("content-type", "").startswith("application/json"):
        return 400, "invalid_request_error", "content-type: header must be application/json"
    if not isinstance(body, dict):
        return 400, "invalid_request_error", "The request body is not valid JSON."
    if (model := body.get("model")) and not str(model).startswith("claude-"):
        return 404, "not_found_error", f"model: {model}"
    found = next(refusals(body, counting=counting), None)
    return (400, "invalid_request_error", found) if found else None


def refusals(body: Body, *, counting: bool = False) -> Iterator[str]:
    """Yield the problems of a body, most basic first."""
    yield from _top_level(body, counting)
    yield from _settings(body)
    yield from _tools(body)
    yield from _messages(body["messages"])
    yield from _tool_results(merged(body["messages"]))
    yield from _thinking(body)
    yield from _markers(body)


def _top_level(body: Body, counting: bool) -> Iterator[str]:
    required = {"model", "messages"} | (set() if counting else {"max_tokens"})
    for key in sorted(required - set(body)):
        yield f"{key}: Field required"
    for key in sorted(set(body) - TOP_LEVEL - set(SAMPLING)):
        yield f"{key}: Extra inputs are not permitted"
    if not isinstance(body["messages"], list) or not body["messages"]:
        yield "messages: at least one message is required"


def _settings(body: Body) -> Iterator[str]:
    latest = re.search(r"-5(-\d)?$|opus-4-[78]|fable|mythos", str(body["model"]))
    for key in SAMPLING:
        if key in body and latest:
            yield f"`{key}` is deprecated for this model."
    most = body.get("max_tokens", 1)
    if not isinstance(most, int) or most < 1:
        yield "max_tokens: Input should be greater than or equal to 1"
    elif most > MOST_OUTPUT:
        yield f"max_tokens: {most} > {MOST_OUTPUT}, which is the maximum allowed number of output tokens for this model"
    thinking = body.get("thinking", {"type": "adaptive"})
    if latest and thinking.get("type") in {"disabled", "enabled"}:
        yield f'"thinking.type.{thinking["type"]}" is not supported for this model. Use "between_tools" or "adaptive".'
    if latest and body.get("tool_choice", {"type": "auto"}).get("type") in {"any", "tool"}:
        yield "tool_choice: forced tool use is not supported for this model."


def _tools(body: Body) -> Iterator[str]:
    tools = body.get("tools", [])
    for index, tool in enumerate(tools):
        if not NAME.match(str(tool.get("name", ""))):
            yield f"tools.{index}.custom.name: String should match pattern '{NAME.pattern}'"
        schema = tool.get("input_schema")
        if not isinstance(schema, dict) or "type" not in schema:
            yield f"tools.{index}.custom.input_schema.type: Field required"
        elif schema["type"] != "object":
            yield f"tools.{index}.custom.input_schema.type: Input should be 'object'"
        for key in sorted(set(tool) - TOOL_KEYS):
            yield f"tools.{index}.custom.{key}: Extra inputs are not permitted"
    names = [tool.get("name") for tool in tools]
    if len(names) != len(set(names)):
        yield "tools: Tool names must be unique."
    used = {block.get("type") for message in body["messages"] for block in _blocks(message)}
    if not tools and used & {"tool_use", "tool_result"}:
        yield "Requests which include `tool_use` or `tool_result` blocks must define tools."


def _messages(messages: list[Body]) -> Iterator[str]:
    for index, message in enumerate(messages):
        at = f"messages.{index}"
        if message.get("role") not in {"user", "assistant"}:
            yield f"{at}.role: Input should be 'user' or 'assistant'"
        for key in sorted(set(message) - {"role", "content"}):
            yield f"{at}.{key}: Extra inputs are not permitted"
        if not message.get("content"):
            yield f"{at}: all messages must have non-empty content except for the optional final assistant message"
        for place, block in enumerate(_blocks(message)):
            yield from _block(block, f"{at}.content.{place}", message["role"])
    if messages[0]["role"] != "user":
        yield 'messages: first message must use the "user" role'
    last = _blocks(messages[-1])
    if messages[-1]["role"] == "assistant":
        if str(last[-1].get("text", "")) != str(last[-1].get("text", "")).rstrip():
            yield "messages: final assistant content cannot end with trailing whitespace"
        yield "This model does not support assistant message prefill. The conversation must end with a user message."


def _block(block: Body, at: str, role: str) -> Iterator[str]:
    kind = block.get("type")
    if kind not in BLOCK_KEYS:
        yield f"{at}: Input tag '{kind}' found using 'type' does not match any of the expected tags"
        return
    for key in sorted(set(block) - BLOCK_KEYS[kind]):
        yield f"{at}.{kind}.{key}: Extra inputs are not permitted"
    if kind == "text" and not block.get("text"):
        yield "messages: text content blocks must be non-empty"
    elif kind == "text" and not block["text"].strip():
        yield "messages: text content blocks must contain non-whitespace text"
    if kind in {"tool_use", "thinking", "redacted_thinking"} and role != "assistant":
        yield f"{at}: `{kind}` blocks can only be in `assistant` messages"
    if kind == "tool_result" and role != "user":
        yield f"{at}: `tool_result` blocks can only be in `user` messages"
    if kind == "tool_use":
        yield from _tool_use(block, at)
    if kind == "tool_result" and block.get("is_error") and not block.get("content"):
        yield f"{at}.tool_result: content cannot be empty if `is_error` is true"


def _tool_use(block: Body, at: str) -> Iterator[str]:
    if not TOOL_USE_ID.match(str(block.get("id", ""))):
        yield f"{at}.tool_use.id: String should match pattern '{TOOL_USE_ID.pattern}'"
    if not isinstance(block.get("input"), dict):
        yield f"{at}.tool_use.input: Input should be an object"
    if not NAME.match(str(block.get("name", ""))):
        yield f"{at}.tool_use.name: String should match pattern '{NAME.pattern}'"


def _tool_results(messages: list[Body]) -> Iterator[str]:
    asked: list[str] = []
    ever: set[str] = set()
    for index, message in enumerate(messages):
        answers = [block for block in message["content"] if block["type"] == "tool_result"]
        leading = [block["tool_use_id"] for block in message["content"][: len(answers)] if block in answers]
        for block in answers:
            if block["tool_use_id"] not in asked:
                yield (
                    f"messages.{index}.content.{message['content'].index(block)}: unexpected `tool_use_id` found in "
                    f"`tool_result` blocks: {block['tool_use_id']}. Each `tool_result` block must have a corresponding "
                    "`tool_use` block in the previous message."
                )
        if missing := [each for each in asked if each not in leading]:
            yield _unanswered(index - 1, missing)
        if len(answers) != len({block["tool_use_id"] for block in answers}):
            yield f"messages.{index}: each tool_use must have a single result. Found multiple `tool_result` blocks."
        asked = [block["id"] for block in message["content"] if block["type"] == "tool_use"]
        if len(asked) != len(set(asked)) or ever & set(asked):
            yield "messages: `tool_use` ids must be unique"
        ever |= set(asked)
    if asked:
        yield _unanswered(len(messages) - 1, asked)


def _unanswered(index: int, missing: list[str]) -> str:
    return (
        f"messages.{index}: `tool_use` ids were found without `tool_result` blocks immediately after: "
        f"{', '.join(missing)}. Each `tool_use` block must have a corresponding `tool_result` block in the next message."
    )


def _thinking(body: Body) -> Iterator[str]:
    previous = ""
    for index, message in enumerate(messages := merged(body["messages"])):
        for place, block in enumerate(message["content"]):
            if block["type"] != "thinking":
                continue
            before = [*messages[:index], {"role": "assistant", "content": message["content"][:place]}]
            own, _, chained = str(block.get("signature", "")).partition(".")
            expected, _, _ = sign(body, before, block.get("thinking", ""), previous).partition(".")
            at = f"messages.{index}.content.{place}"
            if own != expected or (previous and chained != _hash(previous)):
                yield (
                    f"{at}: Invalid `signature` in `thinking` block. The block is bound to a different conversation. "
                    'Remove the block, or set `thinking.block_binding.prefix_mismatch_behavior` to "drop_block".'
                )
            previous = block.get("signature", "")


def _markers(body: Body) -> Iterator[str]:
    marked = [block for block in flattened(body) if "cache_control" in block]
    count = len(marked) + ("cache_control" in body)
    if count > MOST_MARKERS:
        yield f"A maximum of {MOST_MARKERS} blocks with cache_control may be provided. Found {count}."


def sign(body: Body, before: list[Body], thinking: str, previous: str) -> str:
    """Return the signature of a thinking block, bound to its text and everything before it."""
    prefix = [
        [message["role"], [_bare(block) for block in message["content"] if block["type"] != "thinking"]]
        for message in merged(before)
    ]
    return f"{_hash([body.get('system'), body.get('tools'), [each for each in prefix if each[1]], thinking])}.{_hash(previous)}"


def last_signature(messages: list[Body]) -> str:
    """Return the signature of the last thinking block, which the next one includes."""
    found = [block["signature"] for message in messages for block in _blocks(message) if block["type"] == "thinking"]
    return found[-1] if found else ""


def merged(messages: list[Body]) -> list[Body]:
    """Return the conversation as the API reads it, with consecutive messages of one role merged."""
    whole: list[Body] = []
    for message in messages:
        if whole and whole[-1]["role"] == message["role"]:
            whole[-1]["content"] = whole[-1]["content"] + blocks(message)
        else:
            whole.append({"role": message["role"], "content": blocks(message)})
    return whole


def flattened(body: Body) -> list[Body]:
    """Yield every block of a request in caching order, which is tools, system, messages."""
    system = body.get("system", [])
    texts = [{"type": "text", "text": system}] if isinstance(system, str) and system else list(system)
    return [*body.get("tools", []), *texts, *[block for message in body["messages"] for block in _blocks(message)]]


def _blocks(message: Body) -> list[Body]:
    return blocks(message) if message.get("content") else []


def _bare(block: Body) -> Body:
    return {key: value for key, value in block.items() if key != "cache_control"}


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
