"""Routes of the API and their errors."""

import asyncio
import json
from typing import Any

import pytest

from bot.domain import Trouble
from bot.domain.errors import EngineError
from bot.gates.decide import decide
from tests.chat.web.webbed import WebBed


async def test_status_has_the_documented_keys(bed: WebBed) -> None:
    status, answer = await bed.get("/api/status")
    assert status == 200
    product = next(each for each in answer["products"] if each["name"] == "product-a")
    keys = {"name", "type", "priority", "state", "sessions", "open_gates", "queued", "cost_usd_today", "problem"}
    assert keys <= product.keys()
    assert {"sessions", "cpu_percent", "memory_gb", "cost_usd_today"} <= answer["capacity"].keys()
    assert answer["runtimes"][0]["rehearsal"] is True


async def test_unknown_route_and_method_return_json_errors(bed: WebBed) -> None:
    assert (await bed.get("/api/nothing"))[1]["error"]["code"] == "no_such_route"
    status, answer = await bed.get("/api/messages")
    assert (status, answer["error"]["code"]) == (405, "wrong_method")
    async with bed.http.delete(bed.url + "/api/status") as response:
        assert response.status == 405
        assert "GET" in response.headers["Allow"]


async def test_unknown_names_return_404_with_a_hint(bed: WebBed) -> None:
    for path, word in [
        ("/api/products/product-z", "product-"),
        ("/api/gates/g9", "gates"),
        ("/api/gates/nonsense", "gates"),
    ]:
        status, answer = await bed.get(path)
        assert (status, answer["error"]["code"]) == (404, "not_found"), path
        assert word in answer["error"]["hint"]
    status, answer = await bed.post("/api/skills/statsu", {})
    assert (status, answer["error"]["hint"]) == (404, "Did you mean status?")


async def test_product_has_work_gates_mail_and_registry_entry(bed: WebBed) -> None:
    await bed.say("/fleet spawn product-a fix the test")
    bed.plan()
    await bed.settled()
    status, answer = await bed.get("/api/products/product-a")
    assert status == 200
    assert answer["name"] == "product-a"
    assert answer["work"][0]["objective"] == "fix the test"
    assert answer["gate_list"][0]["id"] == "g1"
    assert answer["mail"][0]["subject"] == "A plan"
    assert answer["registry"]["line"] == 3
    assert answer["registry"]["file"].endswith("products.yaml")


async def test_work_list_is_filtered_by_state_product_and_limit(bed: WebBed) -> None:
    for name in ("product-a", "product-b", "product-c"):
        await bed.say(f"/fleet spawn {name} something")
    _, answer = await bed.get("/api/work")
    assert [each["id"] for each in answer["work"]] == ["w3", "w2", "w1"]
    assert {"id", "product", "state", "objective", "reason"} <= answer["work"][0].keys()
    _, answer = await bed.get("/api/work?state=queued")
    assert [each["product"] for each in answer["work"]] == ["product-c"]
    assert "slot" in answer["work"][0]["reason"]
    _, answer = await bed.get("/api/work?state=open&product=product-a&limit=1")
    assert [each["id"] for each in answer["work"]] == ["w1"]
    assert (await bed.get("/api/work?state=done"))[1] == {"work": []}


@pytest.mark.parametrize("query", ["state=nonsense", "state=done,x", "limit=x", "limit=-1", "limit=1.5"])
async def test_invalid_query_is_refused(bed: WebBed, query: str) -> None:
    status, _ = await bed.get(f"/api/work?{query}")
    assert status == 422


async def test_gate_list_has_everything_a_decision_needs(bed: WebBed) -> None:
    await bed.say("/fleet spawn product-a fix the test")
    bed.plan(body="1. <script>alert(1)</script>", thread=bed.work("w1").mail)
    await bed.settled()
    _, answer = await bed.get("/api/gates?state=open")
    (brief,) = answer["gates"]
    assert answer["total"] == 1
    _, gate = await bed.get("/api/gates/g1")
    assert brief == {key: value for key, value in gate.items() if key not in {"html", "diff"}}
    assert {"id", "product", "kind", "state", "revision", "title", "body", "options", "decision"} <= gate.keys()
    assert gate["decision"] is None
    assert "<script>" not in gate["html"]
    assert (gate["work"], gate["asked_by"], gate["objective"]) == ("w1", "ana", "fix the test")
    assert (await bed.get("/api/gates?state=decided,delivered"))[1] == {"gates": []}
    _, answer = await bed.get("/api/gates?state=nonsense")
    assert answer["error"]["hint"] == "Use one of: open, all, decided, delivered, superseded, withdrawn."


