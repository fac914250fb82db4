"""The protocol between the fleet and a runtime's supervisor, JSON-RPC 2.0 with one message per line.

JSON-RPC is defined in https://www.jsonrpc.org/specification. The fleet is the client, the
supervisor the server. This module needs the standard library only.

Framing
    One message is one line: a JSON object in UTF-8, ended by LF (0x0A). A CR before it and empty lines are ignored. The writer
    escapes everything beyond ASCII, so a line never holds a raw LF. NaN and Infinity are not JSON and are refused.
    A line has at most `MAX_LINE` bytes, its LF included. A writer refuses to send a longer one: a response becomes the error
    `too_large`, and mail is split over several notifications before. A reader that meets a longer one drops it up to its LF,
    reports `too_large` once and continues. A line that is not a message is `not_json` or `bad_request`, and the stream
    continues. The supervisor reports such lines in a response whose id is null. There are no batches.

Requests and responses
    `{"jsonrpc": "2.0", "id": 7, "method": "send", "params": {"product": "product-a", …, "deadline": 30.0}}`
    `{"jsonrpc": "2.0", "id": 7, "result": …}`
    `{"jsonrpc": "2.0", "id": 7, "error": {"code": -32000, "message", "data": {"code", "hint", "product"}}}`
    `id` is chosen by the fleet, unique among its open requests, 0 … 2**53. `product` names the product of the methods that have
    one. Requests of different products run in parallel, and those that change the same product in sequence. Responses come in
    any order. `deadline` is in seconds from arrival, at most `MAX_DEADLINE`, by default that of `METHODS`. When it has passed,
    the response is `timed_out`, and the operation may still happen. That is why a request with a `marker` can be repeated. The
    fleet cannot cancel a request by disconnecting. The error's own code is in `data`, one of `ERROR_CODES`. The number beside
    it is JSON-RPC's.

Hello
    The fleet's first request is `hello`, and a supervisor answers nothing before it. A supervisor that does not speak the
    protocol in it answers `version`. The result has `protocol`, `boot` (an id that changes with every start of the supervisor),
    `life` (an id that changes with every start of the machine or container), `engine` (version as it prints it, "" if there is
    none), `rehearsal`, `cpus`, `cpu_percent` (100 is one core), `memory_mib`, `memory_limit_mib` (null: none), `pid`,
    `supervisor` (its version) and `make` (from its command line).
    Protocol 1, of release 0.1.0, was not JSON-RPC. Its supervisors send `{"hello": {"protocol": 1, …}}` unasked, and skip the
    `hello` request as an unknown line. The fleet then speaks protocol 1 (`bot.engine.protocol_1`). A supervisor of this release
    refuses a fleet of protocol 1 in that fleet's own form.

Notifications, from the supervisor
    `mail`      {"product", "mail": [Mail …], "cursor"}: oldest first, and the cursor just after the last one
    `snapshot`  Snapshot: sessions, cost, pause or trouble have changed
    Only for the products that this connection watches. After `watch`, each product is replayed from its cursor.

Shapes
    Mail       {"id", "sender", "recipient", "kind", "author", "to_people", "subject", "body", "created_at", "thread",
               "inherited", "options": [text …], "revision", "task", "plan", "label", "priority", "read", "cursor"}
               in the fleet's words. `kind` is `plan`, `decision`, `question`, `escalation` (these ask people), `progress`,
               `finished`, `worker_finished`, `failed`, `died` or `message`; `author` is `lead`, `worker`, `operator` or
               `unsigned`. `bot.engine.base` defines them. Times are ISO 8601 in UTC. A body beyond `MAX_TEXT` characters is
               cut, and ends with a note of that. `cursor` is the opaque position just after this mail.
    Session    {"agent", "capability", "state", "task", "parent", "branch", "worktree", "started_at", "last_activity", "pid",
               "alive"}
    Snapshot   {"product", "at", "engine", "sessions": [Session …], "coordinator", "paused", "cost_usd_today",
               "cost_usd_total", "cpu_percent", "memory_mib", "trouble": {"code", "message", "hint"} | null,
               "notice": {"code", "message"} | null}; a notice stops nothing (see the package `adoption`)
    Reporting  {"asked_by", "marker"}: adds the rules for reporting on an objective to the text

Methods (those with a product need it to be watched by this connection)
    hello         {"protocol", "client"} → see above
    ping          {} → {}
    info          {} → the result of hello, measured anew
    watch         {"products": [{"name", "path", "cursor"}]} → {}; replaces the set
    snapshot      {"products": [name …]} (none: all) → [Snapshot …]
    start         {} → {"started": bool}
    send          {"subject", "body", "marker", "to", "question": bool, "reporting": Reporting | null} → {"id"}
    reply         {"mail", "choice", "note", "context", "reporting", "marker", "plan": text | null} → {"id"}
    receipt       {"mail"} → {"receipt": "waiting" | "read" | "taken" | "lost"}
    start_worker  {"agent", "capability", "task", "brief", "marker"} → {"agent", "branch", "already"}
    stop          {"agent": name | null} → {"stopped": [name …]}
    pause         {} → {"agents": [name …]}
    resume        {} → {"agents": [name …]}
    nudge         {"agent", "text"} → {"delivered": bool, "reason"}
    mail          {"limit", "agent": name | null} → [Mail …], newest first
    inspect       {"agent"} → {"session", "events": [{"at", "kind", "tool", "text"} …] newest first, "output"}
    adopt         {"path", "type", "undo", "apply", "shown"} → {"done", "initialises", "changes": [{"path", "why", "diff"} …],
                  "digest", "notes", "obstacles", "commit", "backup"}; `why`, `notes` and `obstacles` are lists of texts. The
                  product (its `path`, absolute) need not be watched. Without `apply` nothing is changed. `shown` is the digest
                  of the changes a person approved, or ""
    shutdown      {"force": bool} → {"stopping": bool}; without force only while no session runs
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

PROTOCOL: Final = 2
"""Version of this document."""

CHECK: Final = "check"
"""Name of the client that a container's health check gives in its hello."""

