"""Time from `fleet up` until it is healthy, on a state folder that was used before."""

from bot import demo
from tests.bench.bench import Bench
from tests.bench.figures import Figure, Section, middle
from tests.bench.running_fleet import RunningFleet, end_supervisors

RUNS = 9


async def measure(bench: Bench) -> Section:
    """Measure the first start, which also starts the supervisor and the rehearsal, and later starts."""
    place = bench.place("start")
    fleet = RunningFleet(place, demo.prepare(place / "state"), {"FLEET_ENGINE": "rehearsal"})
    healthy, ready = [], []
    try:
        for _ in range(1 + RUNS):
            async with fleet:
                healthy.append(fleet.healthy_after)
                ready.append(fleet.ready_after)
    finally:
        end_supervisors(fleet.state)
    method = (
        "From the start of the process to the first 200 of `/healthz`, and of `/readyz` (every part, including the engine), "
        "polled every 5 ms. Four products on the rehearsal. OpenClaw's first answer came about 3.5 s after it was ready."
    )
    return Section(
        "Start",
        method,
        (
            middle("`fleet up` to healthy", healthy[1:], goal=1500, openclaw="4,700 to 16,000 ms"),
            middle("`fleet up` to ready, with its supervisor running", ready[1:], openclaw="6,100 to 9,000 ms"),
            Figure("first `fleet up` to healthy", healthy[0] * 1000, "ms"),
            Figure("first `fleet up` to ready, starting its supervisor", ready[0] * 1000, "ms"),
        ),
    )