async def test_later_revision_has_a_diff(bed: WebBed) -> None:
    for body in ("1. One\n2. Two", "1. One\n2. Three"):
        bed.plan(body=body, task="t1")
        await bed.settled()
    _, gate = await bed.get("/api/gates/g2")
    assert (gate["revision"], gate["previous"]) == (2, "g1")
    assert "-2. Two" in gate["diff"]
    assert "+2. Three" in gate["diff"]
    assert (await bed.get("/api/gates/g1"))[1]["state"] == "superseded"


async def test_decision_returns_the_decided_gate(bed: WebBed) -> None:
    bed.plan()
    await bed.settled()
    status, gate = await bed.post("/api/gates/g1/decision", {"choice": "approve", "note": "", "revision": 1})
    assert status == 200
    assert gate["decision"] == {
        "choice": "approve",
        "note": "",
        "by": "owner",
        "at": bed.clock().isoformat(),
        "platform": "web",
    }
    await bed.settled()
    assert len(bed.engine.calls_of("reply")) == 1


async def test_late_decision_returns_409_with_the_earlier_one(bed: WebBed) -> None:
    bed.plan()
    await bed.settled()
    decide(bed.fleet, "g1", "reject", bed.person, note="not now", platform="slack")
    status, answer = await bed.post("/api/gates/g1/decision", {"choice": "approve"})
    assert status == 409
    assert answer["decision"]["by"] == "ana"
    assert answer["gate"]["id"] == "g1"
    assert "Already decided: rejected by ana" in answer["error"]["message"]


async def test_decision_on_an_older_revision_is_refused(bed: WebBed) -> None:
    for body in ("one", "two"):
        bed.plan(body=body, task="t1")
        await bed.settled()
    status, answer = await bed.post("/api/gates/g2/decision", {"choice": "approve", "revision": 1})
    assert (status, answer["error"]["code"], answer["decision"]) == (409, "superseded", None)
    status, answer = await bed.post("/api/gates/g1/decision", {"choice": "approve"})
    assert status == 409
    status, answer = await bed.post("/api/gates/g2/decision", {"choice": "approve", "digest": "0" * 64})
    assert (status, answer["error"]["code"]) == (409, "digest")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"choice": "perhaps"}, "unknown_choice"),
        ({"choice": "changes"}, "note_required"),
        ({"choice": "approve", "note": "a\x07b"}, "note_malformed"),
        ({"note": "x"}, "malformed"),
        ({"choice": "approve", "revision": "1"}, "malformed"),
    ],
)
async def test_invalid_decision_is_refused_and_leaves_the_gate_open(bed: WebBed, body: Any, code: str) -> None:
    bed.plan()
    await bed.settled()
    status, answer = await bed.post("/api/gates/g1/decision", body)
    assert (status, answer["error"]["code"]) == (422, code)
    assert bed.open_gate().id == "g1"


async def test_person_who_cannot_decide_gets_the_names_of_deciders(bed: WebBed) -> None:
    bed.file.write_text(bed.file.read_text() + "people: [{name: ben, role: approver, slack: U01BEN}]\n")
    bed.file.write_text(bed.file.read_text() + "approvals: {approvers: [ben]}\n")
    assert bed.registry.reload()
    bed.plan()
    await bed.settled()
    assert (await bed.get("/api/gates/g1"))[1]["may_decide"] == ["ben"]
    status, answer = await bed.post("/api/gates/g1/decision", {"choice": "approve"})
    assert (status, answer["error"]["code"]) == (403, "not_allowed")
    assert "ben" in answer["error"]["message"]


async def test_two_hundred_concurrent_clicks_make_one_decision(bed: WebBed) -> None:
    bed.plan()
    await bed.settled()
    choices = [{"choice": "approve"}, {"choice": "reject", "note": "no"}]
    answers = await asyncio.gather(*[bed.post("/api/gates/g1/decision", choices[n % 2]) for n in range(200)])
    assert len(answers) == 200
    won = bed.fleet.gate("g1").decision
    assert won is not None
    for n, (status, answer) in enumerate(answers):
        same = choices[n % 2]["choice"] == won.choice
        assert status == (200 if same else 409)
        assert answer["decision"]["choice"] == won.choice
    await bed.settled()
    assert len(bed.engine.calls_of("reply")) == 1
    decisions = [row for row in bed.store.audit.newest(500) if row["kind"] == "decision"]
    assert len(decisions) == 1