MAX_LINE: Final = 4 * 1024 * 1024
"""Longest line in bytes, LF included."""

MAX_TEXT: Final = 200_000
"""Longest text of one mail's body, one brief or one output, in characters (escaped, at most 1.2 MB)."""

MAX_DEADLINE: Final = 600.0
"""Longest deadline that a request may have, in seconds."""

METHODS: Final[Mapping[str, float]] = {
    "hello": 10.0,
    "ping": 5.0,
    "info": 10.0,
    "watch": 15.0,
    "snapshot": 15.0,
    "start": 90.0,
    "send": 120.0,
    "reply": 120.0,
    "receipt": 15.0,
    "start_worker": 90.0,
    "stop": 60.0,
    "pause": 30.0,
    "resume": 30.0,
    "nudge": 45.0,
    "mail": 15.0,
    "inspect": 20.0,
    "adopt": 180.0,
    "shutdown": 30.0,
}
"""The methods, each with its default deadline in seconds."""

ERROR_CODES: Final[Mapping[str, str]] = {
    "not_json": "The line is not JSON.",
    "bad_request": "The line is not a message, or an argument is missing or has the wrong type.",
    "unknown_op": "The supervisor does not know the method. One of the two sides is older.",
    "too_large": "A line, a text or an argument exceeds its limit.",
    "version": "The two sides speak different versions of the protocol.",
    "unreachable": "The runtime's supervisor does not answer. Raised by the fleet, never sent.",
    "not_found": "No product of that name is watched, or there is no such mail.",
    "path_missing": "The product's folder does not exist in this runtime.",
    "not_a_repository": "The product's folder is not a git repository, or git refuses it.",
    "not_initialised": "The product has no .overstory/config.yaml.",
    "config_broken": "The product's .overstory/config.yaml or agent manifest is invalid.",
    "engine_missing": "There is no engine (ov, overstory) in this runtime.",
    "claude_missing": "The engine runs, but the claude command is not on its PATH or cannot start.",
    "tmux_missing": "This version of the engine needs tmux, which is not on its PATH or cannot start the session.",
    "wrong_user": "A process runs as root, or as a user that the product's files do not allow.",
    "coordinator_dead": "The coordinator is recorded as running, but its process is gone and could not be restarted.",
    "not_running": "The agent to stop or to write to does not run.",
    "unknown_agent": "The product has no agent of that name.",
    "recipient_terminal": "The recipient has finished. The engine would never deliver the mail.",
    "unknown_capability": "The product's agent manifest has no such capability, or this version cannot start it.",
    "limit_reached": "A limit of the engine's configuration (depth, concurrent agents, sessions per run) is reached.",
    "name_taken": "An agent of that name already exists for another task.",
    "task_refused": "The engine's task tracker does not know the task, or it is taken.",
    "unsupported": "This version of the engine cannot do that, or it would cause damage.",
    "locked": "Another process kept the product's database or folder locked. Retrying helps.",
    "corrupt": "One of the product's databases is damaged.",
    "timed_out": "The operation exceeded its deadline and may still happen.",
    "output_too_large": "A command printed more than the supervisor stores.",
    "paused": "The product is paused. Resume it first.",
    "dirty": "The product's repository has uncommitted changes.",
    "at_work": "Agents are running in the product. Wait until they have finished.",
    "changed": "The files differ from what was shown, or from what the fleet wrote.",
    "engine_failed": "The engine failed in a way without a code. Its own words are in the message.",
}
"""Codes of errors, with their meaning."""

