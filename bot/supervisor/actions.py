"""Operations that change a product.

Each of them holds the product's lock. One that takes a marker happens once for that marker.
"""

import asyncio
import re
from typing import Any

from bot.supervisor import commands
from bot.supervisor.drivers.base import OPERATOR, Driver, Task
from bot.supervisor.host import processes
from bot.supervisor.product import Product
from bot.supervisor.protocol import MAX_TEXT, ChannelError
from bot.supervisor.records.mailbox import Letter
from bot.supervisor.records.sessions import COORDINATOR, Row

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,80}")
"""Pattern of agent names, task ids and capabilities. They become paths, branches and arguments."""

HALT_TRIES = 40
"""Attempts to halt a product. An attempt fails if a halted process holds the lock of a database."""
HALT_PAUSE = 0.05
"""Seconds that the processes run between two attempts, so that they release the lock."""


async def start(product: Product) -> dict[str, Any]:
    """Start the coordinator if it does not run."""
    async with product.context.lock:
        product.refuse_if_paused()
        started = await _ensure_started(product, await product.driver())
    product.changed()
    return {"started": started}


async def send(product: Product, subject: str, body: str, marker: str, to: str, kind: str) -> dict[str, Any]:
    """Mail an agent as operator and start the coordinator if it is the recipient."""
    async with product.context.lock:
        driver = await product.driver()
        found = await _find_marked(product, "subject", marker)
        if found is None:
            product.refuse_if_paused()
        if to == COORDINATOR and not product.paused:
            await _ensure_started(product, driver)
        id = found.id if found else await driver.send(_with_marker(_one_line(subject), marker, " "), _checked(body), to, kind)
    product.changed()
    return {"id": id}


async def reply(product: Product, mail: str, body: str, marker: str, plan: str | None) -> dict[str, Any]:
    """Answer a mail in its thread and start the coordinator if it reads the answer."""
    async with product.context.lock:
        driver = await product.driver()
        found = await _find_marked(product, "body", marker)
        letter = await product.context.read(product.context.mailbox.by_id, mail)
        if letter is None and found is None:
            raise ChannelError(
                "not_found", f"The engine has no mail {mail}. It may have been deleted.", "Send the answer to the coordinator."
            )
        if letter is not None and plan is not None:
            await driver.file_plan(letter, plan)
        if not product.paused and (letter is None or await driver.reply_reader(letter) in (COORDINATOR, None)):
            await _ensure_started(product, driver)
        if found is None and letter is not None:
            id = await driver.answer(letter, _with_marker(_checked(body), marker, "\n\n"), halted=product.paused)
        else:
            id = found.id if found else ""
    product.changed()
    return {"id": id}


async def _ensure_started(product: Product, driver: Driver) -> bool:
    """Start the coordinator if it does not run, patch its hooks, and return True if it was started."""
    started = await product.restarter.start(driver)
    if started:
        await product.patch_hooks(await product.context.rows())
    return started


async def start_worker(product: Product, agent: str, capability: str, task: str, brief: str, marker: str) -> dict[str, Any]:
    """Start a worker unless its session or its branch shows that it was started before."""
    for what, word in (("agent", agent), ("capability", capability), ("task", task)):
        if not NAME.fullmatch(word):
            raise ChannelError("bad_request", f"{word!r} is not a valid {what} name.", "Use letters, digits, . _ and -.")
    async with product.context.lock:
        driver = await product.driver()
        branch = f"overstory/{agent}/{task}"
        known = await _existing_branch(product, agent, task, branch)
        if known is not None:
            return {"agent": agent, "branch": known, "already": True}
        product.refuse_if_paused()
        text = _with_marker(_checked(brief), marker, "\n\n")
        await product.context.command("spec", "write", task, "--agent", OPERATOR, text=text, deadline=20.0)
        spec = product.context.folder / "specs" / f"{task}.md"
        words = driver.start_worker_command(Task(agent, capability, task, str(spec)))
        try:
            row = await product.workers.start(agent, (*product.context.engine.argv, *words))
        except ChannelError:
            await _remove_leftovers(product, agent, branch)
            raise
    product.changed()
    return {"agent": agent, "branch": row.branch or branch, "already": False}


async def _existing_branch(product: Product, agent: str, task: str, branch: str) -> str | None:
    """Return the branch of a worker that was started before.

    Raises `name_taken` if another task uses the name."""
    row = await product.context.row(agent)
    if row is not None and row.task == task:
        return row.branch or branch
    if row is not None and (agent == COORDINATOR or agent in await product.alive((row,))):
        raise ChannelError("name_taken", f"{agent} is working on {row.task or 'another task'}.", "Choose another name.")
    return branch if await _has_branch(product, branch) else None


