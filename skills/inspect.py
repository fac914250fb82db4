"""Show a product's sessions, or one agent's recent tool calls and output.

Use it when status is not enough: an agent seems stuck, slow or lost, or a person wants to watch. Name an agent to see its
last actions; without one, all sessions of the product are listed.
"""

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bot.commands.skill import Role, SkillArgs, SkillContext, SkillResult, Table, skill, words
from bot.domain import Session
from bot.text.quoting import fenced
from bot.text.wording import count, shortened, since
from bot.work.sessions import session, sessions_of

if TYPE_CHECKING:
    from bot.fleet import Fleet

EVENTS, LINES = 12, 40
"""Maximum number of actions and of output lines shown to people. `data` has all of them."""


class Args(SkillArgs):
    """Arguments of `inspect`."""

    product: str = words(description="Name of the product.")
    agent: str | None = words(None, description="Name of one agent, as status shows it; all sessions by default.")


@skill(
    reads=True,
    role=Role.VIEWER,
    summary="Show what a product's agents are doing, in detail.",
    examples=["inspect product-a", "inspect product-a coordinator"],
    synonyms="look show logs log",
)
async def inspect(args: Args, context: SkillContext) -> SkillResult:
    """Return all sessions from the last snapshot, or the current state of one agent."""
    fleet, name = context.fleet, context.fleet.product(args.product).name
    if args.agent is None:
        return _sessions(fleet, name)
    found = session(fleet, name, args.agent)
    seen = await fleet.engine.inspect(name, args.agent)
    events: list[dict[str, Any]] = list(seen.get("events", ()))
    output = str(seen.get("output") or "").rstrip()
    lines = [_line(found, fleet), ""]
    lines += [f"- {_event(each, fleet)}" for each in events[:EVENTS]] or ["No actions recorded."]
    if output:
        lines += ["", fenced("\n".join(output.splitlines()[-LINES:]))]
    data = {"product": name, "session": _json(found), "events": events, "output": output}
    return SkillResult("\n".join(lines), data=data)


def _sessions(fleet: "Fleet", product: str) -> SkillResult:
    found = sorted(sessions_of(fleet, product), key=lambda each: not each.active)
    data = {"product": product, "sessions": [_json(each) for each in found]}
    if not found:
        return SkillResult(f"No agent has run in **{product}** yet.", data=data)
    running = sum(each.active for each in found)
    head = f"**{product}**: {count(running, 'session')} running, {len(found) - running} ended"
    lines = [head, "", *(f"- {_line(each, fleet)}" for each in found)]
    rows = tuple(
        (each.agent, each.capability, _state(each), each.task, since(each.started_at, fleet.now()), each.branch)
        for each in found
    )
    return SkillResult(
        "\n".join(lines), data=data, table=Table(("agent", "capability", "state", "task", "age", "branch"), rows)
    )


def _line(session: Session, fleet: "Fleet") -> str:
    capability = "" if session.agent == session.capability else f" {session.capability},"
    parts = [f"**{session.agent}**{capability} {_state(session)}"]
    if session.task:
        parts.append(f"task {session.task}")
    if session.started_at:
        parts.append(f"started {since(session.started_at, fleet.now())} ago")
    if session.last_activity:
        parts.append(f"last active {since(session.last_activity, fleet.now())} ago")
    if session.branch:
        parts.append(f"`{session.branch}`")
    return " · ".join(parts)


def _state(session: Session) -> str:
    """Return the engine's state, or note that the process is gone."""
    ended = session.state in {"completed", "zombie"}
    return session.state if session.alive or ended else f"gone (recorded as {session.state})"


def _event(event: dict[str, Any], fleet: "Fleet") -> str:
    parts = [f"{_ago(event.get('at'), fleet)}:", *(str(event[key]) for key in ("kind", "tool") if event.get(key))]
    text = shortened(str(event.get("text") or ""), 120).replace("`", "'")
    return " ".join([*parts, f"`{text}`"] if text else parts)


def _ago(at: object, fleet: "Fleet") -> str:
    try:
        return f"{since(datetime.fromisoformat(str(at)), fleet.now())} ago"
    except (ValueError, TypeError):
        return str(at or "some time ago")


def _json(session: Session) -> dict[str, Any]:
    values = asdict(session)
    return {key: value.isoformat() if hasattr(value, "isoformat") else value for key, value in values.items()}
