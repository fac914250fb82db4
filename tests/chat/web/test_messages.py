"""Messages and conversations over HTTP."""

import asyncio
import json
from typing import Any

import pytest

from tests.chat.web.webbed import WebBed


async def test_message_returns_the_replies_of_its_turn(bed: WebBed) -> None:
    status, answer = await bed.post("/api/messages", {"conversation": "main", "text": "/fleet status"})
    assert status == 200
    assert answer["conversation"] == "main"
    (reply,) = answer["replies"]
    assert "product-a" in reply["text"]
    assert "<strong>product-a</strong>" in reply["html"]
    assert reply["cards"] == []
    assert bed.store.posts.of("web:main")[0].text == "/fleet status"


async def test_message_without_conversation_belongs_to_main(bed: WebBed) -> None:
    _, answer = await bed.post("/api/messages", {"text": "/fleet products"})
    assert answer["conversation"] == "main"


async def test_conversation_with_prefix_is_the_same_conversation(bed: WebBed) -> None:
    await bed.post("/api/messages", {"conversation": "web:notes", "text": "/fleet help"})
    _, answer = await bed.get("/api/conversations/notes/posts")
    assert answer["posts"][0]["text"] == "/fleet help"


async def test_message_repeated_with_its_id_is_handled_once(bed: WebBed) -> None:
    message = {"text": "/fleet spawn product-a fix the test", "id": "my-1"}
    first = await bed.post("/api/messages", message)
    again = await bed.post("/api/messages", message)
    said, repeated = ([(reply["id"], reply["text"]) for reply in answer["replies"]] for _, answer in (first, again))
    assert said == repeated
    assert len(said) == 1
    assert len(bed.store.work.newest()) == 1


async def test_message_repeated_concurrently_is_handled_once(bed: WebBed) -> None:
    message = {"text": "/fleet spawn product-a fix the test", "id": "my-2"}
    answers = await asyncio.gather(*[bed.post("/api/messages", message) for _ in range(20)])
    assert all(answer == answers[0] for answer in answers)
    assert len(bed.store.work.newest()) == 1


async def test_reply_has_its_cards(bed: WebBed) -> None:
    bed.plan()
    await bed.settled()
    _, answer = await bed.post("/api/messages", {"text": "/fleet gates g1"})
    (reply,) = answer["replies"]
    (card,) = reply["cards"]
    assert (card["kind"], card["gate"], card["detail"]["state"]) == ("gate", "g1", "open")


async def test_plain_text_without_a_model_gets_a_suggestion(bed: WebBed) -> None:
    _, answer = await bed.post("/api/messages", {"text": "what is the status of everything?"})
    assert any("status" in each["command"] for each in answer["replies"][0]["suggestions"])


async def test_message_in_a_product_channel_belongs_to_the_product(bed: WebBed) -> None:
    bed.file.write_text(bed.file.read_text().replace("priority: high,", "channels: ['web:a'], priority: high,"))
    assert bed.registry.reload()
    await bed.post("/api/messages", {"conversation": "a", "text": "/fleet status"})
    assert bed.store.posts.of("web:a")[0].product == "product-a"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "text"),
        ({"text": ""}, "text"),
        ({"text": "  \n"}, "text"),
        ({"text": 5}, "text"),
        ({"text": "x" * 50_001}, "text"),
        ({"text": "hi", "conversation": "a b"}, "conversation"),
        ({"text": "hi", "conversation": "x" * 81}, "conversation"),
        ({"text": "hi", "conversation": ""}, "conversation"),
        ({"text": "hi", "conversation": "web:"}, "conversation"),
        ({"text": "hi", "id": "a:b"}, "id"),
        ({"text": "hi", "persn": 1}, "persn"),
        ([], "object"),
        (None, "JSON"),
    ],
)
async def test_malformed_message_is_refused_with_the_mistake(bed: WebBed, body: Any, words: str) -> None:
    text = "{" if body is None else json.dumps(body)
    status, answer = await bed.post("/api/messages", data=text, headers={"Content-Type": "application/json"})
    assert status == 422
    assert words in answer["error"]["message"]
    assert bed.store.conversations.newest("web") == []


@pytest.mark.parametrize("text", [b'{"text": "\xff"}', b'{"text": "\\ud800"}', b"\x00", b"", b"[" * 100_000])
async def test_invalid_json_is_refused(bed: WebBed, text: bytes) -> None:
    status, answer = await bed.post("/api/messages", data=text, headers={"Content-Type": "application/json"})
    assert (status, answer["error"]["code"]) == (422, "malformed")


async def test_large_body_is_refused(bed: WebBed) -> None:
    status, answer = await bed.post("/api/messages", {"text": "x" * 300_000})
    assert (status, answer["error"]["code"]) == (413, "too_large")


async def test_body_of_another_content_type_is_refused(bed: WebBed) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        status, answer = await bed.post("/api/messages", data=b'{"text": "hi"}', headers={"Content-Type": kind})
        assert (status, answer["error"]["code"]) == (415, "wrong_content_type")


async def test_conversations_are_listed_and_read_in_pages(bed: WebBed) -> None:
    for number in range(4):
        await bed.say(f"/fleet help {number}", conversation="web:long")
    await bed.say("/fleet help", conversation="slack:C1")
    _, answer = await bed.get("/api/conversations")
    assert [each["id"] for each in answer["conversations"]] == ["long"]
    assert answer["conversations"][0]["title"] == "/fleet help 0"
    _, newest = await bed.get("/api/conversations/long/posts?limit=3")
    assert (len(newest["posts"]), newest["more"]) == (3, True)
    _, older = await bed.get(f"/api/conversations/long/posts?before={newest['posts'][0]['id']}")
    assert (len(older["posts"]), older["more"]) == (5, False)
    _, after = await bed.get(f"/api/conversations/long/posts?after={older['posts'][-1]['id']}")
    assert after["posts"] == newest["posts"]
    assert (await bed.get("/api/conversations/a%20b/posts"))[0] == 422
    assert (await bed.get("/api/conversations/empty/posts"))[1]["posts"] == []


async def test_stop_without_a_running_turn_is_not_an_error(bed: WebBed) -> None:
    assert await bed.post("/api/stop", {"conversation": "main"}) == (200, {"stopped": False})
