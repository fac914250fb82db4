"""The line protocol: whatever bytes come, and back again."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.supervisor.protocol import (
    ERROR_CODES,
    MAX_DEADLINE,
    MAX_LINE,
    OPS,
    PROTOCOL,
    ChannelError,
    Decoder,
    Event,
    Hello,
    Message,
    Request,
    Response,
    decode,
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
messages: st.SearchStrategy[Message] = st.one_of(
    st.builds(Hello, objects.map(lambda o: {k: v for k, v in o.items() if k != "protocol"}), ids),
    st.builds(Request, ids, st.text(), st.text(), objects, st.none() | st.floats(0, 600)),
    st.builds(Response, ids, json_values),
    st.builds(Response, ids, error=errors),
    st.builds(Event, st.text(), objects),
)


def plain(message: Message | ChannelError) -> object:
    """A message in a form that compares by value, its error included."""
    if isinstance(message, Response) and message.error is not None:
        return (message.id, message.error.as_json())
    return message


@given(messages)
def test_every_message_survives_the_wire(message: Message) -> None:
    assert plain(decode(encode(message))) == plain(message)


@given(st.lists(messages, max_size=5), st.lists(st.integers(1, 40), max_size=40))
def test_the_cuts_of_the_stream_do_not_matter(sent: list[Message], cuts: list[int]) -> None:
    stream, decoder, got = b"".join(map(encode, sent)), Decoder(), []
    for size in cuts:
        got += list(decoder.feed(stream[:size]))
        stream = stream[size:]
    got += list(decoder.feed(stream))
    assert [plain(m) for m in got] == [plain(m) for m in sent]


@given(st.lists(st.binary(max_size=80), max_size=8))
def test_no_bytes_crash_the_decoder_and_the_next_message_still_arrives(chunks: list[bytes]) -> None:
    decoder = Decoder(max_line=64)
    for chunk in chunks:
        for found in decoder.feed(chunk):
            assert isinstance(found, Hello | Request | Response | Event | ChannelError)
    last = list(decoder.feed(b"\n" + encode(Event("e", {}))))
    assert last[-1] == Event("e", {})


@given(json_values)
def test_any_json_is_a_message_or_a_bad_request(value: Any) -> None:
    line = json.dumps(value).encode()
    try:
        decode(line)
    except ChannelError as error:
        assert error.code == "bad_request"


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 100_000,
        b'{"id":' + b"9" * 5000 + b',"op":"x"}',
        b'{"event":"e","data":{"x":NaN}}',
        b"\xff\xfe",
        b'{"id":true,"op":"x"}',
    ],
    ids=["deep", "huge number", "NaN", "not UTF-8", "id is no number"],
)
def test_hostile_lines_are_bad_requests(line: bytes) -> None:
    (found,) = Decoder().feed(line + b"\n")
    assert isinstance(found, ChannelError)
    assert found.code == "bad_request"


def test_a_line_that_is_too_long_is_dropped_once_and_the_stream_goes_on() -> None:
    decoder = Decoder(max_line=100)
    found = [*decoder.feed(b"x" * 90), *decoder.feed(b"y" * 90), *decoder.feed(b"z" * 500)]
    found += list(decoder.feed(b"end\n" + encode(Event("e", {}))))
    assert [m.code if isinstance(m, ChannelError) else m for m in found] == ["too_large", Event("e", {})]


def test_a_writer_refuses_what_no_reader_would_take() -> None:
    with pytest.raises(ChannelError) as caught:
        encode(Response(1, "x" * MAX_LINE))
    assert caught.value.code == "too_large"
    with pytest.raises(ChannelError) as caught:
        encode(Response(1, object()))
    assert caught.value.code == "bad_request"


def test_the_longest_line_that_may_be_sent_is_read() -> None:
    line = encode(Response(1, ""))
    longest = encode(Response(1, "x" * (MAX_LINE - len(line))))
    assert len(longest) == MAX_LINE
    (found,) = Decoder().feed(longest)
    assert isinstance(found, Response)


@pytest.mark.parametrize(("theirs", "words"), [(PROTOCOL + 1, "update the bot"), (PROTOCOL - 1, "update the supervisor")])
def test_another_version_is_refused_with_the_cure(theirs: int, words: str) -> None:
    with pytest.raises(ChannelError) as caught:
        Hello({}, theirs).check("bot", "supervisor")
    assert caught.value.code == "version"
    assert words in caught.value.hint


def test_deadlines_are_bounded_and_have_defaults() -> None:
    assert Request(1, "start").seconds == OPS["start"]
    assert Request(1, "start", deadline=1e9).seconds == MAX_DEADLINE
    assert Request(1, "start", deadline=-1).seconds == 0


def test_an_error_without_shape_still_reads_as_an_error() -> None:
    assert ChannelError.from_json("no").code == "engine_failed"
    assert ChannelError.from_json({"code": "invented", "message": "m"}).code == "engine_failed"


def test_the_document_names_every_operation() -> None:
    from bot.supervisor import protocol as channel

    described = {line.split()[0] for line in (channel.__doc__ or "").splitlines() if line.startswith("    ") and line.split()}
    assert set(OPS) <= described
