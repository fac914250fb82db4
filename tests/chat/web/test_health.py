"""Health for machines, and the ports themselves."""

import socket
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bot.chat.web import WebChat
from bot.conversation.platform import Part
from bot.domain import Post
from bot.domain.errors import SettingsError
from tests.chat.web.webbed import TOKEN, WebBed


async def test_it_says_that_it_lives_without_a_token(bed: WebBed) -> None:
    async with aiohttp.request("GET", bed.url + "/healthz") as answer:
        assert (answer.status, await answer.json()) == (200, {"status": "ok"})


async def test_it_is_ready_when_every_part_that_is_wanted_works(bed: WebBed) -> None:
    async with aiohttp.request("GET", bed.url + "/readyz") as answer:
        assert answer.status == 200
        ready = await answer.json()
    assert ready["ready"] is True
    assert ready["parts"]["slack"] == {"state": "off", "why": "no token"}
    bed.parts["engine"] = Part("down", "no answer")
    async with aiohttp.request("GET", bed.url + "/readyz") as answer:
        assert answer.status == 503
        assert (await answer.json())["parts"]["engine"] == {"state": "down", "why": "no answer"}


async def test_its_figures_are_read_by_prometheus(bed: WebBed) -> None:
    await bed.say("/fleet spawn product-a fix the test")
    bed.plan()
    await bed.settled()
    await bed.get("/api/nothing")
    async with bed.listen(), bed.http.get(bed.url + "/metrics") as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        families = {each.name: each for each in text_string_to_metric_families(await answer.text())}
    gates = {sample.labels["product"]: sample.value for sample in families["fleet_gates_open"].samples}
    assert gates == {"product-a": 1.0, "product-b": 0.0, "product-c": 0.0}
    assert families["fleet_web_clients"].samples[0].value == 1.0
    assert families["fleet_sessions_max"].samples[0].value == 2.0
    requests = {(each.labels["route"], each.labels["status"]): each.value for each in families["fleet_web_requests"].samples}
    assert requests[("none", "404")] == 1.0
    assert "process_resident_memory_bytes" in families


async def test_a_port_that_is_taken_is_said_in_words_and_nothing_stays_open(bed: WebBed) -> None:
    for at, variable in enumerate(["FLEET_WEB_PORT", "FLEET_GATEWAY_PORT"]):
        ports = [0, 0]
        ports[at] = bed.ports[0]
        other = WebChat(bed.fleet, bed.router, token=TOKEN, ready=dict, ports=ports)
        with pytest.raises(SettingsError) as refused:
            await other.start()
        assert str(bed.ports[0]) in refused.value.message
        assert variable in refused.value.hint
        for url in other.urls:
            with pytest.raises(aiohttp.ClientConnectorError):
                async with aiohttp.request("GET", url):
                    pass


async def test_an_address_that_is_not_ours_is_said_in_words(bed: WebBed) -> None:
    other = WebChat(bed.fleet, bed.router, token=TOKEN, ready=dict, host="192.0.2.7", ports=(0, 0))
    with pytest.raises(SettingsError) as refused:
        await other.start()
    assert "FLEET_WEB_HOST" in refused.value.hint


async def test_the_addresses_are_those_of_the_ports(bed: WebBed) -> None:
    assert bed.chat.urls == tuple(f"http://localhost:{port}" for port in bed.ports)
    assert bed.chat.login_url == f"{bed.chat.url}/?token={TOKEN}"
    assert 0 not in bed.ports


async def test_it_can_be_started_again_on_the_same_ports(bed: WebBed) -> None:
    await bed.chat.stop()
    with socket.create_server(("127.0.0.1", bed.ports[0])):
        pass
    await bed.crash()
    assert (await bed.get("/api/me"))[0] == 200


async def test_it_is_a_platform_like_the_others(tmp_path: Path) -> None:
    async with WebBed(tmp_path) as bed, bed.listen() as ears:
        post = bed.fleet.say("web:main", "Hello", key="k1")
        assert post is not None
        first = await ears.reply("Hello")
        assert await bed.chat.post(post, "k1") == str(post.id)
        again = await ears.reply("Hello")
        assert again["id"] == first["id"] == post.id
        await bed.chat.update(str(post.id), Post("web:main", "fleet", "Hello again", post.at, id=post.id))
        assert (await ears.reply("again"))["id"] == post.id
