"""Answers in the real engine's shapes, in both dialects and over HTTP."""

from collections.abc import Callable
from typing import Any

from aiohttp import ClientSession

from tests.rehearsal.driving import Product, Served, new_product, until
from tests.rehearsal.shapes import SHAPES, differences

NEW = [
    "status",
    "status --all --verbose",
    "coordinator status",
    "coordinator check-complete",
    "mail send --to operator --from coordinator --subject s --body b --type decision_gate --payload {}",
    "mail list",
    "mail check --agent operator",
    "spec write t-1 --body b",
    "nudge sam hello",
    "merge --branch overstory/bob/t-3",
    "stop sam --clean-worktree",
    "worktree clean --completed",
    "coordinator start --no-attach",
    "coordinator send --body [cost] --subject s",
    "coordinator ask --body b --timeout 10",
    "coordinator output",
    "coordinator status",
    "coordinator stop",
    "mail purge --all",
]
OLD = [
    "mail send --to operator --from coordinator --subject s --body b --type plan_ready --payload {}",
    "mail list",
    "mail check --agent operator",
    "coordinator status",
    "coordinator start --no-attach",
    "status --verbose",
    "coordinator status",
    "nudge coordinator hello",
    "coordinator stop",
    "worktree clean --all",
]


def shape_of(dialect: str, line: str) -> tuple[str, Any]:
    words = line.split()
    name = next(name for name in (" ".join(words[:2]), words[0]) if name.replace("spec write", "spec-write") in SHAPES[dialect])
    name = name.replace("spec write", "spec-write")
    return name, SHAPES[dialect][name]


def ask(product: Product, line: str) -> Any:
    run = product.ov if line.startswith("coordinator start") else product.quickly
    return run(*line.split(), "--json").json


def test_every_command_answers_in_its_shape(tmp_path: Any) -> None:
    product = new_product(tmp_path / "shop")
    answers = [("init --yes", product.ov("init", "--yes", "--json").json)]
    sling = "--skip-task-check --json --parent operator"
    for line in (f"sling t-2 --capability scout --name sam {sling}", f"sling t-3 --capability builder --name bob {sling}"):
        answers.append((line, product.ov(*line.split()).json))
    answers += [(line, ask(product, line)) for line in NEW]
    wrong = []
    for line, answer in answers:
        name, shape = shape_of("0.11.0", line)
        assert answer.pop("success") is True and answer.pop("command") == name, line
        wrong += [f"{line}: {one}" for one in differences(shape, answer)]
    assert wrong == []
    assert {shape_of("0.11.0", line)[0] for line, _ in answers} | {"mail reply"} == set(SHAPES["0.11.0"])


def test_every_old_command_answers_in_its_shape(tmp_path: Any) -> None:
    product = new_product(tmp_path / "old", REHEARSAL_DIALECT="0.5.8")
    assert "✓ Created .overstory/plans/" in product.ov("init").out
    config = product.root / ".overstory/config.yaml"
    config.write_text(config.read_text().replace("beads:\n  enabled: true", "beads:\n  enabled: false"))
    line = "sling t-2 --capability scout --name sam --parent operator"
    answers = [(line, product.ov(*line.split(), "--json").json)]
    until(lambda: product.rows("sessions.db", "SELECT state FROM sessions") == [{"state": "completed"}], "the scout")
    answers += [(line, ask(product, line)) for line in OLD]
    mail = product.ov("mail", "list", "--json").json[0]["id"]
    answers.append(("mail reply", product.ov("mail", "reply", mail, "--body", "b", "--json").json))
    wrong = [f"{line}: {one}" for line, answer in answers for one in differences(shape_of("0.5.8", line)[1], answer)]
    assert wrong == []
    assert {shape_of("0.5.8", line)[0] for line, _ in answers} == set(SHAPES["0.5.8"])


BODIES = {
    "POST /api/mail": {"to": "coordinator", "subject": "s", "body": "b"},
    "POST /api/coordinator/send": {"subject": "s", "body": "[fail]"},
    "POST /api/coordinator/ask": {"subject": "s", "body": "b", "timeoutSec": 20},
    "POST /api/mail/{mail}/reply": {"body": "b"},
}


def test_every_route_answers_in_its_shape(product: Product, serve: Callable[[Product], Served]) -> None:
    server = serve(product)
    run = server.post("/api/coordinator/start")["runId"]
    mail = product.ov("mail", "send", "--to", "operator", "--subject", "s", "--body", "b", "--json").json["id"]
    wrong = []
    for route, shape in SHAPES["REST"].items():
        method, path = route.replace("{run}", run).replace("{mail}", mail).split(" ")
        status, answer = server.call(method, path, BODIES.get(route))
        assert (status, answer["success"], answer["command"]) == (200, True, "serve"), (route, answer)
        wrong += [f"{route}: {one}" for one in differences(shape, answer["data"])]
    assert wrong == []


