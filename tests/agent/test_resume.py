"""A turn that is killed anywhere resumes, without duplicates and without refusals by the API."""

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.agent.claude import Claude
from bot.agent.loop import TurnResult
from bot.agent.model import Message
from bot.text.backoff import Backoff
from tests.agent.desk import Desk, Kept, Killed
from tests.standins.messages_api import MessagesApi
from tests.standins.script import Call, Rule, Script, call, calls, say

SCRIPT = Script(
    [
        Rule(say("Yes?"), text="are you there", after="*"),
        Rule(
            replace(calls(Call("status", {"product": "a"}), Call("status", {"product": "b"}), text="Looking."), thinking="Hm."),
            text="ship it",
        ),
        Rule(
            replace(calls(Call("spawn", {"product": "a", "task": "ship"}), Call("pause", {"product": "b"})), thinking="So."),
            after="status",
        ),
        Rule(call("inspect", product="a"), after="spawn"),
        Rule(say("Shipped, and product-b is paused."), after="inspect"),
    ],
    default=say("Yes?"),
)
ANSWER = "Looking.\n\nShipped, and product-b is paused."
ANSWERS = 4
MESSAGES = 8
EFFECTS = ["spawn a", "pause b"]


@pytest.fixture
async def api() -> AsyncIterator[MessagesApi]:
    async with MessagesApi(SCRIPT) as server:
        yield server


@pytest.fixture
async def claude(api: MessagesApi) -> AsyncIterator[Claude]:
    model = Claude(api_key="key", base_url=api.url, backoff=Backoff(0.001, longest=0.01))
    yield model
    await model.close()


def begun(desk: Desk) -> Desk:
    desk.kept = Kept([])
    desk.say("<fleet>2 idle</fleet>", "ship it")
    return desk


async def finish(desk: Desk, claude: Claude, api: MessagesApi) -> TurnResult:
    """Resume the turn until it ends, and check that every effect happened once."""
    result = await desk.turn(claude)
    assert api.refused == []
    assert result.text == ANSWER
    assert sorted(desk.done.values()) == sorted(EFFECTS)
    assert len(desk.kept.messages) == MESSAGES
    return result


class TestResume:
    async def test_uninterrupted_turn(self, api: MessagesApi, claude: Claude) -> None:
        api.asked.clear()
        desk = begun(Desk())
        result = await finish(desk, claude, api)
        assert len(api.bodies) == result.record.steps == ANSWERS
        assert [run.skill for run in result.record.tools] == ["status", "status", "spawn", "pause", "inspect"]

    @pytest.mark.parametrize("kept", range(1, MESSAGES + 1))
    async def test_turn_resumes_from_every_prefix_of_its_messages(self, api: MessagesApi, claude: Claude, kept: int) -> None:
        whole = begun(Desk())
        complete = await finish(whole, claude, api)
        api.asked.clear()
        desk = Desk(kept=Kept(whole.kept.messages[:kept]))
        called = [block.get("id") for message in desk.kept.messages for block in message["content"]]
        desk.done = {request: effect for request, effect in whole.done.items() if request in called}
        result = await finish(desk, claude, api)
        answered = sum(message["role"] == "assistant" for message in whole.kept.messages[:kept])
        assert len(api.bodies) == ANSWERS - answered, "every answer is paid for once"
        assert result.cards == complete.cards
        assert (result.record.steps, len(result.record.tools)) == (ANSWERS, len(complete.record.tools))
        assert len(desk.done) == len(EFFECTS), "a repeated call keeps its id"

    @pytest.mark.parametrize("name", ["status", "spawn", "pause", "inspect"])
    async def test_turn_resumes_after_a_kill_during_a_tool(self, api: MessagesApi, claude: Claude, name: str) -> None:
        desk = begun(Desk())

        def kill(running: str) -> None:
            if running == name:
                raise Killed

        desk.during = kill
        with pytest.raises(Killed):
            await desk.turn(claude)
        desk.during = lambda running: None
        await finish(desk, claude, api)

    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(deaths=st.lists(st.tuples(st.sampled_from(["before", "after"]), st.integers(0, 3)), max_size=6))
    async def test_turn_resumes_after_repeated_kills(
        self, api: MessagesApi, claude: Claude, deaths: list[tuple[str, int]]
    ) -> None:
        desk = begun(Desk())
        for moment, appends in deaths:
            left = [appends]

            def die(message: Message, left: list[int] = left) -> None:
                left[0] -= 1
                if left[0] < 0:
                    raise Killed

            setattr(desk.kept, moment, die)
            with suppress(Killed):
                await desk.turn(claude)
            desk.kept.before = desk.kept.after = lambda message: None
        await finish(desk, claude, api)

    async def test_message_before_the_resumption_is_answered(self, api: MessagesApi, claude: Claude) -> None:
        whole = begun(Desk())
        await finish(whole, claude, api)
        for kept in range(1, MESSAGES + 1):
            desk = Desk(kept=Kept(whole.kept.messages[:kept]))
            desk.say("are you there?")
            assert (await desk.turn(claude)).text == "Yes?"
            assert api.refused == []
            assert not any(block["type"] == "thinking" for each in api.bodies[-1]["messages"] for block in each["content"])

    async def test_thinking_stays_within_its_turn(self, api: MessagesApi, claude: Claude) -> None:
        desk = begun(Desk())
        await finish(desk, claude, api)
        for _ in range(3):
            desk.say("ship it")
            await desk.turn(claude)
        assert api.refused == []
        thoughts = [
            index
            for index, message in enumerate(api.bodies[-1]["messages"])
            for block in message["content"]
            if block["type"] == "thinking"
        ]
        assert thoughts == [25, 27]
