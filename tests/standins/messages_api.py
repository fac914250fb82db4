"""A scripted, streaming stand-in of Anthropic's Messages API, as strict as the real one.

In a test::

    async with MessagesApi(Script([Rule(say("Fine."), text="status")])) as api:
        Claude(api_key="key", base_url=api.url)

As a process that prints its URL: `python -m tests.standins.messages_api --port 0 --script FILE.json [--host 0.0.0.0]`. Its
requests are then at `GET /_requests`. `messages_checks` checks requests, and `script` describes scripts. Tokens are counted as
characters / 4, and prompt caching is simulated.
"""

import argparse
import asyncio
import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.standins import serving
from tests.standins.messages_checks import flattened, last_signature, merged, problem, sign
from tests.standins.script import Reply, Script

ERRORS = {
    400: ("invalid_request_error", "Bad request"),
    401: ("authentication_error", "invalid x-api-key"),
    402: ("billing_error", "Your credit balance is too low to access the Anthropic API."),
    403: ("permission_error", "Your API key does not have permission to use the specified resource."),
    404: ("not_found_error", "model: claude-unknown"),
    413: ("request_too_large", "Request exceeds the maximum size"),
    429: ("rate_limit_error", "This request would exceed your organization's rate limit."),
    500: ("api_error", "Internal server error"),
    529: ("overloaded_error", "Overloaded"),
}
PIECE = 12
"""Characters of text per delta."""


@dataclass(frozen=True)
class Asked:
    """One request, with its refusal if there was one."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    refused: str = ""


class MessagesApi:
    """The server. `queue` has priority over the script, and `asked` lists the requests."""

    def __init__(self, script: Script | None = None, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.script = script or Script()
        self.queue: list[Reply] = []
        self.asked: list[Asked] = []
        self.keys: set[str] | None = None
        """Accepted keys, None for any."""
        self._host, self._port = host, port
        self._cached: set[str] = set()
        self._numbers = count(1)

    async def __aenter__(self) -> "MessagesApi":
        app = web.Application(client_max_size=32 * 1024**2)
        app.router.add_route("HEAD", "/", self._alive)
        app.router.add_post("/v1/messages", self._messages)
        app.router.add_post("/v1/messages/count_tokens", self._count)
        app.router.add_get("/_requests", self._requests)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *error: object) -> None:
        await serving.end(self._runner)

    @property
    def url(self) -> str:
        """Return the URL of the server."""
        return f"http://{self._host}:{self._port}"

    @property
    def refused(self) -> list[str]:
        """Return the reasons of refused requests."""
        return [each.refused for each in self.asked if each.refused]

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """Return the bodies of the messages requests."""
        return [each.body for each in self.asked if each.path == "/v1/messages"]

    async def _alive(self, request: web.Request) -> web.Response:
        return web.Response()

    async def _requests(self, request: web.Request) -> web.Response:
        hidden = {"authorization", "x-api-key"}
        return web.json_response(
            [
                {
                    "path": each.path,
                    "headers": {key: value for key, value in each.headers.items() if key.lower() not in hidden},
                    "body": each.body,
                    "refused": each.refused,
                }
                for each in self.asked
            ]
        )

    async def _accept(self, request: web.Request) -> tuple[dict[str, Any], web.Response | None]:
        try:
            body = await request.json()
        except ValueError:
            body = None
        found = problem(body, request.headers, counting=request.path.endswith("count_tokens"))
        key = request.headers.get("x-api-key") or request.headers.get("authorization", "").removeprefix("Bearer ")
        if not found and self.keys is not None and key not in self.keys:
            found = (401, *ERRORS[401])
        self.asked.append(Asked(request.path, dict(request.headers), body or {}, found[2] if found else ""))
        return body, self._error(*found) if found else None

    async def _count(self, request: web.Request) -> web.Response:
        body, error = await self._accept(request)
        return error or web.json_response({"input_tokens": sum(map(tokens, flattened(body)))})

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        body, error = await self._accept(request)
        if error:
            return error
        reply = self.queue.pop(0) if self.queue else self.script.answer(body["messages"])
        await asyncio.sleep(reply.delay)
        if reply.status != 200:
            kind, said = ERRORS.get(reply.status, ("api_error", "Error"))
            return self._error(reply.status, kind, reply.error or said, reply.headers)
        message = self._message(body, reply)
        if body.get("stream"):
            return await self._stream(request, message, reply)
        return web.json_response(message, headers={"request-id": self._id("req")})

    async def _stream(self, request: web.Request, message: dict[str, Any], reply: Reply) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={"content-type": "text/event-stream; charset=utf-8", "request-id": self._id("req")}
        )
        await response.prepare(request)
        for number, (event, data) in enumerate(events(message)):
            if number == reply.cut:
                if reply.error:
                    await response.write(sse("error", _failure(reply.error, "Overloaded")))
                elif not reply.clean:
                    assert request.transport is not None
                    request.transport.abort()
                return response
            if reply.hold is not None and number == 4:
                await reply.hold.wait()
            await response.write(sse(event, data))
            await asyncio.sleep(reply.pace)
        return response

    def _message(self, body: dict[str, Any], reply: Reply) -> dict[str, Any]:
        content: list[dict[str, Any]] = []
        if reply.thinking is not None:
            signature = sign(body, merged(body["messages"]), reply.thinking, last_signature(body["messages"]))
            content.append({"type": "thinking", "thinking": reply.thinking, "signature": signature})
        if reply.text:
            content.append({"type": "text", "text": reply.text})
        content += [
            {"type": "tool_use", "id": self._id("toolu"), "name": each.name, "input": each.input, "caller": {"type": "direct"}}
            for each in reply.calls
        ]
        usage = {**self._input(body), "output_tokens": max(1, sum(map(tokens, content))), "service_tier": "standard"}
        return {
            "id": self._id("msg"),
            "type": "message",
            "role": "assistant",
            "model": body["model"],
            "content": content,
            "stop_reason": reply.stop or ("tool_use" if reply.calls else "end_turn"),
            "stop_sequence": None,
            "stop_details": {"type": "refusal", "category": "cyber", "explanation": None} if reply.stop == "refusal" else None,
            "usage": usage,
        }

    def _input(self, body: dict[str, Any]) -> dict[str, int]:
        """Return the input tokens, and how many were cached up to the last known marker."""
        all_blocks = flattened(body)
        marked = [index for index, block in enumerate(all_blocks) if "cache_control" in block]
        if "cache_control" in body:
            marked.append(len(all_blocks) - 1)
        running, read, size, ends = hashlib.sha256(), 0, 0, []
        for index, block in enumerate(all_blocks):
            running.update(json.dumps({key: value for key, value in block.items() if key != "cache_control"}).encode())
            size += tokens(block)
            ends.append((running.hexdigest(), size))
            if ends[-1][0] in self._cached and marked and index <= max(marked):
                read = size
        written = max(ends[max(marked)][1] - read, 0) if marked else 0
        self._cached |= {ends[index][0] for index in marked}
        return {
            "input_tokens": size - read - written,
            "cache_read_input_tokens": read,
            "cache_creation_input_tokens": written,
        }

    def _error(self, status: int, kind: str, message: str, headers: dict[str, str] | None = None) -> web.Response:
        failure = {**_failure(kind, message), "request_id": self._id("req")}
        return web.json_response(failure, status=status, headers={"request-id": failure["request_id"], **(headers or {})})

    def _id(self, kind: str) -> str:
        return f"{kind}_01{next(self._numbers):022d}"


def events(message: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return a message as stream events, in the order of the API."""
    usage = message["usage"]
    begun = {**message, "content": [], "stop_reason": None, "stop_details": None, "usage": {**usage, "output_tokens": 1}}
    yield "message_start", {"message": begun}
    for index, block in enumerate(message["content"]):
        start, deltas = _pieces(block)
        yield "content_block_start", {"index": index, "content_block": start}
        if index == 0:
            yield "ping", {}
        for delta in deltas:
            yield "content_block_delta", {"index": index, "delta": delta}
        yield "content_block_stop", {"index": index}
    stopped = {key: message[key] for key in ("stop_reason", "stop_sequence", "stop_details")}
    yield "message_delta", {"delta": stopped, "usage": usage}
    yield "message_stop", {}