def test_routes_refuse_invalid_requests(shop: Served) -> None:
    def refused(method: str, path: str, body: object = None, raw: bytes | None = None) -> tuple[int, str]:
        status, answer = shop.call(method, path, body, raw=raw)
        assert answer["success"] is False and answer["command"] == "serve"
        return status, answer["error"]

    assert refused("GET", "/api/nope") == (404, "Not found")
    assert refused("GET", "/") == (503, "UI not built — run the UI build first")
    assert refused("DELETE", "/api/runs") == (405, "Method not allowed")
    assert refused("GET", "/api/agents/none") == (404, "Agent not found: none")
    assert refused("GET", "/api/mail/msg-none") == (404, "Message not found: msg-none")
    unknown = {"to": "operator", "subject": "s", "body": "b"}
    assert refused("POST", "/api/mail", unknown) == (400, 'Unknown recipient: "operator"')
    assert refused("POST", "/api/mail", {"to": "coordinator"}) == (400, "Missing or empty field: subject")
    assert refused("POST", "/api/mail", raw=b"{bad")[0] == 400
    assert refused("POST", "/api/coordinator/send", {"subject": "s"}) == (400, "Missing or invalid 'body' (string)")
    assert refused("GET", "/api/mail?limit=0")[0] == 400
    assert refused("GET", "/ws") == (400, "WebSocket upgrade failed: missing query parameters")


def test_pages_continue_from_their_cursor(shop: Served) -> None:
    for number in range(3):
        shop.product.quickly("mail", "send", "--to", "pages", "--subject", str(number), "--body", "b")
    _, first = shop.call("GET", "/api/mail?to=pages&limit=2")
    _, second = shop.call("GET", f"/api/mail?to=pages&limit=2&cursor={first['nextCursor']}")
    assert [one["subject"] for one in first["data"] + second["data"]] == ["2", "1", "0"] and "nextCursor" not in second
    _, events = shop.call("GET", "/api/events?limit=1")
    _, later = shop.call("GET", f"/api/events?limit=1&cursor={events['nextCursor']}")
    assert later["data"][0]["id"] == events["data"][0]["id"] + 1


async def test_new_mail_and_events_are_pushed(shop: Served) -> None:
    async with ClientSession() as session:
        base = f"http://127.0.0.1:{shop.port}/ws"
        async with session.ws_connect(f"{base}?mail=true") as mail, session.ws_connect(f"{base}?agent=ann") as agent:
            sent = shop.product.ov(
                "mail", "send", "--to", "operator", "--from", "ann", "--subject", "s", "--body", "b", "--json"
            )
            frame = await mail.receive_json(timeout=10)
            while frame["payload"]["message"]["id"] != sent.json["id"]:
                frame = await mail.receive_json(timeout=10)
            assert frame["type"] == "mail"
            assert differences("message", frame["payload"]["message"]) == []
            frames = [await agent.receive_json(timeout=10) for _ in range(2)]
            event = next(one["payload"] for one in frames if one["type"] == "event")
            assert event["eventType"] == "mail_sent" and not event["createdAt"].endswith("Z")


def test_databases_have_the_engines_schema(shop: Served) -> None:
    shop.wait(shop.objective("[cost 1] Count"), "result")
    mail = shop.product.rows("mail.db", "SELECT * FROM messages LIMIT 1")[0]
    assert list(mail) == [
        *("id", "from_agent", "to_agent", "subject", "body", "type", "priority", "thread_id", "payload", "read", "created_at")
    ]
    session = shop.product.rows("sessions.db", "SELECT * FROM sessions WHERE agent_name = 'coordinator'")[0]
    assert session["task_id"] == "" and session["state"] == "working" and session["started_at"].endswith("Z")
    assert {"transcript_path", "prompt_version", "claude_session_id", "stalled_since"} <= set(session)
    spent = "SELECT estimated_cost_usd AS usd FROM {} WHERE agent_name = 'coordinator' ORDER BY usd DESC LIMIT 1"
    for table in ("sessions", "token_snapshots"):
        assert shop.product.rows("metrics.db", spent.format(table))[0]["usd"] >= 1
    assert shop.product.rows("mail.db", "PRAGMA journal_mode") == [{"journal_mode": "wal"}]
