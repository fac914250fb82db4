"""Whether it lives, whether it is ready, and its figures for Prometheus."""

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from aiohttp import web

from bot.chat.web.refusals import Handler, Middleware, answer
from bot.chat.web.site import SITE, Site
from bot.domain import WorkState

if TYPE_CHECKING:
    from prometheus_client.core import Metric

routes = web.RouteTableDef()
REQUESTS = web.AppKey("requests", Counter[tuple[str, str]])


@routes.get("/healthz")
async def alive(request: web.Request) -> web.Response:
    """It answers, so it lives."""
    return answer({"status": "ok"})


@routes.get("/readyz")
async def ready(request: web.Request) -> web.Response:
    """Whether every part that is wanted works; 503 when one does not."""
    parts = request.app[SITE].ready()
    fine = all(part.state != "down" for part in parts.values())
    told = {name: {"state": part.state, "why": part.why} for name, part in parts.items()}
    return answer({"ready": fine, "parts": told}, 200 if fine else 503)


@routes.get("/metrics")
async def metrics(request: web.Request) -> web.Response:
    """Figures in Prometheus's text format."""
    from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest  # 120 ms; wanted by few

    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(_Figures(request.app[SITE], request.app[REQUESTS]))
    return web.Response(body=generate_latest(registry), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})


def counting(requests: "Counter[tuple[str, str]]") -> Middleware:
    """Count every answer by route and status."""

    @web.middleware
    async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        resource = request.match_info.route.resource
        requests[(resource.canonical if resource else "none", str(response.status))] += 1
        return response

    return count


class _Figures:
    """The fleet's figures, read when they are asked for."""

    def __init__(self, site: Site, requests: "Counter[tuple[str, str]]") -> None:
        self._site, self._requests = site, requests

    def collect(self) -> "Iterable[Metric]":
        """What Prometheus stores."""
        fleet = self._site.fleet
        status = fleet.status()
        products, capacity = status.products, status.capacity
        work = Counter(each.state.value for each in fleet.store.work.open())
        states = {(state.value,): work[state.value] for state in WorkState if state.open}
        yield _gauge("fleet_products", "Products by state", Counter((each.state,) for each in products), "state")
        yield _gauge("fleet_sessions", "Active sessions", {(each.name,): len(each.sessions) for each in products}, "product")
        yield _gauge("fleet_gates_open", "Gates that wait", {(each.name,): len(each.gates) for each in products}, "product")
        yield _gauge("fleet_work", "Unfinished work by state", states, "state")
        costs = {(each.name,): each.cost_usd_today for each in products}
        yield _gauge("fleet_cost_usd_today", "US dollars spent today by a product's agents", costs, "product")
        yield _gauge("fleet_spent_usd_today", "US dollars spent today in all", {(): capacity.spent_usd})
        yield _gauge("fleet_sessions_running", "Work that holds a place", {(): capacity.running})
        yield _gauge("fleet_sessions_max", "Places there are", {(): capacity.max_sessions})
        yield _gauge("fleet_runtime_memory_bytes", "Memory of the runtimes", {(): capacity.memory_gb * 2**30})
        yield _gauge("fleet_runtime_cpu_percent", "CPU of the runtimes", {(): capacity.cpu_percent})
        yield _gauge("fleet_runtimes_down", "Runtimes that do not answer", {(): len(fleet.down)})
        outbox = {(state,): rows for state, rows in fleet.store.outbox.counts().items()}
        yield _gauge("fleet_outbox", "Posts on their way to a platform, by state", outbox, "state")
        yield _gauge("fleet_web_clients", "Open pages and programs", {(): len(self._site.clients)})
        yield _gauge("fleet_turns_running", "Conversations in which a turn runs", {(): len(self._site.router.running())})
        yield _counter("fleet_web_requests", "Requests answered", self._requests, "route", "status")


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