async def _has_branch(product: Product, branch: str) -> bool:
    words = ("git", "show-ref", "--verify", "--quiet", f"refs/heads/{branch}")
    return (await commands.run(words, product.context.path, deadline=15.0)).code == 0


async def _remove_leftovers(product: Product, agent: str, branch: str) -> None:
    """Remove the worktree and branch of a worker that never ran.

    0.5.8 leaves them behind, and they would block the next attempt."""
    if await product.context.row(agent) is not None or not await _has_branch(product, branch):
        return
    worktree = product.context.folder / "worktrees" / agent
    await commands.run(("git", "worktree", "remove", "--force", str(worktree)), product.context.path, deadline=15.0)
    await commands.run(("git", "branch", "-D", branch), product.context.path, deadline=15.0)


async def stop(product: Product, agent: str | None) -> dict[str, Any]:
    """Stop one agent, or the coordinator and every worker. The engine itself leaves workers running."""
    async with product.context.lock:
        driver = await product.driver()
        rows = await product.context.rows()
        if agent is not None and agent not in {row.agent for row in rows}:
            raise ChannelError("unknown_agent", f"There is no agent {agent}.", "List the product's agents with `fleet status`.")
        chosen = [row for row in rows if agent in (None, row.agent) and not row.ended]
        alive = await product.alive(tuple(chosen))
        if product.paused:
            await product.context.in_thread(processes.resume, await product.roots())
        await _stop_each(product, driver, chosen)
    product.changed()
    return {"stopped": [row.agent for row in chosen if row.agent in alive]}


async def _stop_each(product: Product, driver: Driver, rows: list[Row]) -> None:
    failed: ChannelError | None = None
    for row in sorted(rows, key=lambda row: row.agent != COORDINATOR):
        try:
            if row.agent == COORDINATOR:
                product.restarter.forget()
                await driver.stop_coordinator()
            else:
                await driver.stop_worker(row)
        except ChannelError as error:
            failed = failed or error
        starting = product.workers.running(await product.context.table()).get(row.agent)
        if starting is not None:
            await product.context.in_thread(processes.terminate, (starting,))
    if failed is not None:
        raise failed


async def pause(product: Product) -> dict[str, Any]:
    """Halt the product's sessions and the engine's own processes.

    The engine's own processes would start new turns."""
    async with product.context.lock:
        driver = await product.driver()
        await driver.check_pausable(await product.context.rows(), await product.context.table())
        product.context.set_paused(True)
        alive = await product.alive(await product.context.rows())
        await _halt(product)
    product.changed()
    return {"agents": sorted(alive)}


async def _halt(product: Product) -> None:
    """Halt all processes, but none that holds a database lock.

    Nothing could read that database until the process resumes."""
    for _ in range(HALT_TRIES):
        roots = await product.roots()
        await product.context.in_thread(processes.halt, roots)
        if not await product.context.read(product.locked):
            return
        await product.context.in_thread(processes.resume, roots)
        await asyncio.sleep(HALT_PAUSE)
    product.context.set_paused(False)
    raise ChannelError("locked", f"A database of {product.context.path} stays locked by its agents.", "Try again.")


async def resume(product: Product) -> dict[str, Any]:
    """Resume all halted processes."""
    async with product.context.lock:
        await product.driver()
        await product.context.in_thread(processes.resume, await product.roots())
        product.context.set_paused(False)
        alive = await product.alive(await product.context.rows())
    product.changed()
    return {"agents": sorted(alive)}


async def nudge(product: Product, agent: str, text: str) -> dict[str, Any]:
    """Nudge an agent. Return `delivered` and a reason. A refusal by the engine is not an error."""
    driver = await product.driver()
    product.refuse_if_paused()
    row = await product.context.row(agent)
    if row is None or agent not in await product.alive((row,)):
        return {"delivered": False, "reason": f"{agent} has ended." if row else f"There is no agent {agent}."}
    delivered, reason = await driver.nudge(agent, text)
    return {"delivered": delivered, "reason": reason}


async def _find_marked(product: Product, field: str, marker: str) -> Letter | None:
    if not marker.strip():
        raise ChannelError("bad_request", "The marker is missing.", "Send one. It makes the operation happen once.")
    return await product.context.read(product.context.mailbox.find_marked, field, marker.strip())


def _with_marker(text: str, marker: str, between: str) -> str:
    clean = text.replace("\0", "").encode("utf-8", "replace").decode().rstrip()
    return f"{clean}{between}{marker.strip()}" if clean else marker.strip()


def _one_line(subject: str) -> str:
    """Return a subject as one line, short enough that its marker is never cut off."""
    return " ".join(subject.split())[:300]


def _checked(text: str) -> str:
    if len(text) > MAX_TEXT:
        raise ChannelError("too_large", f"The text has {len(text)} characters. The limit is {MAX_TEXT}.", "Shorten it.")
    return text
