"""Effect of each bracket word in an objective."""

import json
from collections.abc import Callable

from tests.rehearsal.driving import Product, Served, running, until


def results(shop: Served, thread: str) -> list[str]:
    return [one["subject"] for one in shop.mail(thread, "result", "error")]


def test_plain_objective_ends_with_a_merged_commit_and_one_result(shop: Served) -> None:
    thread = shop.objective("Round to cents")
    result = shop.wait(thread, "result")
    assert shop.mail(thread, "status")[0]["createdAt"] < result["createdAt"]
    assert "merged" in result["body"] and "rehearsal" in result["subject"]
    worker = next(one for one in shop.get("/api/mail?limit=500") if one["threadId"] == thread and one["type"] == "worker_done")
    details = json.loads(worker["payload"])
    log = shop.product.git("log", "--format=%s", "main")
    assert details["branch"] in log and "rehearsal: Round to cents" in log
    text = shop.product.git("show", f"main:{details['filesModified'][0]}")
    assert "Round to cents (rehearsal)" in text and "> Please." in text
    agent = shop.get(f"/api/agents/{worker['from']}")
    assert (agent["state"], agent["parentAgent"], agent["pid"]) == ("completed", "coordinator", None)
    assert results(shop, thread) == [result["subject"]]


def test_plan_is_revised_until_approved(shop: Served) -> None:
    thread = shop.objective("[complex] Add a discount [cost 2]")
    first = shop.wait(thread, "decision_gate")
    payload = json.loads(first["payload"])
    assert payload["options"] == ["approve", "revise", "reject"] and payload["revision"] == 1
    assert (shop.product.root / payload["context"]).read_text() == first["body"]
    assert "`shop/basket.py`" in first["body"] and "`tests/test_basket.py`" in first["body"]
    shop.answer(first, "DECISION: revise: keep whole cents")
    second = shop.wait(thread, "decision_gate", count=2)
    assert json.loads(second["payload"])["revision"] == 2
    assert "keep whole cents" in second["body"] and "keep whole cents" not in first["body"]
    assert not results(shop, thread)
    shop.answer(second, "DECISION: approve")
    assert "merged" in shop.wait(thread, "result")["body"]
    spent = "SELECT max(estimated_cost_usd) AS usd FROM sessions WHERE agent_name = 'coordinator'"
    assert shop.product.rows("metrics.db", spent)[0]["usd"] >= 2


def test_marker_at_the_end_of_an_answer_is_no_note(shop: Served) -> None:
    thread = shop.objective("[complex] Rewrite it in Ada")
    shop.answer(shop.wait(thread, "decision_gate"), "DECISION: reject\n\n[g3.1f4d]")
    assert shop.wait(thread, "result")["body"].endswith("was rejected.")


def test_rejected_plan_ends_without_work(shop: Served) -> None:
    thread = shop.objective("[complex] Rewrite it in Cobol")
    shop.answer(shop.wait(thread, "decision_gate"), "DECISION: reject: not this year")
    result = shop.wait(thread, "result")
    assert "rejected" in result["body"] and "not this year" in result["body"]
    assert "Cobol" not in shop.product.git("log", "--format=%s")


def test_question_waits_for_its_answer(shop: Served) -> None:
    thread = shop.objective("[question] Pick a currency")
    shop.answer(shop.wait(thread, "question"), "euros, always")
    assert "euros, always" in shop.wait(thread, "result")["body"]


def test_escalation_is_critical_and_waits(shop: Served) -> None:
    thread = shop.objective("[escalate] Renew the certificate")
    blocked = shop.wait(thread, "escalation")
    assert json.loads(blocked["payload"])["severity"] == "critical"
    shop.answer(blocked, "use the spare one")
    assert "use the spare one" in shop.wait(thread, "result")["body"]


def test_failure_sends_one_error_only(shop: Served) -> None:
    thread = shop.objective("[fail] Divide by zero")
    shop.wait(thread, "error")
    assert len(results(shop, thread)) == 1 and "Divide" not in shop.product.git("log", "--format=%s")


def test_many_starts_five_workers_that_finish_together(shop: Served) -> None:
    thread = shop.objective("[many] Translate the shop")
    shop.wait(thread, "result")
    mine = [one for one in shop.get("/api/mail?limit=500") if one["threadId"] == thread]
    crew = {one["from"] for one in mine if one["type"] == "worker_done" and one["to"] == "coordinator"}
    told = {one["from"] for one in mine if one["type"] == "result" and one["to"] == "operator"}
    assert len(crew) == 5 and told == crew | {"coordinator"}
    assert shop.product.git("log", "--format=%s", "main").count("rehearsal: Translate the shop") == 5


def test_several_objectives_each_end_once(shop: Served) -> None:
    threads = [shop.objective(f"Errand {number}") for number in range(3)]
    for thread in threads:
        shop.wait(thread, "result")
    assert [len(results(shop, thread)) for thread in threads] == [1, 1, 1]


def test_uncommitted_work_is_never_touched(product: Product, serve: Callable[[Product], Served]) -> None:
    server = serve(product)
    server.post("/api/coordinator/start")
    product.write("shop/basket.py", "half an idea")
    product.git("add", "shop/basket.py")
    refused = server.wait(server.objective("Tidy up"), "result")
    assert "not merged" in refused["body"]
    product.git("reset", "-q")
    product.write("shop/basket.py", "half an idea, not staged")
    assert "merged `overstory/" in server.wait(server.objective("Tidy up again"), "result")["body"]
    assert (product.root / "shop/basket.py").read_text() == "half an idea, not staged"


def test_stalled_coordinator_runs_without_answering(product: Product, serve: Callable[[Product], Served]) -> None:
    server = serve(product)
    pid = server.post("/api/coordinator/start")["pid"]
    thread = server.objective("[stall] Think about it")
    server.wait(thread, "status")
    until(
        lambda: product.quickly("mail", "list", "--to", "coordinator", "--unread", "--json").json["messages"] == [], "delivery"
    )
    before = server.get("/api/coordinator/state")
    asked = server.post("/api/coordinator/ask", {"subject": "Well?", "body": "Still there?", "timeoutSec": 1})
    after = server.get("/api/coordinator/state")
    assert asked["timedOut"] and running(pid) and not server.mail(thread, "result", "error")
    assert (after["running"], after["lastActivityAt"]) == (True, before["lastActivityAt"])


def test_next_coordinator_continues_after_a_crash(product: Product, serve: Callable[[Product], Served]) -> None:
    server = serve(product)
    pid = server.post("/api/coordinator/start")["pid"]
    thread = server.objective("[crash] Juggle knives")
    until(lambda: not running(pid), "the crash")
    state = server.get("/api/coordinator/state")
    assert (state["running"], state["headless"], state["pid"]) == (True, True, pid)
    assert product.ov("coordinator", "status", "--json").json["state"] == "zombie"
    server.post("/api/coordinator/start")
    assert "merged" in server.wait(thread, "result")["body"]
