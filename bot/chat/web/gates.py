"""Routes of gates, with the inbox, histories and decisions."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from aiohttp import web

from bot.chat.web import from_request as given
from bot.chat.web.context import CONTEXT, Context
from bot.chat.web.errors import error_json, json_response
from bot.chat.web.queries import limit, states
from bot.domain import Gate, GateState
from bot.domain.errors import Conflict, FleetError
from bot.fleet import Fleet
from bot.gates import decide as decisions
from bot.gates import history as timeline
from bot.gates.decide import Shown
from bot.gates.inbox import assess, inbox
from bot.work import views

routes = web.RouteTableDef()
MOST = 1000
"""Most gates in one answer."""
MOST_REVISIONS = 50
"""Most revisions whose history is returned, newest first."""


@routes.get("/api/gates")
async def gate_list(request: web.Request) -> web.Response:
    """List gates with a summary of each.

    `state=open` is the inbox, most urgent first, with its `total`. Other states are listed oldest first. Filter with
    `product` and `limit` (the most urgent or the newest, at most 1000). `ids=g3,g1` lists those gates in that order.
    """
    fleet, query = request.app[CONTEXT].fleet, request.query
    if "ids" in query:
        ids = query["ids"].split(",")[:MOST]
        known = fleet.store.gates.some(ids)
        named = [known[id] for id in dict.fromkeys(ids) if id in known]
        return json_response({"gates": views.gates_json(assess(fleet, named), fleet)})
    name = fleet.product(query["product"]).name if query.get("product") else None
    wanted = states(query.get("state", ""), {each.value: each is GateState.OPEN for each in GateState})
    most = limit(query.get("limit"), MOST)
    if wanted == (GateState.OPEN,):
        found = inbox(fleet, name)
        return json_response({"gates": views.gates_json(found[:most], fleet), "total": len(found)})
    some = fleet.store.gates.in_states(*map(GateState, wanted), product=name, limit=most)
    return json_response({"gates": views.gates_json(assess(fleet, some), fleet)})


@routes.get("/api/gates/{id}")
async def gate(request: web.Request) -> web.Response:
    """Return one gate, with its plan rendered and the changes since the previous revision."""
    fleet = request.app[CONTEXT].fleet
    return json_response(views.gate_json(fleet.gate(request.match_info["id"]), fleet))


@routes.get("/api/gates/{id}/history")
async def history(request: web.Request) -> web.Response:
    """Return the history of a gate and its earlier revisions from the audit log, oldest first."""
    fleet = request.app[CONTEXT].fleet
    revisions = list(_revisions(fleet, fleet.gate(request.match_info["id"])))
    known = {each.id: each.revision for each in revisions}
    rows = fleet.store.audit.about(*known)
    found = [{**asdict(each), "revision": known[each.gate]} for each in timeline.steps(rows)]
    return json_response({"history": found, "revisions": [{"id": id, "revision": number} for id, number in known.items()]})


@routes.post("/api/gates/{id}/decision")
async def decide(request: web.Request) -> web.Response:
    """Decide a gate and return its new state. 409 names the earlier decision where there is one."""
    context, id = request.app[CONTEXT], request.match_info["id"]
    with recorded(id, context):
        answer = given.parsed(given.ANSWER, await given.read_body(request))
    return json_response(views.gate_json(decided(id, answer, context), context.fleet))


@routes.post("/api/gates/decisions")
async def decide_each(request: web.Request) -> web.Response:
    """Decide up to 200 gates, and return the new state or the error of each.

    The gates must have the same kind and options (else 422). Each is decided independently.
    """
    context = request.app[CONTEXT]
    with recorded("gates", context):
        answers = given.parsed(given.ANSWERS, await given.read_body(request))
    shown = [Shown(each.id, each.revision, each.digest) for each in answers.gates]
    outcomes = await decisions.decide_each(
        context.fleet, shown, answers.choice, context.person(), note=answers.note, platform="web"
    )
    return json_response({"results": [_result(context.fleet, id, outcome) for id, outcome in outcomes]})


@contextmanager
def recorded(id: str, context: Context) -> Iterator[None]:
    """Record a decision that could not be read in the audit log."""
    try:
        yield
    except FleetError as error:
        context.fleet.record("refused", context.person().name, None, id[:40], {"why": error.message, "platform": "web"})
        raise


def decided(id: str, answer: given.Answer, context: Context) -> Gate:
    """Decide a gate on the web and return its new state."""
    return decisions.decide(
        context.fleet,
        id,
        answer.choice,
        context.person(),
        note=answer.note,
        revision=answer.revision,
        digest=answer.digest,
        platform="web",
    )


def _result(fleet: Fleet, id: str, outcome: Gate | FleetError) -> dict[str, Any]:
    """Return the result for one gate of several, with `error` where it was not decided."""
    error = outcome if isinstance(outcome, FleetError) else None
    now = outcome.data if isinstance(outcome, Conflict) else outcome
    shown = views.gates_json(assess(fleet, [now]), fleet)[0] if isinstance(now, Gate) else None
    return {"id": id, "decided": error is None, "gate": shown, **(error_json(error) if error else {})}


def _revisions(fleet: Fleet, newest: Gate) -> Iterator[Gate]:
    """Yield a gate, then its earlier revisions, newest first."""
    gate: Gate | None = newest
    for _ in range(MOST_REVISIONS):
        if gate is None:
            return
        yield gate
        gate = fleet.store.gates.get(gate.previous) if gate.previous else None