async def test_skill_runs_with_its_arguments(bed: WebBed) -> None:
    status, answer = await bed.post("/api/skills/status", {})
    assert status == 200
    assert answer["data"]["products"][0]["name"].startswith("product-")
    assert "product-a" in answer["text"]
    assert (await bed.post("/api/skills/status"))[0] == 200
    status, answer = await bed.post("/api/skills/approve_plan", {"gate": "g9", "choice": "approve"})
    assert status in {404, 422}


async def test_skill_refuses_invalid_arguments(bed: WebBed) -> None:
    status, answer = await bed.post("/api/skills/spawn", {"product": "product-a"})
    assert status == 422
    assert "spawn" in answer["error"]["hint"]
    assert (await bed.post("/api/skills/status", data=b"[1]", headers={"Content-Type": "application/json"}))[0] == 422


async def test_skill_repeated_with_its_key_runs_once(bed: WebBed) -> None:
    arguments = {"product": "product-a", "objective": "fix the test"}
    for _ in range(2):
        status, _ = await bed.post("/api/skills/spawn", arguments, headers={"Idempotency-Key": "k1"})
        assert status == 200
    assert len(bed.store.work.newest()) == 1
    assert bed.work("w1").conversation == "web:main"
    await bed.post("/api/skills/spawn?conversation=desk", arguments)
    assert bed.store.work.newest()[0].conversation == "web:desk"


async def test_unreachable_runtime_returns_503_and_engine_errors_502(bed: WebBed) -> None:
    bed.engine.go_down("The container is gone.")
    status, answer = await bed.post("/api/skills/pause", {"product": "product-a"})
    assert (status, answer["error"]["code"]) == (503, "unreachable")
    bed.engine.come_up()
    bed.engine.fail("pause", EngineError("The disk is full.", "Free some.", code="engine_failed"))
    status, answer = await bed.post("/api/skills/pause", {"product": "product-b"})
    assert (status, answer["error"]["message"]) == (502, "The disk is full.")
    bed.engine.fail("pause", EngineError("No agent builder-9.", code="unknown_agent"))
    assert (await bed.post("/api/skills/pause", {"product": "product-c"}))[0] == 404


async def test_product_problem_has_its_fix(bed: WebBed) -> None:
    bed.engine.set_trouble("product-b", Trouble("not_initialised", "product-b has no .overstory.", "Run fleet adopt."))
    _, answer = await bed.get("/api/status")
    assert answer["products"][0]["name"] == "product-b"
    assert answer["products"][0]["problem"] == "product-b has no .overstory. Run fleet adopt."


async def test_unexpected_error_returns_500_with_the_number_of_its_log_entry(
    bed: WebBed, caplog: pytest.LogCaptureFixture
) -> None:
    bed.engine.fail("pause", ZeroDivisionError("a secret detail"))
    status, answer = await bed.post("/api/skills/pause", {"product": "product-a"})
    assert status == 500
    assert "secret" not in json.dumps(answer)
    number = answer["error"]["message"].removeprefix("Internal error ").removesuffix(".")
    assert len(number) == 8
    assert any(number in record.getMessage() for record in caplog.records)


async def test_audit_log_is_read_backwards(bed: WebBed) -> None:
    for name in ("product-a", "product-b"):
        await bed.say(f"/fleet spawn {name} something")
    _, answer = await bed.get("/api/audit?limit=2")
    first = answer["audit"]
    assert len(first) == 2
    assert {"at", "kind", "person", "product", "subject", "detail", "hash"} <= first[0].keys()
    _, older = await bed.get(f"/api/audit?before={first[-1]['n']}")
    assert all(row["n"] < first[-1]["n"] for row in older["audit"])
    assert older["audit"]


async def test_audit_log_is_filtered_and_verified(bed: WebBed) -> None:
    await bed.say("/fleet spawn product-a something")
    _, answer = await bed.get("/api/audit?about=w1&verify=1")
    assert {(row["kind"], row["subject"]) for row in answer["audit"]} == {("work", "w1")}
    assert (answer["verdict"]["broken"], answer["verdict"]["head"]) == (None, bed.store.audit.newest(1)[0]["hash"])
    bed.store.database.run("UPDATE audit SET detail = '{}' WHERE subject = 'w1'")
    _, answer = await bed.get("/api/audit?verify=1")
    assert answer["verdict"]["broken"] == bed.store.audit.about("w1")[0]["n"]


async def test_both_ports_serve_the_same_application(bed: WebBed) -> None:
    for url in bed.chat.urls:
        async with bed.http.get(f"{url.replace('localhost', '127.0.0.1')}/api/status") as answer:
            assert answer.status == 200
