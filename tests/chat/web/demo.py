"""The page of a fleet in use, for looking at it.

`python -m tests.chat.web.demo [port] [gates]` prints its address. With `gates`, several gates are open.
"""

import asyncio
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bot.agent.model import Model, ModelRequest
from bot.domain import MailKind, Session
from bot.gates.decide import decide
from bot.work.capacity import CpuLoad
from tests.bed import Clock
from tests.chat.web.webbed import TOKEN, WebBed
from tests.fakes.model import ScriptedModel
from tests.standins.script import Call, Reply, calls, say

REGISTRY = """
products:
  - {name: product-a, path: /projects/product-a, priority: high, resource_weight: 3, channels: ["web:product-a"]}
  - {name: product-b, path: /projects/product-b, resource_weight: 3}
  - {name: product-c, path: /projects/product-c, type: marketing}
  - {name: product-d, path: /projects/product-d, type: support, priority: low}
people:
  - {name: ana, role: admin, web: token}
  - {name: ben, role: approver, slack: U01BEN}
approvals: {approvers: [ana, ben], escalate_after: 20}
budget: {per_day_usd: 20}
scheduling: {max_concurrent_sessions: 4, resource_budget: {max_cpu_percent: 80, max_memory_gb: 12}}
"""

FIRST_PLAN = """Replace the hand-written ladder with a small grammar.

1. Split lexing from parsing (`src/lex.py`, `src/parse.py`)
2. A Pratt parser for expressions
3. Add the dependency `parsy`
4. Move the old tests over, one by one
"""
SECOND_PLAN = """Replace the hand-written ladder with a table of precedences; no new dependency.

1. **Split lexing from parsing** (`src/lex.py`, `src/parse.py`)
2. A table of precedences in place of the ladder

   | operator | binds | side |
   | --- | ---: | --- |
   | `+ -` | 10 | left |
   | `* /` | 20 | left |
   | `^` | 30 | right |

3. Keep the 41 tests green after every step; add 12 for errors
4. Remove `src/ladder.py`

**Doubt:** `2 ^ -1` parses today by accident. I would keep it and write a test that says so.

Touches 5 files in 1 module · about $2 to $4 and 25 min, from 9 past runs.
"""


LONG_PLAN = """Move the three inboxes of support onto one queue: each request is answered once, by the right person.

## What changes for people

- Requests keep their number, wherever they came in
- Answers are drafted by `support`, sent by a person
""" + "".join(
    f"""
## Step {number}: {what}

1. Read how `inbox/{name}.py` does it today, and write it down in `docs/inbox.md`
2. Move it behind `Queue`, with its tests
3. Compare 200 old requests with what the new code makes of them

Nothing is deleted in this step.
"""
    for number, (name, what) in enumerate(
        [("mail", "mail"), ("forms", "the two forms"), ("phone", "notes of calls"), ("rules", "routing rules")], 1
    )
)
SMALL_PLANS = {
    "Name the columns of the export": "1. `report.py`: a header line, off by default\n2. A test\n3. A line in the README",
    "Faster tests": "1. Share the parsed sheet among tests\n2. Drop the sleep in `test_report.py`",
}


class RealClock(Clock):
    """The current time, less the offset that was set."""

    def __init__(self) -> None:
        self.at = datetime.now(UTC)
        self.back = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) - self.back

    def ago(self, **span: float) -> None:
        """Set how long ago it is now."""
        self.back = timedelta(**span)


def answer(request: ModelRequest) -> Reply:
    """Return the reply of the stand-in for Claude."""
    last = request.messages[-1]["content"]
    blocks = last if isinstance(last, list) else [{"type": "text", "text": last}]
    if any(block.get("type") == "tool_result" for block in blocks):
        return say(
            "**product-b** needs your decision on revision 2 of the parser plan. It no longer adds a dependency.\n\n"
            "- **product-a** is running the auth feature with a lead and two builders\n"
            "- **product-d** has triaged 3 of 11 requests\n- **product-c** is idle. It merged the launch post two hours ago\n\n"
            "Decide the plan first, because product-b is waiting for it. `/fleet inspect product-b` shows its recent activity."
        )
    return calls(Call("status", {}))


