"""Claude through the real SDK, against the strict stand-in of the Messages API."""

import asyncio
import logging
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest

from bot.agent.claude import DEFAULT_MODEL, Claude
from bot.agent.model import Begun, Finished, Message, Model, ModelRequest, TextDelta
from bot.agent.pricing import cost_usd
from bot.domain.errors import ModelError
from bot.text.backoff import Backoff
from tests.contracts.model import TOOLS, ModelContract, Scripted, ask, heard
from tests.fakes.model import ScriptedModel
from tests.standins.messages_api import MessagesApi
from tests.standins.script import Reply, call, fail, say

QUICK = Backoff(0.001, longest=0.01)
KEY = "sk-ant-very-secret-0123456789"


@pytest.fixture
async def api() -> AsyncIterator[MessagesApi]:
    async with MessagesApi() as server:
        yield server


@pytest.fixture
async def claude(api: MessagesApi) -> AsyncIterator[Claude]:
    model = Claude(api_key=KEY, base_url=api.url, backoff=QUICK)
    yield model
    await model.close()


class TestClaude(ModelContract):
    @pytest.fixture
    def scripted(self, api: MessagesApi, claude: Claude) -> Scripted:
        async def make(replies: Sequence[Reply]) -> Model:
            api.queue.extend(replies)
            return claude

        return make


class TestScriptedModel(ModelContract):
    @pytest.fixture
    def scripted(self) -> Scripted:
        async def make(replies: Sequence[Reply]) -> Model:
            cut = [reply for reply in replies if reply.cut is not None]
            return ScriptedModel(cut or replies)

        return make


def end(events: Sequence[object]) -> Finished:
    assert isinstance(events[-1], Finished)
    return events[-1]


async def test_request_has_the_expected_keys(api: MessagesApi, claude: Claude) -> None:
    api.queue.append(say("Fine."))
    await heard(claude, ask("hello"))
    assert api.refused == []
    [asked] = api.asked
    assert asked.headers["Authorization"] == f"Bearer {KEY}"
    assert asked.body["model"] == DEFAULT_MODEL
    assert asked.body["stream"] is True
    assert set(asked.body) == {"model", "max_tokens", "system", "tools", "messages", "cache_control", "stream"}


async def test_prompt_and_conversation_are_cached(api: MessagesApi, claude: Claude) -> None:
    api.queue += [say("One."), say("Two."), say("Other.")]
    first = ask("hello " * 50)
    one = end(await heard(claude, first))
    longer = (*first.messages, {"role": "assistant", "content": one.content}, *ask("more").messages)
    two = end(await heard(claude, replace(first, messages=longer)))
    assert one.usage.cache_read_tokens == 0
    assert two.usage.cache_read_tokens == one.usage.cache_write_tokens
    assert two.usage.input_tokens == 0
    other = end(await heard(claude, ask("another conversation")))
    assert 0 < other.usage.cache_read_tokens < one.usage.cache_write_tokens


@pytest.mark.parametrize(
    "passing",
    [
        fail(429, retry_after="0.01"),
        fail(529),
        fail(500),
        say("", cut=1),
        say("x", cut=1, clean=True),
        say("x", cut=1, error="overloaded_error"),
    ],
    ids=["limited", "overloaded", "broken", "cut", "ended too soon", "error in the stream"],
)
async def test_temporary_failure_is_attempted_three_times(api: MessagesApi, claude: Claude, passing: Reply) -> None:
    api.queue += [passing, passing, say("Here I am.")]
    assert end(await heard(claude, ask("hello"))).content[0]["text"] == "Here I am."
    assert len(api.asked) == 3


@pytest.mark.parametrize(
    ("failure", "code", "words"),
    [
        (fail(529), "overloaded", "Claude is overloaded. Try again in a minute"),
        (fail(429), "rate_limited", "rate limit is reached. Try again in a minute"),
        (fail(500, "boom"), "failed", "Claude failed: boom."),
        (say("x", cut=1), "unreachable", "cannot be reached"),
    ],
)
async def test_lasting_failure_has_a_message(api: MessagesApi, claude: Claude, failure: Reply, code: str, words: str) -> None:
    api.queue += [failure] * 3
    with pytest.raises(ModelError) as caught:
        await heard(claude, ask("hello"))
    assert caught.value.code == code
    assert words in str(caught.value)
    assert len(api.asked) == 3


@pytest.mark.parametrize(
    ("failure", "code", "words"),
    [
        (fail(401), "auth", "Check ANTHROPIC_API_KEY"),
        (fail(401, f"key {KEY} is revoked"), "auth", "key [key] is revoked."),
        (fail(402), "auth", "credit balance is too low"),
        (fail(400, "Your credit balance is too low"), "auth", "credit balance"),
        (fail(404, "model: claude-sonnet-5-5"), "bad_request", "`agent.model`"),
        (fail(400, "prompt is too long: 1200000 tokens > 1000000 maximum"), "too_large", "Start a new conversation"),
        (fail(400, "max_tokens: wrong"), "bad_request", "max_tokens: wrong."),
        (fail(429, retry_after="600"), "rate_limited", "in 10 minutes"),
    ],
)
async def test_permanent_failure_is_not_retried(
    api: MessagesApi, claude: Claude, failure: Reply, code: str, words: str
) -> None:
    api.queue.append(failure)
    with pytest.raises(ModelError) as caught:
        await heard(claude, ask("hello"))
    assert caught.value.code == code
    assert words in str(caught.value)
    assert KEY not in str(caught.value)
    assert len(api.asked) == 1


