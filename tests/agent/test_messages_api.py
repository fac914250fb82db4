"""The stand-in of the Messages API refuses what the real one refuses, and runs as a process."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from tests.standins.messages_api import MessagesApi
from tests.standins.script import Rule, Script, call, say

HEADERS = {"x-api-key": "key", "anthropic-version": "2026-10-21", "content-type": "application/json"}
TOOL = {"name": "status", "input_schema": {"type": "object", "properties": {}}}
USE = {"type": "tool_use", "id": "toolu_1", "name": "status", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "idle"}
HELLO = {"role": "user", "content": "hello"}


def body(*messages: Any, **more: Any) -> dict[str, Any]:
    return {"model": "claude-sonnet-5-5", "max_tokens": 100, "tools": [TOOL], "messages": list(messages or [HELLO]), **more}


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def text(words: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **more}


MARK = {"cache_control": {"type": "ephemeral"}}
REFUSED = [
    (body(temperature=0.5), "`temperature` is deprecated for this model."),
    (body(top_k=5), "`top_k` is deprecated"),
    (body(context_management={}), "context_management: Extra inputs are not permitted"),
    (body(max_tokens=0), "max_tokens: Input should be greater than or equal to 1"),
    (body(max_tokens=200_000), "max_tokens: 200000 > 128000"),
    (body(thinking={"type": "disabled"}), "between_tools"),
    (body(tool_choice={"type": "any"}), "tool_choice: forced tool use"),
    ({"model": "claude-sonnet-5-5", "messages": [HELLO]}, "max_tokens: Field required"),
    ({"model": "claude-sonnet-5-5", "messages": [], "max_tokens": 1}, "messages: at least one message is required"),
    (body(assistant(text("hi"))), 'messages: first message must use the "user" role'),
    (body(HELLO, assistant(text("hi "))), "messages: final assistant content cannot end with trailing whitespace"),
    (body(HELLO, assistant(text("hi"))), "does not support assistant message prefill"),
    (body({"role": "system", "content": "x"}), "messages.0.role: Input should be 'user' or 'assistant'"),
    (body(user()), "messages.0: all messages must have non-empty content"),
    (body(user(text(""))), "messages: text content blocks must be non-empty"),
    (body(user(text(" \n"))), "messages: text content blocks must contain non-whitespace text"),
    (body(user(text("x", foo=1))), "messages.0.content.0.text.foo: Extra inputs are not permitted"),
    (body({**HELLO, "spent": {}}), "messages.0.spent: Extra inputs are not permitted"),
    (body(user({"type": "magic"})), "Input tag 'magic'"),
    (body(HELLO, assistant(USE), user(text("so?"))), "messages.1: `tool_use` ids were found without `tool_result` blocks"),
    (body(HELLO, assistant(USE)), "This model does not support assistant message prefill"),
    (body(HELLO, assistant(USE), user(text("well"), RESULT)), "messages.1: `tool_use` ids were found without `tool_result`"),
    (body(user(RESULT)), "messages.0.content.0: unexpected `tool_use_id` found in `tool_result` blocks: toolu_1"),
    (body(HELLO, assistant(USE), user(RESULT, RESULT)), "Found multiple `tool_result` blocks"),
    (body(HELLO, assistant(USE, USE), user(RESULT)), "`tool_use` ids must be unique"),
    (body(HELLO, assistant(USE), user(RESULT), assistant(USE), user(RESULT)), "`tool_use` ids must be unique"),
    (body(HELLO, assistant({**USE, "input": "x"}), user(RESULT)), "tool_use.input: Input should be an object"),
    (body(HELLO, assistant({**USE, "id": "a b"}), user(RESULT)), "tool_use.id: String should match pattern"),
    (body(user(USE)), "`tool_use` blocks can only be in `assistant` messages"),
    (body(HELLO, assistant(USE), user({**RESULT, "content": "", "is_error": True})), "content cannot be empty if `is_error`"),
    (body(HELLO, assistant(USE), user(RESULT), tools=[]), "must define tools"),
    (body(tools=[{**TOOL, "name": "a b"}]), "tools.0.custom.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'"),
    (body(tools=[TOOL, TOOL]), "tools: Tool names must be unique."),
    (body(tools=[{"name": "x", "input_schema": {"type": "string"}}]), "input_schema.type: Input should be 'object'"),
    (body(tools=[{"name": "x", "input_schema": {}}]), "input_schema.type: Field required"),
    (body(tools=[{**TOOL, "reads": True}]), "tools.0.custom.reads: Extra inputs are not permitted"),
    (body(user(*[text("x", **MARK)] * 4), **MARK), "A maximum of 4 blocks with cache_control may be provided. Found 5."),
    (
        body(HELLO, assistant({"type": "thinking", "thinking": "hm", "signature": "mine"}, text("x")), HELLO),
        "messages.1.content.0: Invalid `signature` in `thinking` block",
    ),
]


@pytest.fixture
async def api() -> AsyncIterator[MessagesApi]:
    async with MessagesApi(Script([Rule(say("Fine."), text="status")])) as server:
        yield server


async def post(api: MessagesApi, sent: Any, headers: dict[str, str] | None = None, path: str = "") -> tuple[int, Any]:
    async with (
        ClientSession() as session,
        session.post(
            f"{api.url}/v1/messages{path}", data=json.dumps(sent), headers=HEADERS if headers is None else headers
        ) as r,
    ):
        return r.status, await r.json()


@pytest.mark.parametrize(("sent", "words"), REFUSED, ids=[words[:50] for _, words in REFUSED])
async def test_invalid_requests_are_refused(api: MessagesApi, sent: dict[str, Any], words: str) -> None:
    status, answer = await post(api, sent)
    assert status == 400
    assert answer["type"] == "error"
    assert answer["error"]["type"] == "invalid_request_error"
    assert words in answer["error"]["message"]
    assert answer["request_id"].startswith("req_")
    assert len(api.refused) == 1


@pytest.mark.parametrize(
    ("missing", "status", "kind"),
    [
        ("x-api-key", 401, "authentication_error"),
        ("anthropic-version", 400, "invalid_request_error"),
        ("content-type", 400, "invalid_request_error"),
    ],
)
async def test_missing_headers_are_refused(api: MessagesApi, missing: str, status: int, kind: str) -> None:
    seen, answer = await post(api, body(), {key: value for key, value in HEADERS.items() if key != missing})
    assert (seen, answer["error"]["type"]) == (status, kind)


@pytest.mark.parametrize(
    "sent",
    [
        body(),
        body(HELLO, HELLO),
        body(HELLO, assistant(USE), user(RESULT, text("and?"))),
        body(HELLO, assistant(USE), user(RESULT), HELLO),
        body(tools=[], system="short", thinking={"type": "adaptive"}, metadata={"user_id": "u"}),
        body(user(text("x", **MARK)), system=[text("y", **MARK)], **MARK),
    ],
)
async def test_valid_requests_are_accepted(api: MessagesApi, sent: dict[str, Any]) -> None:
    status, answer = await post(api, sent)
    assert (status, api.refused) == (200, [])
    assert answer["type"] == "message"
    assert answer["usage"]["output_tokens"] > 0


async def test_invalid_json_and_unknown_model_are_refused(api: MessagesApi) -> None:
    assert (await post(api, "no"))[0] == 400
    status, answer = await post(api, body(model="gpt-6"))
    assert (status, answer["error"]["type"]) == (404, "not_found_error")


async def test_tokens_are_counted(api: MessagesApi) -> None:
    _, short = await post(api, body(), path="/count_tokens")
    _, long = await post(api, body(user(text("x" * 4000))), path="/count_tokens")
    assert 990 < long["input_tokens"] - short["input_tokens"] < 1010


async def test_altered_thinking_is_refused(api: MessagesApi) -> None:
    from dataclasses import replace

    api.queue.append(replace(call("status"), thinking="Let me see."))
    _, answer = await post(api, body())
    kept = {"role": "assistant", "content": answer["content"]}
    result = {**RESULT, "tool_use_id": answer["content"][1]["id"]}
    assert (await post(api, body(HELLO, kept, user(result))))[0] == 200
    altered = assistant({**answer["content"][0], "thinking": "Let me be."}, *answer["content"][1:])
    for sent in (body(HELLO, altered, user(result)), body(user(text("hello!")), kept, user(result))):
        assert (await post(api, sent))[0] == 400


def test_script_rules_match_the_conversation() -> None:
    script = Script.from_json(
        json.dumps(
            {
                "rules": [
                    {
                        "text": r"run a scout on (product-[a-z])",
                        "reply": {"calls": [{"name": "spawn", "input": {"product": "{1}", "task": ["{said}"]}}]},
                        "times": 1,
                    },
                    {"after": "spawn", "result": "refused", "reply": {"text": "No: {result}"}},
                    {"after": "*", "reply": {"text": "Done. {result}"}},
                ],
                "default": {"text": "Pardon?"},
            }
        )
    )
    asked = [user(text("<fleet>"), text("please run a scout on product-a"))]
    first = script.answer(asked)
    assert first.calls[0].input == {"product": "product-a", "task": ["please run a scout on product-a"]}
    assert script.answer(asked).text == "Pardon?", "no replies are left"
    called = [*asked, assistant({**USE, "name": "spawn"})]
    assert script.answer([*called, user(RESULT)]).text == "Done. idle"
    assert script.answer([*called, user({**RESULT, "content": [text("refused")]})]).text == "No: refused"


async def test_stand_in_runs_as_a_process(tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"default": {"text": "From the file."}}))
    command = [sys.executable, "-m", "tests.standins.messages_api", "--port", "0", "--script", str(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            async with ClientSession() as session:
                async with session.head(url) as alive:
                    assert alive.status == 200
                async with session.post(f"{url}/v1/messages", json=body(), headers=HEADERS) as response:
                    assert (await response.json())["content"][0]["text"] == "From the file."
                async with session.get(f"{url}/_requests") as response:
                    [asked] = await response.json()
            assert asked["body"]["messages"] == [HELLO]
            assert "x-api-key" not in {key.lower() for key in asked["headers"]}
        finally:
            process.terminate()
