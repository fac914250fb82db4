"""The channel between the bot and a runtime's supervisor: JSON lines over any byte stream. Standard library only.

Framing
    One message is one line: a JSON object in UTF-8, ended by LF (0x0A); a CR before it is ignored, and so is an empty line.
    The writer escapes everything beyond ASCII, so a line never holds a raw LF. NaN and Infinity are not JSON and are refused.
    A line is at most `MAX_LINE` bytes, its LF included. A writer refuses to send a longer one: a response becomes the error
    `too_large`, mail is cut into several events before it gets so far. A reader that meets a longer one drops it up to its LF,
    reports `too_large` once and goes on. A line that is not a message is reported as `bad_request`; the stream goes on.

Hello
    Both sides send `{"hello": {"protocol": 1, …}}` as their first line, without waiting for the other. The supervisor adds
    `boot` (an id that changes with every start of it), `life` (one that changes when the machine or container is started anew),
    `engine` (version as it prints it, "" if there is none), `rehearsal`, `cpus`, `cpu_percent` (100 is one core), `memory_mib`,
    `memory_limit_mib` (null: none), `pid`, `supervisor` (its version) and `make` (as it was told); the bot adds `client`. If
    the numbers differ, the side that sees it answers `{"hello": {"protocol": n, "error": {…"version"…}}}` at need, says so
    in words and closes.

Requests and responses
    `{"id": 7, "op": "send", "product": "product-a", "args": {…}, "deadline": 30.0}`
    `{"id": 7, "result": …}` or `{"id": 7, "error": {"code", "message", "hint", "product"}}`
    `id` is chosen by the bot, unique among its open requests, 0 … 2**53. Requests of different products run side by side, those
    of one product that change something one after the other; responses come in any order. `deadline` is in seconds from
    arrival, at most `MAX_DEADLINE`, by default that of `OPS`; when it has passed the answer is `timed_out`, and what was begun
    may still happen. A request with a `marker` may be repeated for that reason. A bot that goes away takes back nothing.

Events
    `{"event": "mail", "data": {"product", "mail": [Mail …], "cursor"}}`     oldest first; `cursor` is the place of the last one
    `{"event": "snapshot", "data": Snapshot}`                                 sessions, cost, pause or trouble have changed
    Events of the products that this connection watches only. After `watch` each product is replayed from its cursor.

Shapes
    Mail       `{"id", "sender", "recipient", "type", "subject", "body", "created_at", "thread", "priority", "payload", "read",
               "cursor"}`; times are ISO 8601 in UTC; `payload` is an object, empty when the engine's is none; a body beyond
               `MAX_TEXT` characters is cut and says so. `cursor` is opaque: the place just after this mail.
    Session    `{"agent", "capability", "state", "task", "parent", "branch", "worktree", "started_at", "last_activity", "pid",
               "alive"}`
    Snapshot   `{"product", "at", "engine", "sessions": [Session …], "coordinator", "paused", "cost_usd_today",
               "cost_usd_total", "cpu_percent", "memory_mib", "trouble": {"code", "message", "hint"} | null,
               "notice": {"code", "message"} | null}`; a notice stops nothing (see the module `adoption`)

Operations (product ones need the product to be watched by this connection)
    ping       {} → {}
    info       {} → the supervisor's hello, measured anew
    watch      {"products": [{"name", "path", "cursor"}]} → {}; replaces the set
    snapshot   {"products": [name …]} (none: all) → [Snapshot …]
    start      {} → {"started": bool}
    send       {"subject", "body", "marker", "to", "kind"} → {"id"}
    reply      {"mail", "body", "marker", "plan": text | null} → {"id"}
    consumed   {"mail"} → {"uptake": "waiting" | "read" | "taken" | "lost"}
    sling      {"agent", "capability", "task", "brief", "marker"} → {"agent", "branch", "already"}
    stop       {"agent": name | null} → {"stopped": [name …]}
    pause      {} → {"agents": [name …]}
    resume     {} → {"agents": [name …]}
    nudge      {"agent", "text"} → {"delivered": bool, "reason"}
    mail       {"limit", "agent": name | null} → [Mail …], newest first
    inspect    {"agent"} → {"session", "events": [{"at", "kind", "tool", "text"} …] newest first, "output"}
    adopt      {"path", "type", "undo", "apply", "shown"} → {"done", "initialises", "changes": [{"path", "why", "diff"} …],
               "digest", "notes", "obstacles", "commit", "backup"}; `why`, `notes`, `obstacles` are lists of texts. The
               product (its `path`, absolute) need not be watched; without `apply` nothing is changed; `shown` is the digest
               of what a person saw, or ""
    shutdown   {"force": bool} → {"stopping": bool}; without force only while no session runs
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

PROTOCOL: Final = 1
"""Version of this document; both sides must have the same."""

MAX_LINE: Final = 4 * 1024 * 1024
"""Longest line in bytes, LF included."""

MAX_TEXT: Final = 200_000
"""Longest text of one mail's body, one brief or one output, in characters (escaped, at most 1.2 MB)."""

