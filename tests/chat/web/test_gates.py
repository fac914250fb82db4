"""The inbox over HTTP, decisions on several gates, and a gate's history and page."""

from typing import Any

import aiohttp
import pytest

from bot.domain import GateState, MailKind
from bot.gates.decide import decide
from tests.chat.web.webbed import WebBed

LONG = "Move the inbox.\n\n" + "\n\n".join(f"## Step {n}\n\nDo it." for n in range(20))


async def plans(bed: WebBed, *products: str) -> list[dict[str, Any]]:
    """Open a plan of each product and return the references that decisions on them need."""
    for product in products:
        bed.plan(product)
    await bed.settled()
    _, answer = await bed.get("/api/gates?state=open")
    found = sorted(answer["gates"], key=lambda each: int(each["id"][1:]))
    return [{"id": each["id"], "revision": each["revision"], "digest": each["digest"]} for each in found]


async def together(bed: WebBed, gates: list[Any], choice: str, **more: Any) -> tuple[int, Any]:
    return await bed.post("/api/gates/decisions", {"gates": gates, "choice": choice, **more})


async def test_inbox_lists_most_urgent_gates_first_with_reasons(bed: WebBed) -> None:
    bed.plan("product-c")
    bed.plan("product-a")
    await bed.say("/fleet spawn product-b a table")
    bed.plan("product-b", thread=bed.work("w1").mail)
    bed.engine.push_mail("product-c", kind=MailKind.ESCALATION, sender="lead-1", body="Stuck.")
    await bed.settled()
    _, answer = await bed.get("/api/gates?state=open")
    assert [each["product"] for each in answer["gates"]] == ["product-c", "product-b", "product-a", "product-c"]
    assert [each["why"] for each in answer["gates"]] == [["lead-1 cannot continue"], ["w1 waits for it"], ["high priority"], []]
    assert answer["gates"][1]["blocks"] == ["w1"]
    _, status = await bed.get("/api/status")
    assert status["inbox"] == [each["id"] for each in answer["gates"]]
    _, some = await bed.get("/api/gates?state=open&limit=2")
    assert (some["gates"], some["total"]) == (answer["gates"][:2], 4)
    _, of_one = await bed.get("/api/gates?state=open&product=product-c")
    assert [each["kind"] for each in of_one["gates"]] == ["escalation", "plan"]


async def test_gates_are_returned_in_the_order_of_requested_ids(bed: WebBed) -> None:
    await plans(bed, "product-a", "product-b", "product-c")
    _, answer = await bed.get("/api/gates?ids=g3,g9,nonsense,g1,g3,")
    assert [each["id"] for each in answer["gates"]] == ["g3", "g1"]
    assert (await bed.get("/api/gates?ids="))[1] == {"gates": []}


async def test_gate_list_has_summaries_and_one_gate_the_full_text(bed: WebBed) -> None:
    bed.plan(body=LONG)
    await bed.settled()
    _, answer = await bed.get("/api/gates?state=open")
    (brief,) = answer["gates"]
    assert (brief["summary"], brief["lines"], brief["body"]) == ("Move the inbox.", LONG.count("\n") + 1, LONG)
    assert not {"html", "diff"} & brief.keys()
    _, whole = await bed.get("/api/gates/g1")
    assert "<h2>Step 19</h2>" in whole["html"]


async def test_inbox_of_many_gates_needs_no_more_queries_than_a_small_one(bed: WebBed) -> None:
    async def asked() -> int:
        said: list[str] = []
        bed.store.database._db.set_trace_callback(said.append)
        await bed.get("/api/gates?state=open&limit=1000")
        bed.store.database._db.set_trace_callback(None)
        return len(said)

    for product in ("product-a", "product-b"):
        await bed.say(f"/fleet spawn {product} something")
    bed.plan("product-a", thread=bed.work("w1").mail)
    bed.plan("product-b", thread=bed.work("w2").mail)
    await bed.settled()
    few = await asked()
    for number in range(200):
        bed.plan("product-a", body=f"plan {number}")
    await bed.settled()
    _, answer = await bed.get("/api/gates?state=open&limit=1000")
    assert (len(answer["gates"]), answer["total"]) == (202, 202)
    assert await asked() == few


# -- several at once -------------------------------------------------------------------------------------------------------


async def test_several_gates_of_one_kind_are_decided_together(bed: WebBed) -> None:
    shown = await plans(bed, "product-a", "product-b", "product-c")
    for product in ("product-a", "product-b", "product-c"):
        bed.coordinator(product)
    status, answer = await together(bed, shown, "approve", note="Good.")
    assert status == 200
    assert [(each["id"], each["decided"]) for each in answer["results"]] == [("g1", True), ("g2", True), ("g3", True)]
    assert {each["gate"]["decision"]["note"] for each in answer["results"]} == {"Good."}
    await bed.settled()
    assert len(bed.engine.calls_of("reply")) == 3
    decisions = [row for row in bed.store.audit.newest(100) if row["kind"] == "decision"]
    assert sorted(row["subject"] for row in decisions) == ["g1", "g2", "g3"]
    assert {row["person"] for row in decisions} == {"owner"}


async def test_failed_decision_does_not_stop_the_others(bed: WebBed) -> None:
    shown = await plans(bed, "product-a", "product-b", "product-c")
    decide(bed.fleet, "g2", "reject", bed.person, note="not now")
    shown[2]["digest"] = "0" * 64
    status, answer = await together(bed, [*shown, {"id": "g9"}, shown[0]], "approve")
    assert status == 200
    assert [each.get("error", {}).get("code") for each in answer["results"]] == [None, "conflict", "digest", "not_found", None]
    late = answer["results"][1]
    assert "Already decided: rejected by ana" in late["error"]["message"]
    assert late["gate"]["decision"]["choice"] == "reject"
    assert [bed.fleet.gate(f"g{n}").state is GateState.OPEN for n in (1, 2, 3)] == [False, False, True]
    refused = [row for row in bed.store.audit.newest(100) if row["kind"] == "refused"]
    assert sorted(row["subject"] for row in refused) == ["g2", "g3", "g9"]


