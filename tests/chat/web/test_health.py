"""Liveness, readiness and metrics."""

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from bot.conversation.platform import Part
from tests.chat.web.webbed import WebBed


async def test_healthz_needs_no_token(bed: WebBed) -> None:
    async with aiohttp.request("GET", bed.url + "/healthz") as answer:
        assert (answer.status, await answer.json()) == (200, {"status": "ok"})


async def test_readyz_returns_503_while_a_part_is_down(bed: WebBed) -> None:
    async with aiohttp.request("GET", bed.url + "/readyz") as answer:
        assert answer.status == 200
        ready = await answer.json()
    assert ready["ready"] is True
    assert ready["parts"]["slack"] == {"state": "off", "why": "no token"}
    bed.parts["engine"] = Part("down", "no answer")
    async with aiohttp.request("GET", bed.url + "/readyz") as answer:
        assert answer.status == 503
        assert (await answer.json())["parts"]["engine"] == {"state": "down", "why": "no answer"}


async def test_metrics_are_valid_for_prometheus(bed: WebBed) -> None:
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
    assert families["fleet_slots_max"].samples[0].value == 2.0
    assert families["fleet_sessions_max"].samples[0].value == 2.0, "the former name stays"
    requests = {(each.labels["route"], each.labels["status"]): each.value for each in families["fleet_web_requests"].samples}
    assert requests[("none", "404")] == 1.0
    assert "process_resident_memory_bytes" in families
