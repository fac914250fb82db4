"""Death of `ov serve` with its coordinator, and the wrong state that the next one finds (finding 8)."""

import os
import signal
from collections.abc import Callable

import pytest

from bot.rehearsal.dialects import CURRENT
from bot.rehearsal.mail import Message
from bot.rehearsal.project import find
from bot.rehearsal.server.attendant import Attendant
from tests.rehearsal.driving import Product, Served, running, until


@pytest.mark.parametrize("hard", [False, True], ids=["SIGTERM", "SIGKILL"])
def test_gate_outlives_the_server(product: Product, serve: Callable[[Product], Served], hard: bool) -> None:
    first = serve(product)
    pid = first.post("/api/coordinator/start")["pid"]
    thread = first.objective("[complex] Add a discount")
    gate = first.wait(thread, "decision_gate")
    first.end(hard=hard)
    until(lambda: not running(pid), "the coordinator's end")

    second = serve(product)
    state = second.get("/api/coordinator/state")
    assert (state["running"], state["headless"], state["tmuxSession"], state["pid"]) == (True, False, None, pid)
    assert second.post("/api/coordinator/start")["alreadyRunning"]
    second.answer(gate, "DECISION: approve")
    lost = second.objective("Meanwhile")
    unread = product.quickly("mail", "list", "--to", "coordinator", "--unread", "--json").json["messages"]
    assert len(unread) == 2

    assert second.post("/api/coordinator/stop") == {"stopped": True}
    assert second.post("/api/coordinator/start")["started"]
    assert "merged" in second.wait(thread, "result")["body"]
    assert "merged" in second.wait(lost, "result")["body"]
    assert len(second.mail(thread, "decision_gate")) == 1 and len(second.mail(thread, "status")) == 1


def test_interrupted_work_is_finished_once(product: Product, serve: Callable[[Product], Served]) -> None:
    product.environment["REHEARSAL_SECONDS"] = "0.6"
    first = serve(product)
    first.post("/api/coordinator/start")
    thread = first.objective("Round to cents")
    until(lambda: len(first.get("/api/agents")) > 1, "the worker")
    first.end(hard=True)
    second = serve(product)
    second.post("/api/coordinator/stop")
    second.post("/api/coordinator/start")
    assert "merged" in second.wait(thread, "result")["body"]
    assert product.git("log", "--format=%s", "main").count("rehearsal: Round to cents") == 1


def test_stopping_a_running_coordinator_drops_its_work(product: Product, serve: Callable[[Product], Served]) -> None:
    product.environment["REHEARSAL_SECONDS"] = "0.4"
    server = serve(product)
    server.post("/api/coordinator/start")
    dropped = server.objective("[complex] Never mind")
    gate = server.wait(dropped, "decision_gate")
    under_way = server.objective("Nor this")
    server.wait(under_way, "status")
    assert server.post("/api/coordinator/stop") == {"stopped": True}
    assert server.post("/api/coordinator/stop") == {"stopped": False}
    assert server.call("POST", "/api/coordinator/send", {"subject": "s", "body": "b"}) == (
        409,
        {"success": False, "command": "serve", "error": "Coordinator is not running"},
    )
    refused = product.quickly("mail", "send", "--to", "coordinator", "--subject", "s", "--body", "b", "--json")
    assert 'Recipient "coordinator" is in terminal state (completed)' in refused.error
    server.post("/api/coordinator/start")
    server.wait(server.objective("Something else"), "result")
    assert not server.mail(dropped, "result", "error") and not server.mail(under_way, "result", "error")
    server.answer(gate, "DECISION: approve")
    assert "merged" in server.wait(dropped, "result")["body"]


def test_workers_outlive_a_stopped_coordinator(product: Product, serve: Callable[[Product], Served]) -> None:
    product.environment["REHEARSAL_SECONDS"] = "2"
    server = serve(product)
    server.post("/api/coordinator/start")
    server.objective("Slow work")

    def worker_state() -> str:
        agents = server.get("/api/agents")
        return str(next((agent["state"] for agent in agents if agent["capability"] == "builder"), ""))

    until(lambda: worker_state() == "in_turn", "the worker")
    assert server.post("/api/coordinator/stop")["stopped"]
    until(lambda: worker_state() == "completed", "the worker's own end")
    to = [one["to"] for one in server.get("/api/mail") if one["type"] == "worker_done"]
    assert to == ["operator"]


def test_stop_succeeds_after_the_coordinator_died_during_a_delivery(product: Product) -> None:
    project = find(product.root, CURRENT)
    attendant = Attendant(project)
    attendant.start()
    process = attendant._process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    project.post(Message("", "operator", "coordinator", "Add a discount", "Please.", "dispatch"))
    attendant.deliver(process)
    assert attendant.stop() and not attendant.connected
    attendant.close()
