"""The part of a conversation that a model sees."""

import json
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bot.agent.history import NO_RESULT, NO_TEXT, open_calls, tokens, turn_start, view
from bot.agent.model import Message
from tests.standins.messages_checks import refusals

PLENTY = 1_000_000


def person(*texts: str) -> Message:
    return {"role": "user", "content": [{"type": "text", "text": text} for text in texts]}


def model(*blocks: Any, **ours: Any) -> Message:
    content = [{"type": "text", "text": block} if isinstance(block, str) else block for block in blocks]
    return {"role": "assistant", "content": content, **ours}


def thought(text: str) -> dict[str, Any]:
    return {"type": "thinking", "thinking": text, "signature": "s"}


def use(number: int) -> dict[str, Any]:
    return {"type": "tool_use", "id": f"toolu_{number}", "name": "status", "input": {}}


def result(*numbers: int) -> Message:
    blocks = [{"type": "tool_result", "tool_use_id": f"toolu_{number}", "content": "idle"} for number in numbers]
    return {"role": "user", "content": blocks, "runs": [], "shown": {}}


def test_own_keys_are_removed() -> None:
    shown = view([person("hello"), model("yes", spent={"cost_usd": 1})], PLENTY)
    assert shown == (
        {"role": "user", "content": person("hello")["content"]},
        {"role": "assistant", "content": model("yes")["content"]},
    )


def test_stored_messages_are_not_changed() -> None:
    kept = [person("one"), person("two"), model(thought("hm"), use(1)), person("three")]
    before = json.dumps(kept)
    view(kept, 0)
    assert json.dumps(kept) == before


def test_thinking_is_kept_in_the_current_turn_only() -> None:
    turn = [model(thought("hm"), use(1)), result(1)]
    assert view([person("go"), *turn], PLENTY)[1]["content"][0]["type"] == "thinking"
    again = view([person("go"), *turn, model(thought("only this")), person("and?")], PLENTY)
    assert [block["type"] for block in again[1]["content"]] == ["tool_use"]
    assert again[3]["content"] == [{"type": "text", "text": NO_TEXT}]


def test_call_without_result_gets_a_result() -> None:
    shown = view([person("go"), model(use(1), use(2)), person("hello?")], PLENTY)
    assert [block["type"] for block in shown[2]["content"]] == ["tool_result", "tool_result", "text"]
    assert shown[2]["content"][0]["content"] == NO_RESULT


def test_calls_at_the_end_are_open() -> None:
    assert open_calls([person("go"), model(use(1), use(2))]) == [use(1), use(2)]
    assert open_calls([person("go"), model(use(1)), result(1)]) == []


def test_text_among_results_begins_no_turn() -> None:
    merged = result(1)
    merged["content"].append({"type": "text", "text": "and b"})
    assert turn_start([person("go"), model(use(1)), merged]) == 0
    assert turn_start([person("go"), model("done"), person("more"), model(use(1)), result(1)]) == 2


def test_old_turns_are_replaced_by_one_line() -> None:
    turns = [message for number in range(10) for message in (person(f"question {number} {'x' * 400}"), model("yes"))]
    shown = view([*turns, person("now")], 500)
    texts = [block["text"] for message in shown for block in message["content"]]
    assert texts[0] == "[6 earlier turns of this conversation left out for length.]"
    assert texts[1].startswith("question 6")
    assert texts[-1] == "now"


def test_current_turn_is_never_cut() -> None:
    shown = view([person("old"), model("yes"), person("x" * 10_000), model(use(1)), result(1)], 1)
    assert tokens(shown) > 2400


def test_beginning_changes_rarely() -> None:
    """Keep the first message the same over most turns, so that the cache holds."""
    kept: list[Message] = []
    firsts = []
    for number in range(60):
        kept += [person(f"question {number:02} {'x' * 380}"), model("yes")]
        firsts.append(json.dumps(view([*kept, person("now")], 2000)[0]))
    changes = sum(one != two for one, two in pairwise(firsts))
    assert 3 <= changes <= 8


def test_partial_turn_at_the_front_is_dropped() -> None:
    assert view([result(1), model("done"), person("now")], PLENTY)[0]["content"][0]["text"] == "now"


numbers = st.integers(0, 3)
turns = st.lists(st.tuples(st.integers(1, 3), numbers, numbers, st.integers(0, 600), st.booleans()), min_size=1, max_size=8)


@given(turns=turns, cut=st.integers(0, 12), budget=st.integers(0, 1500))
def test_any_record_becomes_a_valid_conversation(turns: list[tuple[int, int, int, int, bool]], cut: int, budget: int) -> None:
    kept: list[Message] = []
    for number, (texts, steps, calls, size, ends) in enumerate(turns):
        kept.append(person(*["said " + "x" * size] * texts))
        for step in range(steps):
            ids = [number * 100 + step * 10 + call for call in range(calls + 1)]
            kept += [model("let me see", *map(use, ids)), result(*ids)]
        if ends:
            kept.append(model("done"))
        elif steps and cut % 2:
            kept.pop()
    kept = kept[: max(1, len(kept) - cut)]
    shown = list(view([*kept, person("now")], budget))
    tools = [{"name": "status", "input_schema": {"type": "object"}}]
    wrong = list(refusals({"model": "claude-sonnet-5-5", "max_tokens": 1, "tools": tools, "messages": shown}))
    assert wrong == []
    assert [message["role"] for message in shown] == ["user", "assistant"] * (len(shown) // 2) + ["user"]
