"""The record of a conversation, and what of it a model is shown. Pure functions over messages.

A *turn* begins with a message of a person that answers no tool, and ends before the next such one. The record is only
ever added to; `view` makes a conversation of it that the Messages API accepts whatever the record's last line is:

- Keys of our own are left out, neighbours of one role become one message, a call without a result (the process died and
  the person spoke again) gets one that says so.
- What was thought is shown within the turn that runs and left out of those before it: the API binds thoughts to all that
  precedes them, and wants them back unchanged or not at all.
- Length: whole turns are dropped, the oldest first, and one line stands for them. Which ones is decided by the turns
  before the one that runs, so that nothing shifts under a running turn; and down to half the budget at once, so that
  the beginning stays the same (and cached) over many turns. The API has compaction of its own, but only in beta, as
  server state, and at the price of a model call; ours is the same everywhere, free, and can be read in ten lines.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from bot.agent.model import Message

Block = dict[str, Any]

NO_RESULT = "[no result: the coordinator stopped before this ran]"
NO_WORDS = "[no words]"


def begins_turn(message: Message) -> bool:
    """Whether a turn begins here."""
    return message["role"] == "user" and not any(block["type"] == "tool_result" for block in message["content"])


def turn_start(messages: Sequence[Message]) -> int:
    """Index of the first message of the last turn."""
    return max((index for index, message in enumerate(messages) if begins_turn(message)), default=0)


def calls(message: Message) -> list[Block]:
    """The tool calls in a message."""
    return [block for block in message["content"] if block["type"] == "tool_use"]


def open_calls(messages: Sequence[Message]) -> list[Block]:
    """The calls at the end of the record that have no results yet."""
    return calls(messages[-1]) if messages and messages[-1]["role"] == "assistant" else []


def words(message: Message) -> str:
    """The text of a message."""
    return "\n\n".join(block["text"] for block in message["content"] if block["type"] == "text").strip()


def tokens(messages: Sequence[Message]) -> int:
    """About how many tokens messages are: characters / 4."""
    return sum(len(json.dumps(message["content"], ensure_ascii=False)) for message in messages) // 4


def view(messages: Sequence[Message], budget: int) -> tuple[Message, ...]:
    """What the model is shown: the last turn whole, and of those before it as many as `budget` tokens hold."""
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
    """Whole turns; a rest of one at the front, which a reader with a limit leaves, is not shown."""
    starts = [index for index, message in enumerate(messages) if begins_turn(message)]
    return [messages[start:end] for start, end in zip(starts, [*starts[1:], len(messages)], strict=False)]


def _dropped(sizes: Sequence[int], budget: int) -> int:
    """How many turns are dropped: played from the beginning, so that the answer moves rarely and in large steps."""
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
    return {"role": "assistant", "content": content or [{"type": "text", "text": NO_WORDS}]}


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
