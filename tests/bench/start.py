"""`fleet up` until it is healthy, on a state folder that has been used before."""

from bot.cli import demo
from tests.bench.bench import Bench
from tests.bench.coordinator import Coordinator, end_supervisors
from tests.bench.figures import Figure, Section, middle

RUNS = 9


async def measure(bench: Bench) -> Section:
    """The first start, which also starts the supervisor and the rehearsal, and those after it."""
    place = bench.place("start")
    fleet = Coordinator(place, demo.prepare(place / "state"), {"FLEET_ENGINE": "rehearsal"})
    healthy, ready = [], []
    try:
        for _ in range(1 + RUNS):
            async with fleet:
                healthy.append(fleet.healthy_after)
                ready.append(fleet.ready_after)
    finally:
        end_supervisors(fleet.state)
    method = (
        "From the start of the process to the first 200 of `/healthz`, and of `/readyz` (every part, also the engine), asked "
        "every 5 ms. Four products on the rehearsal. OpenClaw's first answer came about 3.5 s after it was ready."
    )
    return Section(
        "Start",
        method,
        (
            middle("`fleet up` to healthy", healthy[1:], goal=1500, openclaw="4,700 to 16,000 ms"),
            middle("`fleet up` to ready, its supervisor running", ready[1:], openclaw="6,100 to 9,000 ms"),
            Figure("the very first `fleet up` to healthy", healthy[0] * 1000, "ms"),
            Figure("the very first `fleet up` to ready, its supervisor started", ready[0] * 1000, "ms"),
        ),
    )