MAX_DEADLINE: Final = 600.0
"""Longest time that a request may ask for, in seconds."""

OPS: Final[Mapping[str, float]] = {
    "ping": 5.0,
    "info": 10.0,
    "watch": 15.0,
    "snapshot": 15.0,
    "start": 90.0,
    "send": 120.0,
    "reply": 120.0,
    "consumed": 15.0,
    "sling": 90.0,
    "stop": 60.0,
    "pause": 30.0,
    "resume": 30.0,
    "nudge": 45.0,
    "mail": 15.0,
    "inspect": 20.0,
    "adopt": 180.0,
    "shutdown": 30.0,
}
"""The operations, each with its deadline in seconds when the request names none."""

ERROR_CODES: Final[Mapping[str, str]] = {
    "bad_request": "The line is no message, or an argument is missing or of the wrong kind.",
    "unknown_op": "The supervisor knows no such operation; one of the two sides is older.",
    "too_large": "A line, a text or an argument is longer than may be.",
    "version": "The two sides speak different versions of this channel.",
    "unreachable": "No answer from the runtime's supervisor; made by the bot, never sent.",
    "not_found": "No product of that name is watched, or no such mail exists.",
    "path_missing": "The product's folder does not exist in this runtime.",
    "not_a_repository": "The product's folder is no git repository, or git refuses it.",
    "not_initialised": "The product has no .overstory/config.yaml.",
    "config_broken": "The product's .overstory/config.yaml or agent manifest cannot be used.",
    "engine_missing": "There is no engine (ov, overstory) in this runtime.",
    "claude_missing": "The engine runs, but the claude command is not on its PATH or cannot start.",
    "tmux_missing": "This version of the engine needs tmux, which is not on its PATH or cannot start the session.",
    "wrong_user": "Something runs as root or as another user than the product's files allow.",
    "coordinator_dead": "The coordinator is recorded as running, but its process is gone and it could not be started anew.",
    "not_running": "What was to be stopped or spoken to does not run.",
    "unknown_agent": "The product has no agent of that name.",
    "recipient_terminal": "The recipient has finished; the engine would never deliver the mail.",
    "unknown_capability": "The product's agent manifest has no such capability, or this version cannot start it.",
    "limit_reached": "A limit of the engine's configuration (depth, agents at once, sessions in a run) stands against it.",
    "name_taken": "An agent of that name exists already, for another task.",
    "task_refused": "The engine's task tracker does not know the task, or it is taken.",
    "unsupported": "This version of the engine cannot do that, or doing it would do harm.",
    "locked": "The product's database or folder stayed locked by another process; trying again helps.",
    "corrupt": "One of the product's databases is damaged.",
    "timed_out": "It took longer than the deadline; what was begun may still happen.",
    "output_too_large": "A command printed more than the supervisor keeps.",
    "paused": "The product is paused; resume it first.",
    "dirty": "The product's repository has changes that are not committed.",
    "at_work": "Agents are at work in the product; what was asked for has to wait until none is.",
    "changed": "The files are no longer what was shown, or what was written by us.",
    "engine_failed": "The engine failed in a way that has no word of its own; its own words are in the message.",
}
"""Every code that an error may carry, and what it means."""


class ChannelError(Exception):
    """What goes wrong on the channel or beyond it, as it travels: code, message, hint, product."""

    def __init__(self, code: str, message: str, hint: str = "", product: str | None = None) -> None:
        super().__init__(message)
        self.code = code if code in ERROR_CODES else "engine_failed"
        self.message = message
        self.hint = hint
        self.product = product

    def as_json(self) -> dict[str, Any]:
        """The error object of a response."""
        return {"code": self.code, "message": self.message, "hint": self.hint, "product": self.product}

    @classmethod
    def from_json(cls, value: object) -> "ChannelError":
        """The error that an error object stands for; anything else becomes `engine_failed`."""
        if not isinstance(value, dict):
            return cls("engine_failed", "The supervisor reported an error without words.")
        product = value.get("product")
        return cls(
            str(value.get("code", "")),
            str(value.get("message", "")),
            str(value.get("hint", "")),
            product if isinstance(product, str) else None,
        )


@dataclass(frozen=True, slots=True)
class Hello:
    """The first line of either side."""

    info: Mapping[str, Any]
    protocol: int = PROTOCOL

    def check(self, me: str, other: str) -> None:
        """Raise `version` if the other side speaks another version."""
        if self.protocol != PROTOCOL:
            newer, older = (other, me) if self.protocol > PROTOCOL else (me, other)
            raise ChannelError(
                "version",
                f"The {me} speaks version {PROTOCOL} of the channel, the {other} version {self.protocol}.",
                f"The {newer} is newer: update the {older}, then start it again.",
            )


@dataclass(frozen=True, slots=True)
class Request:
    """One operation that the bot asks for."""

    id: int
    op: str
    product: str = ""
    args: Mapping[str, Any] = field(default_factory=dict)
    deadline: float | None = None

    @property
    def seconds(self) -> float:
        """How long it may take."""
        wanted = OPS.get(self.op, 30.0) if self.deadline is None else self.deadline
        return min(max(wanted, 0.0), MAX_DEADLINE)