class Demo(WebBed):
    """A fleet in the middle of a day."""

    def __init__(self, folder: Path, model: Callable[[], Model] | None = None) -> None:
        super().__init__(folder, REGISTRY, model or (lambda: ScriptedModel(script=answer)))
        self.clock: RealClock = RealClock()
        self.engine.now = self.clock
        self.engine.info = replace(self.engine.info, engine="0.11.0 (rehearsal)", rehearsal=True)

    async def act(self) -> None:
        """Play the events of the day."""
        self.person = self.chat.context.person()
        self.clock.ago(hours=2, minutes=10)
        await self.say("/fleet spawn product-c write the launch post", conversation="web:product-c")
        self._answered("product-c", "Merged **Launch post** (`content/launch.md`), 640 words, style guide held.")
        await self.settled()
        self.clock.ago(minutes=31)
        await self.say("/fleet spawn product-b rewrite the parser, and show me the plan first")
        self.clock.ago(minutes=24)
        self._plan(FIRST_PLAN)
        await self.settled()
        gate = self.open_gate()
        self.clock.ago(minutes=20)
        decide(self.fleet, gate.id, "changes", self.person, note="No new dependency for this, please.")
        await self.settled()
        self.clock.ago(minutes=12)
        self._plan(SECOND_PLAN)
        await self.settled()
        self.clock.ago(minutes=18)
        await self.say("/fleet spawn product-a auth feature", conversation="web:product-a")
        self.clock.ago(minutes=6)
        await self.say("/fleet spawn product-d triage the inbox", conversation="web:product-d")
        self._sessions()
        await self.settled()
        self.clock.ago(seconds=40)
        await self.say("What is the status of each product?")
        self.clock.ago()

    async def ask_more(self) -> None:
        """Open four more gates, of two small plans, a long plan and a question."""
        self.clock.ago(minutes=4)
        for title, body in SMALL_PLANS.items():
            self.plan("product-a", body, subject=title, sender="lead-auth", task=title, plan=body)
        self.clock.ago(minutes=3)
        self.plan("product-d", LONG_PLAN, subject="One queue for three inboxes")
        self.clock.ago(minutes=2)
        self.engine.push_mail(
            "product-c", kind=MailKind.QUESTION, subject="Which voice?", body="Do we say *you* or *one* in headlines?"
        )
        await self.settled()
        self.clock.ago()

    def _plan(self, body: str) -> None:
        work = self.store.work.newest("product-b")[0]
        self.plan("product-b", body, subject="Rewrite the parser", thread=work.mail, task="pb-7", plan=body)

    def _answered(self, product: str, body: str) -> None:
        work = self.store.work.newest(product)[0]
        self.engine.push_mail(product, kind=MailKind.FINISHED, subject="Done", body=body, thread=work.mail)

    def _sessions(self) -> None:
        self.fleet.state(CpuLoad).percent = 41.0
        now = self.clock()

        def session(agent: str, capability: str, minutes: float, task: str = "") -> Session:
            return Session(agent, capability, "working", task, started_at=now - timedelta(minutes=minutes), last_activity=now)

        self.engine.set_snapshot(
            "product-a",
            sessions=(
                session("coordinator", "coordinator", 12),
                session("lead-auth", "lead", 11, "pa-3"),
                session("builder-login", "builder", 9, "pa-4"),
                session("builder-tokens", "builder", 7, "pa-5"),
            ),
            coordinator=True,
            cost_usd_today=1.40,
            memory_mib=4.2 * 1024,
        )
        self.engine.set_snapshot(
            "product-b",
            sessions=(session("coordinator", "coordinator", 25),),
            coordinator=True,
            cost_usd_today=0.62,
            memory_mib=1.6 * 1024,
        )
        self.engine.set_snapshot("product-c", cost_usd_today=0.75)
        self.engine.set_snapshot(
            "product-d",
            sessions=(session("support-1", "support", 5, "3 of 11"),),
            coordinator=True,
            cost_usd_today=0.35,
            memory_mib=2.1 * 1024,
        )


async def main(port: int = 0, *, more: bool = False) -> None:
    """Serve the page until interrupted."""
    with tempfile.TemporaryDirectory() as folder:
        demo = Demo(Path(folder))
        demo.ports = (port, 0)
        async with demo:
            await demo.act()
            if more:
                await demo.ask_more()
            print(f"http://localhost:{demo.ports[0]}/?token={TOKEN}", flush=True)
            await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 0, more="gates" in sys.argv))