NUMBERS: Final[Mapping[str, int]] = {"not_json": -32700, "bad_request": -32600, "unknown_op": -32601}
"""JSON-RPC's numbers for the codes that it defines. Every other code has `SERVER_ERROR`."""

SERVER_ERROR: Final = -32000
"""JSON-RPC's number for errors of the server's own."""


class ChannelError(Exception):
    """Error of the channel or of an operation, in the form in which it is sent."""

    def __init__(self, code: str, message: str, hint: str = "", product: str | None = None) -> None:
        super().__init__(message)
        self.code = code if code in ERROR_CODES else "engine_failed"
        self.message = message
        self.hint = hint
        self.product = product

    def as_json(self) -> dict[str, Any]:
        """Return the error object of a response."""
        data = {"code": self.code, "hint": self.hint, "product": self.product}
        return {"code": NUMBERS.get(self.code, SERVER_ERROR), "message": self.message, "data": data}

    @classmethod
    def from_json(cls, value: object) -> "ChannelError":
        """Return the error of an error object. Anything else becomes `engine_failed`."""
        if not isinstance(value, dict):
            return cls("engine_failed", "The supervisor reported an error without a message.")
        found = value.get("data")
        data: Mapping[str, Any] = found if isinstance(found, dict) else {}
        product = data.get("product")
        return cls(
            str(data.get("code", "")),
            str(value.get("message", "")),
            str(data.get("hint", "")),
            product if isinstance(product, str) else None,
        )


@dataclass(frozen=True, slots=True)
class Request:
    """Call of one method."""

    id: int
    method: str
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def product(self) -> str:
        """Name of the product, empty where the method has none."""
        return str(self.params.get("product", ""))

    @property
    def seconds(self) -> float:
        """Deadline in seconds, from 0 to `MAX_DEADLINE`."""
        wanted = self.params.get("deadline")
        return min(max(METHODS.get(self.method, 30.0) if wanted is None else float(wanted), 0.0), MAX_DEADLINE)


@dataclass(frozen=True, slots=True)
class Response:
    """Result or error of the request with the same id."""

    id: int | None
    """None for the error of a line that is not a request."""
    result: Any = None
    error: ChannelError | None = None


@dataclass(frozen=True, slots=True)
class Notification:
    """Unrequested message from the supervisor."""

    method: str
    params: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Hello1:
    """The first line of either side in protocol 1."""

    info: Mapping[str, Any]
    protocol: int = 1


Message = Request | Response | Notification | Hello1


def disagree(me: str, mine: int, other: str, theirs: int) -> ChannelError:
    """Return the error for two sides that speak different protocols."""
    newer, older = (other, me) if theirs > mine else (me, other)
    return ChannelError(
        "version",
        f"The {me} speaks version {mine} of the protocol, the {other} version {theirs}.",
        f"The {newer} is newer: update the {older}, then restart it.",
    )


def encode(message: Message) -> bytes:
    """Return the line of a message. Raises `too_large` beyond `MAX_LINE`, `bad_request` for values that are not JSON."""
    return to_line(_to_json(message))


