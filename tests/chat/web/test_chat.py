"""The Chat port and its two ports."""

import socket
from pathlib import Path

import aiohttp
import pytest

from bot.chat.web import WebChat
from bot.domain import Post
from bot.domain.errors import SettingsError
from tests.chat.web.webbed import TOKEN, WebBed


async def test_port_in_use_raises_an_error_and_closes_the_other_port(bed: WebBed) -> None:
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


async def test_foreign_address_raises_an_error(bed: WebBed) -> None:
    other = WebChat(bed.fleet, bed.router, token=TOKEN, ready=dict, host="192.0.2.7", ports=(0, 0))
    with pytest.raises(SettingsError) as refused:
        await other.start()
    assert "FLEET_WEB_HOST" in refused.value.hint


async def test_urls_have_the_ports_in_use(bed: WebBed) -> None:
    assert bed.chat.urls == tuple(f"http://localhost:{port}" for port in bed.ports)
    assert bed.chat.login_url == f"{bed.chat.url}/?token={TOKEN}"
    assert 0 not in bed.ports


async def test_chat_restarts_on_the_same_ports(bed: WebBed) -> None:
    await bed.chat.stop()
    with socket.create_server(("127.0.0.1", bed.ports[0])):
        pass
    await bed.crash()
    assert (await bed.get("/api/me"))[0] == 200


async def test_post_and_update_reach_a_connected_page(tmp_path: Path) -> None:
    async with WebBed(tmp_path) as bed, bed.listen() as client:
        post = bed.fleet.say("web:main", "Hello", key="k1")
        assert post is not None
        first = await client.reply("Hello")
        assert await bed.chat.post(post, "k1") == str(post.id)
        again = await client.reply("Hello")
        assert again["id"] == first["id"] == post.id
        await bed.chat.update(str(post.id), Post("web:main", "fleet", "Hello again", post.at, id=post.id))
        assert (await client.reply("again"))["id"] == post.id
