"""The queue over HTTP."""

from pathlib import Path

from tests.chat.web.webbed import WebBed


async def test_queue_is_returned_and_reordered(tmp_path: Path) -> None:
    async with WebBed(tmp_path) as bed:
        for product in ("product-a", "product-b", "product-c", "product-c"):
            await bed.say(f"/fleet spawn {product} do it")
        status, picture = await bed.get("/api/queue")
        assert status == 200
        assert [each["id"] for each in picture["running"]] == ["w1", "w2"]
        assert [(each["id"], each["place"], each["code"]) for each in picture["queue"]] == [
            ("w3", 1, "sessions"),
            ("w4", 2, "sessions"),
        ]
        capacity = picture["capacity"]
        assert capacity["slots"] == capacity["sessions"] == {"used": 2, "reserved": 0, "max": 2}
        assert capacity["sessions_running"] == 2
        limits = {"slots", "sessions", "weight", "cpu_percent", "memory_gb", "cost_usd_today"}
        assert set(capacity) == limits | {"sessions_running", "frozen"}
        status, _ = await bed.post("/api/skills/prioritize", {"what": "w4", "before": "w3"})
        assert status == 200
        _, picture = await bed.get("/api/queue")
        assert [each["id"] for each in picture["queue"]] == ["w4", "w3"]
        status, refusal = await bed.post("/api/skills/prioritize", {"what": "w4", "before": "w1"})
        assert (status, refusal["error"]["code"]) == (409, "conflict")
        status, _ = await bed.post("/api/skills/cancel", {"work": "w4"})
        assert status == 200
        _, picture = await bed.get("/api/queue")
        assert [each["id"] for each in picture["queue"]] == ["w3"]