@dataclass(frozen=True, slots=True)
class Response:
    """The answer to the request of that id: a result, or an error."""

    id: int
    result: Any = None
    error: ChannelError | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """Something that the supervisor tells unasked."""

    event: str
    data: Mapping[str, Any]


Message = Hello | Request | Response | Event


def encode(message: Message) -> bytes:
    """The line of a message. Raises `too_large` beyond `MAX_LINE`, `bad_request` for what is not JSON."""
    try:
        line = json.dumps(_to_json(message), separators=(",", ":"), allow_nan=False).encode() + b"\n"
    except (TypeError, ValueError, RecursionError) as error:
        raise ChannelError("bad_request", f"This cannot be sent as JSON: {error}.") from error
    if len(line) > MAX_LINE:
        raise ChannelError(
            "too_large", f"This would be a line of {len(line)} bytes; {MAX_LINE} is the most.", "Ask for less at once."
        )
    return line


def decode(line: bytes) -> Message:
    """The message of a line (without or with its LF). Raises `bad_request`."""
    try:
        value = json.loads(line.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ChannelError("bad_request", f"A line of the channel is not JSON: {error}.") from error
    if not isinstance(value, dict):
        raise ChannelError("bad_request", "A line of the channel is JSON, but no object.")
    return _from_json(value)


class Decoder:
    """Cuts a byte stream into messages; never raises, whatever the bytes."""

    def __init__(self, max_line: int = MAX_LINE) -> None:
        self._max_line = max_line
        self._buffer = bytearray()
        self._searched = 0
        self._dropping = False

    def feed(self, data: bytes) -> Iterator[Message | ChannelError]:
        """The messages that are complete now, in order; a ChannelError in place of a line that is none."""
        self._buffer += data
        while (end := self._buffer.find(b"\n", self._searched)) >= 0:
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 1]
            self._searched = 0
            if (found := self._take(line)) is not None:
                yield found
        self._searched = len(self._buffer)
        if len(self._buffer) >= self._max_line:
            self._buffer.clear()
            self._searched = 0
            if not self._dropping:
                self._dropping = True
                yield self._too_large()

    def _take(self, line: bytes) -> Message | ChannelError | None:
        if self._dropping:
            self._dropping = False
            return None
        if len(line) >= self._max_line:
            return self._too_large()
        if not line.strip():
            return None
        try:
            return decode(line)
        except ChannelError as error:
            return error

    def _too_large(self) -> ChannelError:
        return ChannelError("too_large", f"A line of the channel is longer than {self._max_line} bytes; it was dropped.")


def _to_json(message: Message) -> dict[str, Any]:
    if isinstance(message, Hello):
        return {"hello": {**message.info, "protocol": message.protocol}}
    if isinstance(message, Event):
        return {"event": message.event, "data": dict(message.data)}
    if isinstance(message, Response):
        answer = {"result": message.result} if message.error is None else {"error": message.error.as_json()}
        return {"id": message.id, **answer}
    line: dict[str, Any] = {"id": message.id, "op": message.op, "product": message.product, "args": dict(message.args)}
    return line if message.deadline is None else {**line, "deadline": message.deadline}


def _from_json(value: dict[str, Any]) -> Message:
    if "hello" in value:
        hello = _object(value, "hello")
        return Hello({k: v for k, v in hello.items() if k != "protocol"}, _whole(hello, "protocol"))
    if "event" in value:
        return Event(_text(value, "event"), _object(value, "data"))
    if "op" in value:
        args = _object(value, "args") if "args" in value else {}
        product = _text(value, "product") if "product" in value else ""
        return Request(_whole(value, "id"), _text(value, "op"), product, args, _seconds(value))
    if "error" in value:
        return Response(_whole(value, "id"), error=ChannelError.from_json(value["error"]))
    if "result" in value:
        return Response(_whole(value, "id"), value["result"])
    raise ChannelError("bad_request", "A line of the channel is no hello, request, response or event.")


def _whole(value: Mapping[str, Any], key: str) -> int:
    number = value.get(key)
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= 2**53:
        raise ChannelError("bad_request", f"A line of the channel has no whole number `{key}`.")
    return number


def _text(value: Mapping[str, Any], key: str) -> str:
    text = value.get(key)
    if not isinstance(text, str):
        raise ChannelError("bad_request", f"A line of the channel has no text `{key}`.")
    return text


def _object(value: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = value.get(key)
    if not isinstance(found, dict):
        raise ChannelError("bad_request", f"A line of the channel has no object `{key}`.")
    return found


def _seconds(value: Mapping[str, Any]) -> float | None:
    seconds = value.get("deadline")
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not math.isfinite(seconds):
        raise ChannelError("bad_request", "A line of the channel has a `deadline` that is no number of seconds.")
    return float(seconds)


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")
