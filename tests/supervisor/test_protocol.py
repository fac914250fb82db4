"""The protocol's encoding. Messages survive it, and no bytes break the decoder."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.supervisor.protocol import (
    ERROR_CODES,
    MAX_DEADLINE,
    MAX_LINE,
    METHODS,
    PROTOCOL,
    ChannelError,
    Decoder,
    Hello1,
    Message,
    Notification,
    Request,
    Response,
    decode,
    disagree,
    encode,
)

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
objects = st.dictionaries(st.text(), json_values, max_size=4)
ids = st.integers(0, 2**53)
errors = st.builds(ChannelError, st.sampled_from(sorted(ERROR_CODES)), st.text(), st.text(), st.none() | st.text())
reserved = st.fixed_dictionaries({}, optional={"product": st.text(), "deadline": st.none() | st.floats(0, 600)})
params = st.builds(lambda free, fixed: {**free, **fixed}, objects.map(lambda o: {f"x{k}": v for k, v in o.items()}), reserved)
messages: st.SearchStrategy[Message] = st.one_of(
    st.builds(Hello1, objects.map(lambda o: {k: v for k, v in o.items() if k != "protocol"}), ids),
    st.builds(Request, ids, st.text(), params),
    st.builds(Response, ids, json_values),
    st.builds(Response, st.none() | ids, error=errors),
    st.builds(Notification, st.text(), objects),
)


def plain(message: Message | ChannelError) -> object:
    """Return a message in a form that compares by value, its error included."""
    if isinstance(message, Response) and message.error is not None:
        return (message.id, message.error.as_json())
    return message


@given(messages)
def test_messages_survive_encoding(message: Message) -> None:
    assert plain(decode(encode(message))) == plain(message)


@given(st.lists(messages, max_size=5), st.lists(st.integers(1, 40), max_size=40))
def test_stream_may_be_split_anywhere(sent: list[Message], cuts: list[int]) -> None:
    stream, decoder, got = b"".join(map(encode, sent)), Decoder(), []
    for size in cuts:
        got += list(decoder.feed(stream[:size]))
        stream = stream[size:]
    got += list(decoder.feed(stream))
    assert [plain(m) for m in got] == [plain(m) for m in sent]


@given(st.lists(st.binary(max_size=80), max_size=8))
def test_decoder_survives_any_bytes_and_reads_the_next_message(chunks: list[bytes]) -> None:
    decoder = Decoder(max_line=64)
    for chunk in chunks:
        for found in decoder.feed(chunk):
            assert isinstance(found, Hello1 | Request | Response | Notification | ChannelError)
    last = list(decoder.feed(b"\n" + encode(Notification("e", {}))))
    assert last[-1] == Notification("e", {})


@given(json_values)
def test_any_json_is_a_message_or_an_error(value: Any) -> None:
    line = json.dumps(value).encode()
    try:
        decode(line)
    except ChannelError as error:
        assert error.code in {"bad_request", "not_json"}


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 100_000,
        b'{"jsonrpc":"2.0","id":' + b"9" * 5000 + b',"method":"x"}',
        b'{"jsonrpc":"2.0","method":"e","params":{"x":NaN}}',
        b"\xff\xfe",
        b'{"jsonrpc":"2.0","id":true,"method":"x"}',
        b'{"id":1,"method":"x"}',
        b'{"jsonrpc":"2.0","id":1,"method":"x","params":[]}',
        b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"deadline":"soon"}}',
        b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"product":1}}',
    ],
    ids=["deep", "huge number", "NaN", "not UTF-8", "boolean id", "no version", "params", "deadline", "product"],
)
def test_hostile_line_is_an_error(line: bytes) -> None:
    (found,) = Decoder().feed(line + b"\n")
    assert isinstance(found, ChannelError)
    assert found.code in {"bad_request", "not_json"}


def test_overlong_line_is_dropped_once_and_the_stream_continues() -> None:
    decoder = Decoder(max_line=100)
    found = [*decoder.feed(b"x" * 90), *decoder.feed(b"y" * 90), *decoder.feed(b"z" * 500)]
    found += list(decoder.feed(b"end\n" + encode(Notification("e", {}))))
    assert [m.code if isinstance(m, ChannelError) else m for m in found] == ["too_large", Notification("e", {})]


def test_encode_refuses_overlong_lines_and_values_that_are_not_json() -> None:
    with pytest.raises(ChannelError) as caught:
        encode(Response(1, "x" * MAX_LINE))
    assert caught.value.code == "too_large"
    with pytest.raises(ChannelError) as caught:
        encode(Response(1, object()))
    assert caught.value.code == "bad_request"


def test_longest_allowed_line_is_read() -> None:
    line = encode(Response(1, ""))
    longest = encode(Response(1, "x" * (MAX_LINE - len(line))))
    assert len(longest) == MAX_LINE
    (found,) = Decoder().feed(longest)
    assert isinstance(found, Response)


@pytest.mark.parametrize(("theirs", "words"), [(PROTOCOL + 1, "update the fleet"), (PROTOCOL - 1, "update the supervisor")])
def test_version_error_names_the_older_side(theirs: int, words: str) -> None:
    error = disagree("fleet", PROTOCOL, "supervisor", theirs)
    assert error.code == "version"
    assert words in error.hint


def test_deadlines_have_defaults_and_limits() -> None:
    assert Request(1, "start").seconds == METHODS["start"]
    assert Request(1, "start", {"deadline": 1e9}).seconds == MAX_DEADLINE
    assert Request(1, "start", {"deadline": -1}).seconds == 0


def test_malformed_error_is_read_as_engine_failed() -> None:
    assert ChannelError.from_json("no").code == "engine_failed"
    assert ChannelError.from_json({"code": 1, "message": "m", "data": {"code": "invented"}}).code == "engine_failed"


def test_module_docstring_names_every_method() -> None:
    from bot.supervisor import protocol as channel

    described = {line.split()[0] for line in (channel.__doc__ or "").splitlines() if line.startswith("    ") and line.split()}
    assert set(METHODS) <= described


def test_errors_have_the_numbers_of_json_rpc() -> None:
    numbers = {code: ChannelError(code, "m").as_json()["code"] for code in ("not_json", "bad_request", "unknown_op", "locked")}
    assert numbers == {"not_json": -32700, "bad_request": -32600, "unknown_op": -32601, "locked": -32000}