async def test_gates_of_different_kinds_are_not_decided_together(bed: WebBed) -> None:
    bed.plan("product-a")
    bed.engine.push_mail("product-b", kind=MailKind.QUESTION, subject="Which?", body="Which one?")
    await bed.settled()
    status, answer = await together(bed, [{"id": "g1"}, {"id": "g2"}], "approve")
    assert (status, answer["error"]["code"]) == (422, "mixed_gates")
    assert "plan g1 takes approve" in answer["error"]["message"]
    assert len(bed.store.gates.in_states(GateState.OPEN)) == 2
    (row,) = [row for row in bed.store.audit.newest(100) if row["kind"] == "refused"]
    assert row["detail"]["gates"] == ["g1", "g2"]


async def test_gates_a_person_cannot_decide_are_refused_individually(bed: WebBed) -> None:
    text = bed.file.read_text().replace("product-b, path", "product-b, approvals: {approvers: [ben]}, path")
    bed.file.write_text(text + "people: [{name: ben, role: approver, slack: U01BEN}, {name: ana, role: admin, web: token}]\n")
    assert bed.registry.reload()
    shown = await plans(bed, "product-a", "product-b")
    _, answer = await together(bed, shown, "approve")
    assert [each.get("error", {}).get("code") for each in answer["results"]] == [None, "not_allowed"]


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"gates": [], "choice": "approve"}, "gates"),
        ({"gates": [{"id": "g1"}] * 201, "choice": "approve"}, "gates"),
        ({"gates": ["g1"], "choice": "approve"}, "gates.0"),
        ({"gates": [{"id": "g1", "more": 1}], "choice": "approve"}, "more"),
        ({"gates": [{"id": "g1"}]}, "choice"),
    ],
)
async def test_malformed_decisions_are_refused_with_the_mistake(bed: WebBed, body: Any, word: str) -> None:
    status, answer = await bed.post("/api/gates/decisions", body)
    assert (status, answer["error"]["code"]) == (422, "malformed")
    assert word in answer["error"]["message"]


async def test_invalid_choice_is_refused_for_each_gate(bed: WebBed) -> None:
    shown = await plans(bed, "product-a", "product-b")
    for choice, note, code in [
        ("perhaps", "", "unknown_choice"),
        ("changes", "", "note_required"),
        ("approve", "\x07", "note_malformed"),
    ]:
        _, answer = await together(bed, shown, choice, note=note)
        assert [each["error"]["code"] for each in answer["results"]] == [code] * 2


# -- one gate --------------------------------------------------------------------------------------------------------------


async def test_history_includes_earlier_revisions(bed: WebBed) -> None:
    bed.plan(body="one", task="t1")
    await bed.settled()
    await bed.post("/api/gates/g1/decision", {"choice": "changes", "note": "Shorter."})
    await bed.settled()
    bed.plan(body="two", task="t1")
    await bed.settled()
    await bed.post("/api/gates/g2/decision", {"choice": "approve"})
    await bed.settled()
    _, answer = await bed.get("/api/gates/g2/history")
    told = [(each["revision"], each["by"], each["did"].partition(" in ")[0]) for each in answer["history"]]
    assert told[0] == (1, "coordinator", "asked")
    assert (1, "owner", "requested changes") in told
    assert (2, "coordinator", "asked") in told
    assert told.index((2, "owner", "approved")) > told.index((2, "coordinator", "asked"))
    assert "Shorter." in [each["words"] for each in answer["history"]]
    assert answer["revisions"] == [{"id": "g2", "revision": 2}, {"id": "g1", "revision": 1}]
    assert (await bed.get("/api/gates/g9/history"))[0] == 404


async def test_gate_page_returns_after_the_login(bed: WebBed) -> None:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as stranger:
        async with stranger.get(f"{bed.url}/gates/g7", allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, "/login?to=/gates/g7")
        async with stranger.get(f"{bed.url}/login?to=/gates/g7") as answer:
            assert 'action="/login?to=/gates/g7"' in await answer.text()
        form = {"token": "a-token-for-tests"}
        async with stranger.post(f"{bed.url}/login?to=/gates/g7", data=form, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, "/gates/g7")
        async with stranger.get(f"{bed.url}/gates/g7") as answer:
            assert "/static/gate_page.js" in await answer.text()


@pytest.mark.parametrize(
    "to", ["//evil.example", "https://evil.example", "/gates/g7/../x", '/gates/g7"><script>', "/login", ""]
)
async def test_login_redirects_only_to_own_pages(bed: WebBed, to: str) -> None:
    async with aiohttp.request("GET", f"{bed.url}/login", params={"to": to}) as answer:
        assert 'action="/login"' in await answer.text()
    form = {"token": "a-token-for-tests"}
    async with aiohttp.request("POST", f"{bed.url}/login", params={"to": to}, data=form, allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (303, "/")


@pytest.mark.parametrize("name", ["g", "x7", "g7x", "7", "g1234567890123456789"])
async def test_gate_page_of_an_invalid_id_is_not_found(bed: WebBed, name: str) -> None:
    status, answer = await bed.get(f"/gates/{name}")
    assert (status, answer["error"]["code"]) == (404, "no_such_route")
