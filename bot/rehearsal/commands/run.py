"""`run`, `run list`, `run show`: in 0.11.0 the last two print text even with --json (finding 11)."""

from datetime import datetime

from bot.rehearsal.answers import Answer
from bot.rehearsal.call import Call
from bot.rehearsal.errors import BadUsage
from bot.rehearsal.sessions import Run
from bot.rehearsal.times import duration, seconds_since

RULE = "─" * 70


def length(run: Run) -> str:
    """How long a run took, or has taken so far."""
    if run.completed_at is None:
        return duration(seconds_since(run.started_at))
    ended, begun = (datetime.fromisoformat(moment) for moment in (run.completed_at, run.started_at))
    return duration((ended - begun).total_seconds())


def current(call: Call) -> Answer:
    """The run that is on."""
    run_id = call.project.current_run()
    with call.project.sessions() as sessions:
        run = sessions.run(run_id) if run_id else None
    if run is None:
        return Answer("run", {"run": None, "message": "No active run"}, "No active run (rehearsal)")
    return Answer("run", {"run": run.shape(), "duration": length(run)}, f"{run.id} {run.status} (rehearsal)")


def list_runs(call: Call) -> Answer:
    """All runs, newest first."""
    with call.project.sessions() as sessions:
        runs = sessions.runs()[: int(call.get("--last") or 10)]
    if not call.dialect.envelope:
        shown = [{key: value for key, value in run.shape().items() if key != "coordinatorName"} for run in runs]
        shown = [{**one, "duration": length(run)} for one, run in zip(shown, runs, strict=True)]
        return Answer("run list", {"runs": shown}, "\n".join(run.id for run in runs))
    lines = [f"{run.id:36} {run.status:10} {run.agent_count:<7} {length(run)}" for run in runs]
    table = ["Recent Runs (rehearsal)", RULE, f"{'ID':36} {'Status':10} {'Agents':7} Duration", RULE, *lines]
    return Answer("run list", text="\n".join(table) if runs else "  No runs recorded yet", plain=True)


def show(call: Call) -> Answer:
    """One run, as text."""
    with call.project.sessions() as sessions:
        run, agents = sessions.run(call.first), sessions.all(call.first)
    if run is None:
        raise BadUsage(f"✗ Run not found — {call.first}")
    lines = ["Run Details (rehearsal)", RULE, f"  ID:       {run.id}", f"  Status:   {run.status}"]
    lines += [f"  Started:  {run.started_at}", f"  Agents:   {run.agent_count}", f"  Duration: {length(run)}", ""]
    lines += [f"  {agent.agent_name} [{agent.capability}] {agent.state}" for agent in agents]
    return Answer("run show", text="\n".join(lines), plain=True)
