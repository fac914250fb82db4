"""`costs` and `metrics`: what sessions spent. Headless workers are missing, as in the real one."""

from typing import Any

from bot.rehearsal.answers import Answer
from bot.rehearsal.call import Call
from bot.rehearsal.errors import InvalidRequest
from bot.rehearsal.times import seconds_since

COUNTS = ("inputTokens", "outputTokens", "estimatedCostUsd")


def _last(call: Call) -> int:
    text = call.get("--last") or "20"
    if not text.isdigit() or int(text) < 1:
        raise InvalidRequest("--last must be a positive integer")
    return int(text)


def costs(call: Call) -> Answer:
    """What was spent: by session, by capability, or right now."""
    if call.has("--live"):
        return _live(call)
    with call.project.metrics() as metrics:
        rows = metrics.sessions(_last(call), agent_name=call.get("--agent"), run_id=call.get("--run"))
    text = "\n".join(f"{row['agentName']}: ${row['estimatedCostUsd'] or 0:.4f} (rehearsal)" for row in rows)
    if not call.has("--by-capability"):
        return Answer("costs", {"sessions": rows}, text or "No session data found (rehearsal)", bare="sessions")
    grouped = {
        capability: {"sessions": same, "totals": _totals(same)}
        for capability in sorted({row["capability"] for row in rows})
        if (same := [row for row in rows if row["capability"] == capability])
    }
    return Answer("costs", {"grouped": grouped}, text, bare="grouped")


def _totals(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "inputTokens": sum(row["inputTokens"] for row in rows),
        "outputTokens": sum(row["outputTokens"] for row in rows),
        "cacheTokens": sum(row["cacheReadTokens"] + row["cacheCreationTokens"] for row in rows),
        "costUsd": sum(row["estimatedCostUsd"] or 0 for row in rows),
    }


def _live(call: Call) -> Answer:
    with call.project.metrics() as metrics, call.project.sessions() as sessions:
        active = {one.agent_name: one for one in sessions.active()}
        latest = [one for one in metrics.latest_snapshots() if one["agent_name"] in active]
    wanted = call.get("--agent")
    agents = [
        {
            "agentName": one["agent_name"],
            "capability": active[one["agent_name"]].capability,
            "inputTokens": one["input_tokens"],
            "outputTokens": one["output_tokens"],
            "cacheReadTokens": one["cache_read_tokens"],
            "cacheCreationTokens": one["cache_creation_tokens"],
            "estimatedCostUsd": one["estimated_cost_usd"] or 0,
            "modelUsed": one["model_used"],
            "snapshotAt": one["created_at"],
            "sessionStartedAt": active[one["agent_name"]].started_at,
            "elapsedMs": int(seconds_since(active[one["agent_name"]].started_at) * 1000),
        }
        for one in latest
        if wanted in (None, one["agent_name"])
    ]
    totals = _totals(agents)
    minutes = sum(one["elapsedMs"] for one in agents) / len(agents) / 60_000 if agents else 0
    tokens = totals["inputTokens"] + totals["outputTokens"]
    totals["burnRatePerMin"] = totals["costUsd"] / minutes if minutes else 0
    totals["tokensPerMin"] = tokens / minutes if minutes else 0
    return Answer("costs", {"agents": agents, "totals": totals}, f"Live: ${totals['costUsd']:.4f} (rehearsal)")


def metrics(call: Call) -> Answer:
    """Session rows."""
    with call.project.metrics() as store:
        rows = store.sessions(_last(call))
    return Answer("metrics", {"sessions": rows}, f"{len(rows)} sessions recorded (rehearsal)")
