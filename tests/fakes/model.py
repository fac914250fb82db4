"""A model that answers from a list, for example `ScriptedModel([call("status"), say("All is well.")])`.

It gives the replies of `tests.standins.script` in order, or calls a function with the conversation. Like the real
API, it refuses malformed conversations.
"""

from collections.abc import AsyncIterator, Callable, Iterable
from itertools import count
from typing import Any

from bot.agent.model import Begun, Finished, Model, ModelEvent, ModelRequest, TextDelta, Usage
from bot.domain.errors import ModelError
from tests.standins.messages_checks import refusals
from tests.standins.script import Call, Reply, Script, call, calls, fail, say

__all__ = ["Call", "Reply", "ScriptedModel", "call", "calls", "fail", "say"]

CODES = {401: "auth", 413: "too_large", 429: "rate_limited", 529: "overloaded", 400: "bad_request"}
_IDS = count(1)


class ScriptedModel(Model):
    """Replies in order. `script` answers when none are left, and `requests` records what was asked."""

    name = "claude-scripted"

    def __init__(self, replies: Iterable[Reply] = (), script: Script | Callable[[ModelRequest], Reply] | None = None) -> None:
        self.replies = list(replies)
        self.script = script
        self.requests: list[ModelRequest] = []
        self.closed = False

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Stream the next reply word by word. A reply with `cut` breaks off after `cut` words and restarts."""
        self._check(request)
        self.requests.append(request)
        reply = self._next(request)
        if reply.status != 200:
            raise ModelError(f"Claude failed: {reply.error or reply.status}.", code=CODES.get(reply.status, "failed"))
        usage = Usage(input_tokens=100)
        for most in (reply.cut, None) if reply.cut is not None else (None,):
            yield Begun(usage, 0.001)
            for number, piece in enumerate(reply.text.split(" ")[:most]):
                if reply.hold is not None and number == 1:
                    await reply.hold.wait()
                if reply.text:
                    yield TextDelta(piece if number == 0 else f" {piece}")
        yield self._finished(reply)

    async def close(self) -> None:
        """Say so."""
        self.closed = True

    def _next(self, request: ModelRequest) -> Reply:
        if self.replies:
            return self.replies.pop(0)
        assert self.script is not None, "the model was asked more often than it has replies"
        return self.script.answer(list(request.messages)) if isinstance(self.script, Script) else self.script(request)

    def _finished(self, reply: Reply) -> Finished:
        content: list[dict[str, Any]] = [{"type": "text", "text": reply.text}] if reply.text else []
        content += [{"type": "tool_use", "id": f"toolu_s{next(_IDS)}", "name": c.name, "input": c.input} for c in reply.calls]
        stop = reply.stop or ("tool_use" if reply.calls else "end_turn")
        return Finished(content, stop, Usage(100, 20), self.name, 0.002, "cyber" if stop == "refusal" else "")

    def _check(self, request: ModelRequest) -> None:
        body = {
            "model": self.name,
            "max_tokens": request.max_tokens,
            "system": request.system,
            "tools": list(request.tools),
            "messages": list(request.messages),
        }
        assert (wrong := next(refusals(body), None)) is None, wrong
