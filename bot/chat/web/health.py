"""Liveness, readiness and Prometheus metrics."""

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from aiohttp import web

from bot.chat.web.context import CONTEXT, Context
from bot.chat.web.errors import Handler, Middleware, json_response
from bot.domain import WorkState
from bot.work.status import status as fleet_status

if TYPE_CHECKING:
    from prometheus_client.core import Metric

routes = web.RouteTableDef()
REQUESTS = web.AppKey("requests", Counter[tuple[str, str]])


@routes.get("/healthz")
async def alive(request: web.Request) -> web.Response:
    """Return 200 while the process answers."""
    return json_response({"status": "ok"})


@routes.get("/readyz")
async def ready(request: web.Request) -> web.Response:
    """Return the state of every part, with status 503 when one that is configured is down."""
    parts = request.app[CONTEXT].ready()
    fine = all(part.state != "down" for part in parts.values())
    shown = {name: {"state": part.state, "why": part.why} for name, part in parts.items()}
    return json_response({"ready": fine, "parts": shown}, 200 if fine else 503)


@routes.get("/metrics")
async def metrics(request: web.Request) -> web.Response:
    """Return metrics in Prometheus's text format."""
    from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest  # imported here because it takes 120 ms

    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(_Metrics(request.app[CONTEXT], request.app[REQUESTS]))
    return web.Response(body=generate_latest(registry), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})


def counting(requests: "Counter[tuple[str, str]]") -> Middleware:
    """Count every response by route and status."""

    @web.middleware
    async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        resource = request.match_info.route.resource
        requests[(resource.canonical if resource else "none", str(response.status))] += 1
        return response

    return count


class _Metrics:
    """Metrics of the fleet, collected at each request."""

    def __init__(self, context: Context, requests: "Counter[tuple[str, str]]") -> None:
        self._context, self._requests = context, requests

    def collect(self) -> "Iterable[Metric]":
        """Yield every metric family."""
        fleet = self._context.fleet
        status = fleet_status(fleet)
        products, capacity = status.products, status.capacity
        work = Counter(each.state.value for each in fleet.store.work.open())
        states = {(state.value,): work[state.value] for state in WorkState if state.open}
        yield _gauge("fleet_products", "Products by state", Counter((each.state,) for each in products), "state")
        yield _gauge(
            "fleet_sessions", "Running sessions by product", {(each.name,): len(each.sessions) for each in products}, "product"
        )
        yield _gauge(
            "fleet_gates_open", "Open gates by product", {(each.name,): len(each.gates) for each in products}, "product"
        )
        yield _gauge("fleet_work", "Unfinished work by state", states, "state")
        costs = {(each.name,): each.cost_usd_today for each in products}
        yield _gauge("fleet_cost_usd_today", "US dollars spent today by product", costs, "product")
        yield _gauge("fleet_spent_usd_today", "US dollars spent today in total", {(): capacity.spent_usd})
        yield _gauge("fleet_slots_used", "Slots in use", {(): capacity.running})
        yield _gauge("fleet_slots_max", "Slots available", {(): capacity.max_sessions})
        yield _gauge("fleet_sessions_running", "Former name of fleet_slots_used", {(): capacity.running})
        yield _gauge("fleet_sessions_max", "Former name of fleet_slots_max", {(): capacity.max_sessions})
        yield _gauge("fleet_runtime_memory_bytes", "Memory used by the runtimes", {(): capacity.memory_gb * 2**30})
        yield _gauge("fleet_runtime_cpu_percent", "CPU used by the runtimes", {(): capacity.cpu_percent})
        yield _gauge("fleet_runtimes_down", "Unreachable runtimes", {(): len(fleet.down)})
        outbox = {(state,): rows for state, rows in fleet.store.outbox.unsent().items()}
        yield _gauge("fleet_outbox", "Posts in the outbox that are not delivered, by state", outbox, "state")
        yield _gauge("fleet_web_clients", "Connected pages and programs", {(): len(self._context.clients)})
        yield _gauge("fleet_turns_running", "Conversations with a running turn", {(): len(self._context.router.running())})
        yield _counter("fleet_web_requests", "HTTP requests by route and status", self._requests, "route", "status")


def _gauge(name: str, words: str, values: Any, *labels: str) -> "Metric":
    from prometheus_client.core import GaugeMetricFamily

    return _filled(GaugeMetricFamily(name, words, labels=labels), values)


def _counter(name: str, words: str, values: Any, *labels: str) -> "Metric":
    from prometheus_client.core import CounterMetricFamily

    return _filled(CounterMetricFamily(name, words, labels=labels), values)


def _filled(family: Any, values: Any) -> "Metric":
    for labels, value in sorted(values.items()):
        family.add_metric(labels, value)
    metric: Metric = family
    return metric
