"""Contract of the Model port. A suite for an adapter inherits `ModelContract` and provides `scripted`."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence

import pytest

from bot.agent.model import MODEL_ERRORS, Begun, Finished, Model, ModelEvent, ModelRequest, TextDelta
from bot.domain.errors import ModelError
from tests.standins.script import Call, Reply, call, calls, fail, say

TOOLS = (
    {"name": "status", "description": "How products stand.", "input_schema": {"type": "object", "properties": {}}},
    {"name": "spawn", "description": "Starts work.", "input_schema": {"type": "object", "properties": {}}},
)
Scripted = Callable[[Sequence[Reply]], Awaitable[Model]]


def ask(*texts: str) -> ModelRequest:
    """Return a request with these messages from a person."""
    blocks = [{"type": "text", "text": text} for text in texts]
    return ModelRequest("You tend a fleet.", TOOLS, ({"role": "user", "content": blocks},), max_tokens=1000)


async def heard(model: Model, request: ModelRequest) -> list[ModelEvent]:
    """Return everything the model streams."""
    return [event async for event in model.stream(request)]


class ModelContract(ABC):
    """The contract. `scripted` makes a model that gives these replies."""

    @pytest.fixture
    @abstractmethod
    def scripted(self) -> Scripted: ...

    async def test_text_streams_and_completes(self, scripted: Scripted) -> None:
        model = await scripted([say("All four products are idle.")])
        first, *pieces, last = await heard(model, ask("hello"))
        assert isinstance(first, Begun)
        assert isinstance(last, Finished)
        assert len(pieces) > 1
        assert "".join(piece.text for piece in pieces if isinstance(piece, TextDelta)) == "All four products are idle."
        assert last.content == [{"type": "text", "text": "All four products are idle."}]
        assert last.stop_reason == "end_turn"

    async def test_tool_calls_arrive_complete_with_unique_ids(self, scripted: Scripted) -> None:
        model = await scripted(
            [calls(Call("status"), Call("spawn", {"product": "a", "list": [1, {"b": None}]}), text="Let me see.")]
        )
        last = (await heard(model, ask("run")))[-1]
        assert isinstance(last, Finished)
        assert last.stop_reason == "tool_use"
        used = [block for block in last.content if block["type"] == "tool_use"]
        assert [(block["name"], block["input"]) for block in used] == [
            ("status", {}),
            ("spawn", {"product": "a", "list": [1, {"b": None}]}),
        ]
        assert len({block["id"] for block in used}) == 2

    async def test_conversation_continues_after_tool_results(self, scripted: Scripted) -> None:
        model = await scripted([call("status"), say("Idle.")])
        request = ask("status?")
        asked = (await heard(model, request))[-1]
        assert isinstance(asked, Finished)
        results = [
            {"type": "tool_result", "tool_use_id": block["id"], "content": "idle"}
            for block in asked.content
            if block["type"] == "tool_use"
        ]
        messages = (*request.messages, {"role": "assistant", "content": asked.content}, {"role": "user", "content": results})
        answered = (await heard(model, ModelRequest(request.system, TOOLS, messages)))[-1]
        assert isinstance(answered, Finished)
        assert answered.content[-1]["text"] == "Idle."

    async def test_usage_is_reported(self, scripted: Scripted) -> None:
        model = await scripted([say("Fine.")])
        events = await heard(model, ask("hello"))
        begun, last = events[0], events[-1]
        assert isinstance(begun, Begun)
        assert isinstance(last, Finished)
        assert last.usage.output_tokens > 0
        assert last.usage.input_tokens + last.usage.cache_write_tokens > 0
        assert 0 < begun.cost_usd < last.cost_usd
        assert last.model

    async def test_interrupted_answer_is_retried_once(self, scripted: Scripted) -> None:
        model = await scripted([say("One two three four five six seven", cut=5), say("One two three four five six seven")])
        events = await heard(model, ask("count"))
        begins = [index for index, event in enumerate(events) if isinstance(event, Begun)]
        assert len(begins) == 2
        assert begins[1] > 1, "text was streamed before the interruption"
        after = [event.text for event in events[begins[1] :] if isinstance(event, TextDelta)]
        assert "".join(after) == "One two three four five six seven"

    @pytest.mark.parametrize(("status", "code"), [(401, "auth"), (413, "too_large"), (400, "bad_request")])
    async def test_failures_have_a_code_and_a_message(self, scripted: Scripted, status: int, code: str) -> None:
        model = await scripted([fail(status)])
        with pytest.raises(ModelError) as caught:
            await heard(model, ask("hello"))
        assert caught.value.code == code
        assert caught.value.code in MODEL_ERRORS
        assert caught.value.message.startswith(("Claude", "This conversation"))

    async def test_model_is_usable_after_a_stop(self, scripted: Scripted) -> None:
        model = await scripted([say("A long answer that nobody waits for"), say("Short.")])
        async for event in model.stream(ask("talk")):
            if isinstance(event, TextDelta):
                break
        last = (await heard(model, ask("again")))[-1]
        assert isinstance(last, Finished)
        assert last.content[-1]["text"] == "Short."

    async def test_stop_reasons_are_distinguished(self, scripted: Scripted) -> None:
        model = await scripted([say("I can", stop="max_tokens"), say("I", stop="refusal")])
        ends = [(await heard(model, ask("go")))[-1] for _ in range(2)]
        assert [end.stop_reason for end in ends if isinstance(end, Finished)] == ["max_tokens", "refusal"]
        assert isinstance(ends[1], Finished)
        assert ends[1].detail == "cyber"
