"""Messages over the WebSocket."""

import asyncio
from typing import Any

import aiohttp
import pytest

from bot.chat.web.clients import Client, Clients
from bot.domain import MailKind
from tests.chat.web.webbed import BEARER, PATIENCE, WebBed


async def test_connection_starts_with_hello_and_status(bed: WebBed) -> None:
    async with bed.http.ws_connect(f"{bed.url}/ws") as socket:
        hello = await socket.receive_json()
        assert (hello["type"], hello["person"]) == ("hello", "owner")
        assert hello["version"]
        assert hello["page"]
        status = await socket.receive_json()
        assert (status["type"], len(status["status"]["products"])) == ("status", 3)


@pytest.mark.parametrize("port", [0, 1])
async def test_message_is_accepted_and_answered(bed: WebBed, port: int) -> None:
    async with bed.listen(port) as client:
        await client.say("/fleet status", conversation="main", id="one")
        reply = await client.reply("product-a")
        assert reply["conversation"] == "main"
        assert "<strong>" in reply["html"]
        kinds = [each["type"] for each in client.received]
        own = next(each for each in client.received if each["type"] == "reply" and each["author"] == "owner")
        accepted = next(each for each in client.received if each["type"] == "accepted")
        assert own["text"] == "/fleet status"
        assert accepted == {"type": "accepted", "conversation": "main", "id": "one"}
        assert kinds.index("accepted") < len(kinds) - 1


async def test_message_repeated_with_its_id_is_accepted_once(bed: WebBed) -> None:
    async with bed.listen() as client:
        for _ in range(3):
            await client.say("/fleet spawn product-a fix the test", id="one")
            await client.receive("accepted")
        await bed.settled()
    assert len(bed.store.work.newest()) == 1
    assert len(bed.store.posts.keyed("said web:one")) == 1


async def test_every_client_receives_every_conversation(bed: WebBed) -> None:
    async with bed.listen() as one, bed.listen(1) as other:
        await bed.post("/api/messages", {"text": "/fleet products", "conversation": "desk"})
        for client in (one, other):
            assert (await client.reply("product-a"))["conversation"] == "desk"


async def test_subscription_limits_a_client_to_its_conversations(bed: WebBed) -> None:
    async with bed.listen() as client:
        await client.send(type="subscribe", conversations=["desk"])
        assert (await client.receive("subscribed"))["conversations"] == ["desk"]
        await bed.post("/api/messages", {"text": "/fleet products", "conversation": "elsewhere"})
        await bed.post("/api/messages", {"text": "/fleet products", "conversation": "desk"})
        assert (await client.receive("reply"))["conversation"] == "desk"
        await client.say("/fleet help", conversation="mine")
        await client.receive("reply", lambda each: each["conversation"] == "mine")
        assert all(each.get("conversation") != "elsewhere" for each in client.received)
        await client.send(type="subscribe")
        await client.receive("subscribed")
        await bed.post("/api/messages", {"text": "/fleet products", "conversation": "elsewhere"})
        await client.receive("reply", lambda each: each["conversation"] == "elsewhere")


async def test_mail_becomes_a_card_and_a_post(bed: WebBed) -> None:
    async with bed.listen() as client:
        bed.plan(body="1. Do it")
        card = await client.receive("card")
        assert card["kind"] == "gate"
        assert (card["gate"], card["detail"]["state"], card["detail"]["body"]) == ("g1", "open", "1. Do it")
        post = await client.receive("reply", lambda each: each["kind"] == "gate")
        assert post["conversation"] == "fleet"
        assert (post["cards"][0]["gate"], post["cards"][0]["detail"]["id"]) == ("g1", "g1")
        status = await client.receive("status")
        assert status["status"]["products"][0]["open_gates"] == 1


async def test_work_card_follows_its_state(bed: WebBed) -> None:
    async with bed.listen() as client:
        await client.say("/fleet spawn product-a fix the test", conversation="desk")
        begun = await client.receive("card", lambda each: each["detail"]["state"] == "running")
        assert (begun["kind"], begun["work"], begun["conversation"]) == ("work", "w1", "desk")
        bed.engine.push_mail("product-a", kind=MailKind.FINISHED, body="It is green.", thread=bed.work("w1").mail)
        done = await client.receive("card", lambda each: each["kind"] == "work" and each["detail"]["state"] == "done")
        assert done["detail"]["html"] == "<p>It is green.</p>\n"