def to_line(value: Mapping[str, Any]) -> bytes:
    """Return the line of a JSON object. Raises as `encode`."""
    try:
        line = json.dumps(value, separators=(",", ":"), allow_nan=False).encode() + b"\n"
    except (TypeError, ValueError, RecursionError) as error:
        raise ChannelError("bad_request", f"The message cannot be sent as JSON: {error}.") from error
    if len(line) > MAX_LINE:
        raise ChannelError(
            "too_large", f"The message would have {len(line)} bytes, and the limit is {MAX_LINE}.", "Ask for less at once."
        )
    return line


def decode(line: bytes) -> Message:
    """Return the message of a line, without or with its LF. Raises `not_json` or `bad_request`."""
    value = from_line(line)
    if isinstance(hello := value.get("hello"), dict):
        return Hello1({k: v for k, v in hello.items() if k != "protocol"}, whole_number(hello, "protocol"))
    if value.get("jsonrpc") != "2.0":
        raise ChannelError("bad_request", 'The line is not JSON-RPC: it has no `"jsonrpc": "2.0"`.')
    if "method" in value:
        return _call(value)
    if "error" in value:
        id = None if value.get("id") is None else whole_number(value, "id")
        return Response(id, error=ChannelError.from_json(value["error"]))
    if "result" in value:
        return Response(whole_number(value, "id"), value["result"])
    raise ChannelError("bad_request", "The line is not a request, response or notification.")


def from_line(line: bytes) -> dict[str, Any]:
    """Return the JSON object of a line. Raises `not_json` or `bad_request`."""
    try:
        value = json.loads(line.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ChannelError("not_json", f"The line is not JSON: {error}.") from error
    if not isinstance(value, dict):
        raise ChannelError("bad_request", "The line is JSON, but not an object.")
    return value


class Decoder:
    """Split of a byte stream into messages. Never raises, whatever the bytes."""

    def __init__(self, max_line: int = MAX_LINE, decode: Callable[[bytes], Message] = decode) -> None:
        self._max_line, self._decode = max_line, decode
        self._buffer = bytearray()
        self._searched = 0
        self._dropping = False

    def feed(self, data: bytes) -> Iterator[Message | ChannelError]:
        """Yield the messages that are complete now, in order, with a ChannelError for each line that is none."""
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
            return self._decode(line)
        except ChannelError as error:
            return error

    def _too_large(self) -> ChannelError:
        return ChannelError("too_large", f"A line has more than {self._max_line} bytes and was dropped.")


def _to_json(message: Message) -> dict[str, Any]:
    if isinstance(message, Hello1):
        return {"hello": {**message.info, "protocol": message.protocol}}
    if isinstance(message, Request):
        return {"jsonrpc": "2.0", "id": message.id, "method": message.method, "params": dict(message.params)}
    if isinstance(message, Notification):
        return {"jsonrpc": "2.0", "method": message.method, "params": dict(message.params)}
    answer = {"result": message.result} if message.error is None else {"error": message.error.as_json()}
    return {"jsonrpc": "2.0", "id": message.id, **answer}


def _call(value: Mapping[str, Any]) -> Request | Notification:
    method, params = text_field(value, "method"), object_field(value, "params") if "params" in value else {}
    if "id" not in value:
        return Notification(method, params)
    deadline = params.get("deadline")
    if deadline is not None and (
        isinstance(deadline, bool) or not isinstance(deadline, int | float) or not math.isfinite(deadline)
    ):
        raise ChannelError("bad_request", "The request's `deadline` is not a number of seconds.")
    if not isinstance(params.get("product", ""), str):
        raise ChannelError("bad_request", "The request's `product` is not text.")
    return Request(whole_number(value, "id"), method, params)


def whole_number(value: Mapping[str, Any], key: str) -> int:
    """Return a whole number from 0 to 2**53. Raises `bad_request`."""
    number = value.get(key)
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= 2**53:
        raise ChannelError("bad_request", f"The message has no whole number `{key}`.")
    return number


def text_field(value: Mapping[str, Any], key: str) -> str:
    """Return a text. Raises `bad_request`."""
    text = value.get(key)
    if not isinstance(text, str):
        raise ChannelError("bad_request", f"The message has no text `{key}`.")
    return text


def object_field(value: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return an object. Raises `bad_request`."""
    found = value.get(key)
    if not isinstance(found, dict):
        raise ChannelError("bad_request", f"The message has no object `{key}`.")
    return found


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")
