"""Command `worktree clean`. It deletes the mail of the agents that it removes (finding 14)."""

from bot.rehearsal import processes, worktrees
from bot.rehearsal.answers import Answer
from bot.rehearsal.call import Call
from bot.rehearsal.sessions import Session


def _agents(call: Call) -> list[tuple[worktrees.Worktree, Session | None]]:
    with call.project.sessions() as sessions:
        by_branch = {one.branch_name: one for one in sessions.all()}
    trees = worktrees.listed(call.project.root)
    return [(tree, by_branch.get(tree.branch)) for tree in trees if tree.branch.startswith("overstory/")]


def clean(call: Call) -> Answer:
    """Remove merged worktrees and branches of ended agents, and the mail of these agents."""
    cleaned: list[str] = []
    failed: list[str] = []
    skipped: list[str] = []
    gone: list[str] = []
    for tree, row in _agents(call):
        if row and row.active and not call.has("--all"):
            continue
        lead = bool(row and row.capability == "lead")
        merged = worktrees.is_merged(call.project.root, tree.branch, call.project.branch)
        if not (call.has("--force") or lead or merged):
            skipped.append(tree.branch)
            continue
        if row and row.active:
            processes.end(call.project.turn_process(row.agent_name) or row.pid)
        removed, _ = worktrees.remove(call.project, tree.path, tree.branch, force=True)
        (cleaned if removed else failed).append(tree.branch)
        if removed and row:
            gone.append(row.agent_name)
    with call.project.mail() as mail, call.project.sessions() as sessions:
        purged = sum(mail.purge(agent=name) for name in gone)
        for name in gone:
            sessions.remove(name)
    fields = {
        "cleaned": cleaned,
        "failed": failed,
        "skipped": skipped,
        **({"blockedByChildren": []} if call.dialect.headless else {}),
        "pruned": len(gone),
        "mailPurged": purged,
        **({"seedsPreserved": []} if call.dialect.headless else {}),
    }
    return Answer("worktree clean", fields, f"Cleaned {len(cleaned)} worktrees (rehearsal)")