def _pieces(block: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    if block["type"] == "text":
        return {**block, "text": ""}, [{"type": "text_delta", "text": piece} for piece in cut(block["text"])]
    if block["type"] == "thinking":
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in cut(block["thinking"])]
        signature = {"type": "signature_delta", "signature": block["signature"]}
        return {**block, "thinking": "", "signature": ""}, [*deltas, signature]
    written = cut(json.dumps(block["input"])) if block["input"] else [""]
    return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": piece} for piece in written]


def cut(text: str) -> list[str]:
    """Split a text into streamed pieces."""
    return [text[start : start + PIECE] for start in range(0, len(text), PIECE)]


def tokens(block: dict[str, Any]) -> int:
    """Estimate the tokens of a block."""
    return len(json.dumps(block)) // 4 + 1


def sse(event: str, data: dict[str, Any]) -> bytes:
    """Return a server-sent event."""
    return f"event: {event}\ndata: {json.dumps({'type': event, **data})}\n\n".encode()


def _failure(kind: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}}


async def _serve(host: str, port: int, script: Script) -> None:
    async with MessagesApi(script, host=host, port=port) as api:
        print(api.url, flush=True)
        await asyncio.Event().wait()


def main(arguments: list[str] | None = None) -> int:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="messages_api", description="A scripted stand-in of the Messages API.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--script", type=Path, help="a JSON file; see tests/standins/script.py")
    options = parser.parse_args(arguments)
    script = Script.from_json(options.script.read_text()) if options.script else Script()
    try:
        asyncio.run(_serve(options.host, options.port, script))
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