async def test_decision_reaches_every_client_and_a_late_one_gets_the_earlier(bed: WebBed) -> None:
    bed.plan()
    await bed.settled()
    async with bed.listen() as ben, bed.listen() as late:
        await ben.send(type="decision", gate="g1", choice="approve", note="good", revision=1)
        for client in (ben, late):
            decided = await client.receive("card", lambda each: each["detail"]["decision"] is not None)
            assert decided["detail"]["decision"]["choice"] == "approve"
        await late.send(type="decision", gate="g1", choice="reject", note="no", id="x1")
        error = await late.receive("error")
        assert (error["id"], error["decision"]["choice"]) == ("x1", "approve")
        assert error["error"]["code"] == "conflict"
        assert (error["gate"], error["detail"]["id"]) == ("g1", "g1")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("{", "JSON"),
        ("[]", "object"),
        ("{}", "type"),
        ('{"type": "nonsense"}', "type"),
        ('{"type": "message"}', "text"),
        ('{"type": "message", "text": "hi", "conversation": "a b"}', "conversation"),
        ('{"type": "message", "text": "hi", "more": 1}', "more"),
        ('{"type": "decision", "gate": "g9", "choice": "approve"}', "g9"),
        ('{"type": "subscribe", "conversations": ["/"]}', "conversation"),
    ],
)
async def test_malformed_message_gets_an_error_and_the_connection_stays_open(bed: WebBed, text: str, word: str) -> None:
    async with bed.listen() as client:
        await client.socket.send_str(text)
        error = await client.receive("error")
        assert word in error["error"]["message"]
        assert error["error"]["hint"]
        await client.send(type="ping")
        await client.receive("pong")


async def test_binary_message_gets_an_error_and_the_connection_stays_open(bed: WebBed) -> None:
    async with bed.listen() as client:
        await client.socket.send_bytes(b"\x00")
        assert (await client.receive("error"))["error"]["code"] == "malformed"
        await client.send(type="ping")
        await client.receive("pong")


async def test_large_message_gets_an_error(bed: WebBed) -> None:
    async with bed.listen() as client:
        await client.say("x" * 300_000)
        assert (await client.receive("error"))["error"]["code"] == "too_large"
        await client.send(type="ping")
        await client.receive("pong")


async def test_oversized_message_ends_the_connection(bed: WebBed) -> None:
    async with bed.listen() as client:
        await client.say("x" * 3_000_000)
        async for _ in client.socket:
            pass
        assert client.socket.close_code == 1009


async def test_stop_closes_connections_as_going_away(bed: WebBed) -> None:
    async with bed.listen() as client:
        ending = asyncio.create_task(bed.chat.stop())
        async for _ in client.socket:
            pass
        await ending
        assert client.socket.close_code == 1001


async def test_page_catches_up_after_a_crash(bed: WebBed) -> None:
    async with bed.listen() as client:
        await client.say("/fleet products", id="before")
        last = (await client.reply("product-a"))["id"]
    await bed.crash()
    await bed.say("/fleet help")
    async with bed.listen() as client:
        await client.say("/fleet products", id="before")
        await client.receive("accepted")
    _, missed = await bed.get(f"/api/conversations/main/posts?after={last}")
    assert [each["text"] for each in missed["posts"] if each["author"] != "fleet"] == ["/fleet help"]


async def test_client_that_does_not_read_is_disconnected_without_delaying_others(bed: WebBed) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", bed.ports[0], limit=2**10)
    lines = [
        "GET /ws HTTP/1.1",
        f"Host: 127.0.0.1:{bed.ports[0]}",
        f"Authorization: {BEARER['Authorization']}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    await reader.readuntil(b"\r\n\r\n")
    async with bed.listen() as client:
        clients = bed.chat.context.clients
        assert len(clients) == 2
        async with asyncio.timeout(PATIENCE):
            while len(clients) == 2:
                clients.send({"type": "filler", "text": "x" * 200_000})
                assert (await client.receive("filler"))["text"]
        await client.say("/fleet products")
        await client.reply("product-a")
    writer.close()


def test_client_with_a_full_queue_is_asked_to_reconnect() -> None:
    clients, slow, quick = Clients(), Client(longest=2), Client(longest=10)
    clients.add(slow)
    clients.add(quick)
    for number in range(4):
        clients.send({"type": "status", "n": number})
    assert (slow.over.is_set(), slow.code) == (True, 1013)
    assert (quick.over.is_set(), quick.queue.qsize()) == (False, 4)


async def test_status_is_sent_at_once_and_then_throttled(bed: WebBed) -> None:
    async with bed.listen() as client:
        for cost in range(50):
            bed.engine.set_snapshot("product-a", cost_usd_today=float(cost))

        def last(each: dict[str, Any]) -> bool:
            products = {product["name"]: product for product in each["status"]["products"]}
            return bool(products["product-a"]["cost_usd_today"] == 49.0)

        await client.receive("status", last)
        assert len([each for each in client.received if each["type"] == "status"]) < 10


async def test_websocket_route_refuses_a_plain_request(bed: WebBed) -> None:
    status, answer = await bed.get("/ws")
    assert (status, answer["error"]["code"]) == (400, "bad_request")


async def test_websocket_needs_the_token(bed: WebBed) -> None:
    async with aiohttp.ClientSession() as stranger:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await stranger.ws_connect(f"{bed.url}/ws")
    assert refused.value.status == 401
