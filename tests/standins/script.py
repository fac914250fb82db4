"""Scripted replies of a Claude stand-in, with the rules that choose among them.

A script as JSON, for a stand-in that runs as a process::

    {"rules": [
        {"text": "run a scout on (product-[a-z])",
         "reply": {"calls": [{"name": "spawn", "input": {"product": "{1}", "capability": "scout"}}]}},
        {"after": "spawn", "reply": {"text": "Started. {result}"}}],
     "default": {"text": "I have no line for that."}}

`text` is a regular expression that is searched for in the last text. Without `after`, a rule applies only if the last message
is not a tool result. `after` names the tool of that result (`*` for any), and `result` is searched for in it. A rule with
`times` applies that many times. In replies, `{said}`, `{result}` and `{1}`, `{2}` … (groups of `text`) are filled in.
"""

import asyncio
import json
import re
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Call:
    """One tool call of the model."""

    name: str
    input: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Reply:
    """One answer or failure of the model."""

    text: str = ""
    calls: tuple[Call, ...] = ()
    thinking: str | None = None
    stop: str | None = None
    """Stop reason, if not the natural one."""
    delay: float = 0.0
    """Seconds before the answer begins."""
    pace: float = 0.0
    """Seconds between two events."""
    status: int = 200
    """Status of an HTTP error instead of an answer."""
    error: str = ""
    """Message of the error, or with status 200 the type of an error event after `cut` events."""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    """Number of events before the connection breaks."""
    clean: bool = False
    """True to end there as if the answer were complete, as some proxies do."""
    hold: asyncio.Event | None = None
    """Event to wait for in the middle of the text."""


def say(text: str, **more: Any) -> Reply:
    """Return a text reply."""
    return Reply(text=text, **more)


def call(name: str, **arguments: Any) -> Reply:
    """Return a reply that calls one tool."""
    return Reply(calls=(Call(name, arguments),))


def calls(*several: Call, **more: Any) -> Reply:
    """Return a reply that calls several tools at once."""
    return Reply(calls=several, **more)


def fail(status: int, error: str = "", **headers: str) -> Reply:
    """Return a refusal, as in `fail(429, retry_after="1")`."""
    return Reply(status=status, error=error, headers={key.replace("_", "-"): value for key, value in headers.items()})


@dataclass
class Rule:
    """A condition with its reply."""

    reply: Reply
    text: str = ""
    after: str | None = None
    result: str = ""
    times: int | None = None

    def matches(self, messages: list[dict[str, Any]]) -> re.Match[str] | None:
        """Return the match of `text` if the rule applies."""
        answered = results(messages)
        if self.times == 0 or (self.after is None) != (not answered):
            return None
        if self.after not in (None, "*") and self.after not in [name for name, _ in answered]:
            return None
        if not any(re.search(self.result, text, re.IGNORECASE) for _, text in answered or [("", "")]):
            return None
        return re.search(self.text, said(messages), re.IGNORECASE)


class Script:
    """Ordered rules, of which the first that applies answers, with a default."""

    def __init__(self, rules: list[Rule] | None = None, default: Reply | None = None) -> None:
        self.rules = rules or []
        self.default = default or Reply(text="I have no line for that.")

    @classmethod
    def from_json(cls, text: str) -> "Script":
        """Read a script from a file in the format above."""
        raw = json.loads(text)
        rules = [Rule(**{**rule, "reply": _reply(rule["reply"])}) for rule in raw.get("rules", [])]
        return cls(rules, _reply(raw["default"]) if "default" in raw else None)

    def answer(self, messages: list[dict[str, Any]]) -> Reply:
        """Return the reply to a conversation."""
        for rule in self.rules:
            if match := rule.matches(messages):
                if rule.times is not None:
                    rule.times -= 1
                return _filled(rule.reply, messages, match)
        return _filled(self.default, messages, None)


def blocks(message: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a message's content as blocks."""
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


def said(messages: list[dict[str, Any]]) -> str:
    """Return the last text block from the user."""
    for message in reversed(messages):
        texts = [block["text"] for block in blocks(message) if block["type"] == "text"]
        if message["role"] == "user" and texts:
            return str(texts[-1])
    return ""


def results(messages: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return the tool names and results of the last message."""
    names = {block["id"]: block["name"] for message in messages for block in blocks(message) if block["type"] == "tool_use"}
    last = blocks(messages[-1]) if messages else []
    return [
        (names.get(block["tool_use_id"], ""), _plain(block.get("content", "")))
        for block in last
        if block["type"] == "tool_result"
    ]


def _plain(content: Any) -> str:
    return content if isinstance(content, str) else "\n".join(block.get("text", "") for block in content)


def _reply(raw: dict[str, Any]) -> Reply:
    return Reply(**{**raw, "calls": tuple(Call(**each) for each in raw.get("calls", []))})


def _filled(reply: Reply, messages: list[dict[str, Any]], match: re.Match[str] | None) -> Reply:
    values = {"{said}": said(messages), "{result}": "\n".join(text for _, text in results(messages))}
    for number, group in enumerate(match.groups() if match else (), start=1):
        values[f"{{{number}}}"] = group or ""

    def fill(value: Any) -> Any:
        if isinstance(value, str):
            return re.sub(r"\{(said|result|\d)\}", lambda found: values.get(found[0], found[0]), value)
        if isinstance(value, dict):
            return {key: fill(each) for key, each in value.items()}
        return [fill(each) for each in value] if isinstance(value, list) else value

    filled = tuple(Call(each.name, fill(each.input)) for each in reply.calls)
    return replace(reply, text=fill(reply.text), calls=filled)
