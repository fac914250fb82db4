"""The routes of gates: the inbox, one gate and its history, and decisions on one or on several."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from aiohttp import web

from bot.chat.web import bodies
from bot.chat.web.queries import limit, states
from bot.chat.web.refusals import answer, error_json
from bot.chat.web.site import SITE, Site
from bot.domain import Gate, GateState
from bot.domain.errors import Conflict, FleetError
from bot.fleet import Fleet
from bot.gates import history as timeline
from bot.gates import notify
from bot.gates.decide import Shown
from bot.work import views

routes = web.RouteTableDef()
MOST = 1000
"""Gates in one answer."""
MOST_REVISIONS = 50
"""Revisions whose history is told; the newest."""


@routes.get("/api/gates")
async def gate_list(request: web.Request) -> web.Response:
    """Gates with a summary: with `state=open` the inbox, what hurts most first, and the `total`; else oldest first. `product`
    and `limit` (what hurts most, or the newest; at most 1000) narrow it. `ids=g3,g1`: those, in that order."""
    fleet, query = request.app[SITE].fleet, request.query
    if "ids" in query:
        ids = query["ids"].split(",")[:MOST]
        known = fleet.store.gates.some(ids)
        named = [known[id] for id in dict.fromkeys(ids) if id in known]
        return answer({"gates": views.gates_json(fleet.weighed(named), fleet)})
    name = fleet.product(query["product"]).name if query.get("product") else None
    wanted = states(query.get("state", ""), {each.value: each is GateState.OPEN for each in GateState})
    most = limit(query.get("limit"), MOST)
    if wanted == (GateState.OPEN,):
        found = fleet.inbox(name)
        return answer({"gates": views.gates_json(found[:most], fleet), "total": len(found)})
    some = fleet.store.gates.in_states(*map(GateState, wanted), product=name, limit=most)
    return answer({"gates": views.gates_json(fleet.weighed(some), fleet)})


@routes.get("/api/gates/{id}")
async def gate(request: web.Request) -> web.Response:
    """One gate, with its plan rendered and what its revision changed."""
    fleet = request.app[SITE].fleet
    return answer(views.gate_json(fleet.gate(request.match_info["id"]), fleet))


@routes.get("/api/gates/{id}/history")
async def history(request: web.Request) -> web.Response:
    """What happened to a gate and to the revisions before it, from the journal, oldest first; and those revisions."""
    fleet = request.app[SITE].fleet
    revisions = list(_revisions(fleet, fleet.gate(request.match_info["id"])))
    known = {each.id: each.revision for each in revisions}
    rows = fleet.store.audit.about(*known)
    told = [{**asdict(each), "revision": known[each.gate]} for each in timeline.steps(rows)]
    return answer({"history": told, "revisions": [{"id": id, "revision": number} for id, number in known.items()]})


@routes.post("/api/gates/{id}/decision")
async def decide(request: web.Request) -> web.Response:
    """Decide a gate; the gate as it is then. 409 with who won where somebody was faster."""
    site, id = request.app[SITE], request.match_info["id"]
    with kept(site, id):
        given = bodies.parsed(bodies.ANSWER, await bodies.body(request))
    return answer(views.gate_json(decided(site, id, given), site.fleet))


@routes.post("/api/gates/decisions")
async def decide_each(request: web.Request) -> web.Response:
    """Decide up to 200 gates of the same kind with the same options, each by itself; for each the gate as it is then, or its
    error. 422 where they do not ask for the same."""
    site = request.app[SITE]
    with kept(site, "gates"):
        given = bodies.parsed(bodies.ANSWERS, await bodies.body(request))
    shown = [Shown(each.id, each.revision, each.digest) for each in given.gates]
    outcomes = await site.fleet.decide_each(shown, given.choice, site.person(), note=given.note, platform="web")
    return answer({"results": [_result(site.fleet, id, outcome) for id, outcome in outcomes]})


@contextmanager
def kept(site: Site, id: str) -> Iterator[None]:
    """Keep in the journal that a decision could not be read."""
    try:
        yield
    except FleetError as error:
        site.fleet.record("refused", site.person().name, None, id[:40], {"why": error.message, "platform": "web"})
        raise


def decided(site: Site, id: str, given: bodies.Answer) -> Gate:
    """The gate after a decision made on the web."""
    bound = {"note": given.note, "revision": given.revision, "digest": given.digest, "platform": "web"}
    return notify.decide(site.fleet, id, given.choice, site.person(), **bound)


def _result(fleet: Fleet, id: str, outcome: Gate | FleetError) -> dict[str, Any]:
    """What became of one of several: `{"id", "decided", "gate"}`, and `error` where it was not decided."""
    error = outcome if isinstance(outcome, FleetError) else None
    now = outcome.data if isinstance(outcome, Conflict) else outcome
    shown = views.gates_json(fleet.weighed([now]), fleet)[0] if isinstance(now, Gate) else None
    return {"id": id, "decided": error is None, "gate": shown, **(error_json(error) if error else {})}


def _revisions(fleet: Fleet, newest: Gate) -> Iterator[Gate]:
    """A gate, then the revisions before it, newest first."""
    gate: Gate | None = newest
    for _ in range(MOST_REVISIONS):
        if gate is None:
            return
        yield gate
        gate = fleet.store.gates.get(gate.previous) if gate.previous else None