async def test_failure_after_text_is_retried_once(api: MessagesApi, claude: Claude) -> None:
    api.queue += [say("A text of some length", cut=4)] * 2
    events: list[object] = []
    with pytest.raises(ModelError) as caught:
        async for event in claude.stream(ask("hello")):
            events.append(event)
    assert caught.value.code == "unreachable"
    assert len(api.asked) == 2
    assert [type(event) for event in events].count(Begun) == 2


async def test_unreachable_api_is_reported(claude: Claude) -> None:
    nowhere = Claude(api_key=KEY, base_url="http://127.0.0.1:1", backoff=QUICK)
    with pytest.raises(ModelError) as caught:
        await heard(nowhere, ask("hello"))
    assert caught.value.code == "unreachable"
    assert "Check the network" in caught.value.hint
    await nowhere.close()


async def test_wrong_key_is_refused(api: MessagesApi, claude: Claude) -> None:
    api.keys = {"another"}
    with pytest.raises(ModelError) as caught:
        await heard(claude, ask("hello"))
    assert caught.value.code == "auth"


async def test_key_is_not_logged(api: MessagesApi, claude: Claude, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    api.queue += [say("Fine."), fail(401)]
    await heard(claude, ask("hello"))
    with pytest.raises(ModelError):
        await heard(claude, ask("hello"))
    assert caplog.records
    assert KEY not in caplog.text


async def with_thoughts(api: MessagesApi, claude: Claude) -> ModelRequest:
    """Return a request in the middle of a turn with thinking blocks."""
    api.queue.append(replace(call("status"), thinking="Let me see."))
    request = ask("status?")
    asked = end(await heard(claude, request))
    assert [block["type"] for block in asked.content] == ["thinking", "tool_use"]
    result = {"type": "tool_result", "tool_use_id": asked.content[1]["id"], "content": "idle"}
    more: tuple[Message, ...] = ({"role": "assistant", "content": asked.content}, {"role": "user", "content": [result]})
    return replace(request, messages=(*request.messages, *more))


async def test_thinking_blocks_are_returned_unchanged(api: MessagesApi, claude: Claude) -> None:
    request = await with_thoughts(api, claude)
    api.queue.append(say("Idle."))
    await heard(claude, request)
    assert api.refused == []
    assert api.bodies[-1]["messages"][1]["content"][0]["thinking"] == "Let me see."


async def test_refused_thinking_blocks_are_removed_and_the_turn_continues(api: MessagesApi, claude: Claude) -> None:
    request = await with_thoughts(api, claude)
    api.queue.append(say("Idle."))
    answer = end(await heard(claude, replace(request, system="You are new here.")))
    assert answer.content[0]["text"] == "Idle."
    assert len(api.refused) == 1
    assert "bound to a different conversation" in api.refused[0]
    assert [block["type"] for block in api.bodies[-1]["messages"][1]["content"]] == ["tool_use"]


async def test_cost_follows_the_token_usage(api: MessagesApi, claude: Claude) -> None:
    api.queue.append(say("Fine."))
    done = end(await heard(claude, ask("hello")))
    assert done.cost_usd == cost_usd(DEFAULT_MODEL, done.usage) > 0


async def test_unknown_price_is_logged(api: MessagesApi, caplog: pytest.LogCaptureFixture) -> None:
    api.queue.append(say("Fine."))
    model = Claude(api_key=KEY, base_url=api.url, model="claude-nova-9")
    done = end(await heard(model, ask("hello")))
    await model.close()
    assert done.cost_usd > cost_usd(DEFAULT_MODEL, done.usage)
    assert "claude-nova-9 has no known price" in caplog.text


async def test_client_reopens_after_close(api: MessagesApi, claude: Claude) -> None:
    api.queue += [say("One."), say("Two.")]
    await heard(claude, ask("hello"))
    await claude.close()
    assert end(await heard(claude, ask("hello"))).content[0]["text"] == "Two."


async def test_two_conversations_run_at_once(api: MessagesApi, claude: Claude) -> None:
    api.queue += [say("Fine."), say("Fine.")]
    both = await asyncio.gather(heard(claude, ask("one")), heard(claude, ask("two")))
    assert [sum(isinstance(event, TextDelta) for event in events) for events in both] == [1, 1]


def test_sdk_is_imported_lazily() -> None:
    code = "import sys, bot.agent.claude, bot.agent.loop; sys.exit('anthropic' in sys.modules or 'httpx2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


async def test_tools_keep_their_order(api: MessagesApi, claude: Claude) -> None:
    api.queue.append(say("Fine."))
    await heard(claude, ask("hello"))
    assert [tool["name"] for tool in api.bodies[0]["tools"]] == [tool["name"] for tool in TOOLS]
