"""The client for `--attach` and `--check`, without asyncio and aiohttp so that it starts fast."""

import os
import socket
import sys
import threading
from pathlib import Path
from typing import Any

from bot.supervisor.protocol import CHECK, PROTOCOL, ChannelError, Decoder, Hello1, Request, Response, disagree, encode

ANSWER = 8.0
"""Seconds that `--check` waits for an answer."""

CHUNK = 65536


def connected(path: Path) -> socket.socket:
    """Return a connection to the supervisor. Raises OSError if there is none."""
    end = socket.socket(socket.AF_UNIX)
    try:
        end.connect(str(path))
    except OSError:
        end.close()
        raise
    return end


def attach(path: Path) -> int:
    """Connect stdin and stdout with the socket until either side ends, and return the exit code."""
    try:
        end = connected(path)
    except OSError as error:
        sys.stderr.write(f"No supervisor answers on {path}: {error.strerror}.\n")
        return 1
    with end:
        # Docker's client loses bytes that arrive with the headers of its response, so the first bytes come from stdin.
        first = os.read(0, CHUNK)
        if first:
            end.sendall(first)
            threading.Thread(target=_inward, args=(end,), daemon=True).start()
        while first and (data := _received(end)):
            if not _written(data):
                break
    # The thread may block in a read of stdin indefinitely, and nothing is left to clean up.
    sys.stdout.flush()
    os._exit(0)


def _inward(end: socket.socket) -> None:
    try:
        while data := os.read(0, CHUNK):
            end.sendall(data)
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        os._exit(0)


def _received(end: socket.socket) -> bytes:
    try:
        return end.recv(CHUNK)
    except OSError:
        return b""


def _written(data: bytes) -> bool:
    try:
        while data:
            data = data[os.write(1, data) :]
    except OSError:
        return False
    return True


def check(path: Path) -> int:
    """Print one line on the supervisor's health, and return the exit code, 0 if it is healthy."""
    try:
        info = _info(path)
    except (OSError, ChannelError) as error:
        sys.stdout.write(f"The supervisor on {path} does not answer: {error}\n")
        return 1
    if not info.get("engine"):
        sys.stdout.write("The supervisor answers, but there is no engine (ov, overstory) in this runtime.\n")
        return 1
    sys.stdout.write(f"The supervisor answers; engine {info['engine']}.\n")
    return 0


def _info(path: Path) -> dict[str, Any]:
    with connected(path) as end:
        end.settimeout(ANSWER)
        end.sendall(encode(Request(0, "hello", {"protocol": PROTOCOL, "client": CHECK})))
        decoder = Decoder()
        while data := end.recv(CHUNK):
            for message in decoder.feed(data):
                if isinstance(message, Response):
                    if message.error is not None:
                        raise message.error
                    return dict(message.result)
                if isinstance(message, Hello1):
                    raise disagree("check", PROTOCOL, "supervisor", message.protocol)
    raise ChannelError("unreachable", "it closed the connection without an answer")
