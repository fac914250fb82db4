"""The record of a conversation, and the part of it that a model sees. Pure functions over messages.

A *turn* starts with a message of a person that is not a tool result, and ends before the next such message. The record is
append-only. `view` turns it into a conversation that the Messages API accepts, wherever the record ends:

- Keys of our own are removed, and consecutive messages of one role are merged. A call without a result (after a crash) gets
  a result that says so.
- Thinking blocks are kept in the current turn and removed from earlier ones, because the API binds them to everything before
  them and accepts them only unchanged.
- The oldest turns are dropped whole and replaced by one line. The current turn does not affect the choice, so nothing shifts
  while it runs. Each cut goes down to half the budget, so that the beginning stays cached for many turns. The API's own
  compaction is in beta, keeps state on the server, and costs a model call.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from bot.agent.model import Message

Block = dict[str, Any]

NO_RESULT = "[no result: the fleet stopped before this ran]"
NO_TEXT = "[no text]"


def begins_turn(message: Message) -> bool:
    """Return True if a turn begins here."""
    return message["role"] == "user" and not any(block["type"] == "tool_result" for block in message["content"])


def turn_start(messages: Sequence[Message]) -> int:
    """Return the index of the first message of the last turn."""
    return max((index for index, message in enumerate(messages) if begins_turn(message)), default=0)


def calls(message: Message) -> list[Block]:
    """Return the tool calls in a message."""
    return [block for block in message["content"] if block["type"] == "tool_use"]


def open_calls(messages: Sequence[Message]) -> list[Block]:
    """Return the calls at the end of the record that have no results yet."""
    return calls(messages[-1]) if messages and messages[-1]["role"] == "assistant" else []


def words(message: Message) -> str:
    """Return the text of a message."""
    return "\n\n".join(block["text"] for block in message["content"] if block["type"] == "text").strip()


def tokens(messages: Sequence[Message]) -> int:
    """Estimate the tokens of messages as characters / 4."""
    return sum(len(json.dumps(message["content"], ensure_ascii=False)) for message in messages) // 4


def view(messages: Sequence[Message], budget: int) -> tuple[Message, ...]:
    """Return the last turn and as many of the turns before it as fit into `budget` tokens."""
    start = turn_start(messages)
    turns = _turns(messages[:start])
    dropped = _dropped([tokens(turn) for turn in turns], budget)
    kept = [_unthought(message) for turn in turns[dropped:] for message in turn]
    shown = _merged(_answered([*kept, *messages[start:]]))
    if dropped:
        note = f"[{dropped} earlier {'turns' if dropped > 1 else 'turn'} of this conversation left out for length.]"
        shown[0] = {"role": "user", "content": [{"type": "text", "text": note}, *shown[0]["content"]]}
    return tuple(shown)


def _turns(messages: Sequence[Message]) -> list[Sequence[Message]]:
    """Return the complete turns. A partial one at the front, left by a limited read, is dropped."""
    starts = [index for index, message in enumerate(messages) if begins_turn(message)]
    return [messages[start:end] for start, end in zip(starts, [*starts[1:], len(messages)], strict=False)]


def _dropped(sizes: Sequence[int], budget: int) -> int:
    """Return the number of turns to drop, which changes rarely and in large steps."""
    first = total = 0
    for index, size in enumerate(sizes):
        total += size
        if total > budget:
            while first <= index and total > budget // 2:
                total -= sizes[first]
                first += 1
    return first


def _unthought(message: Message) -> Message:
    if message["role"] == "user":
        return message
    content = [block for block in message["content"] if block["type"] not in {"thinking", "redacted_thinking"}]
    return {"role": "assistant", "content": content or [{"type": "text", "text": NO_TEXT}]}


def _answered(messages: Sequence[Message]) -> Iterator[Message]:
    for message, following in zip(messages, [*messages[1:], None], strict=True):
        yield message
        if following is not None and (begins_turn(following) or following["role"] == "assistant") and calls(message):
            missing = [
                {"type": "tool_result", "tool_use_id": call["id"], "content": NO_RESULT, "is_error": True}
                for call in calls(message)
            ]
            yield {"role": "user", "content": missing}


def _merged(messages: Iterator[Message]) -> list[Message]:
    whole: list[Message] = []
    for message in messages:
        if whole and whole[-1]["role"] == message["role"]:
            whole[-1] = {"role": message["role"], "content": [*whole[-1]["content"], *message["content"]]}
        else:
            whole.append({"role": message["role"], "content": list(message["content"])})
    return whole
