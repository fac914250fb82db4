"""The pictures in docs/slack.md, made from the messages of a fleet on a stand-in for Slack.

`python -m tests.chat.slack.pictures [FOLDER]` needs Chromium. The default folder is docs/images.
"""

import asyncio
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bot.domain import MailKind, Session
from tests.chat.slack.drawing import form, home, message, page
from tests.chat.slack.slackbed import SlackBed, labels
from tests.fakes.model import ScriptedModel, say
from tests.standins.slack_world import Channel, Json

REGISTRY = """
products:
  - {name: product-a, path: /p/product-a, priority: high, resource_weight: 3, channels: ["slack:#product-a"]}
  - {name: product-b, path: /p/product-b, resource_weight: 3, channels: ["slack:#product-b"]}
  - {name: product-c, path: /p/product-c, type: marketing}
  - {name: product-d, path: /p/product-d, type: support}
  - {name: product-e, path: /p/product-e}
scheduling: {max_concurrent_sessions: 2, resource_budget: {max_cpu_percent: 80, max_memory_gb: 12}}
budget: {per_day_usd: 20}
people:
  - {name: Ana, role: admin, slack: U01ANA}
  - {name: Ben, role: approver, slack: U02BEN}
"""
FIRST = """Replace the hand-written ladder with a small grammar.

1. Split lexing from parsing (`src/lex.py`, `src/parse.py`)
2. A Pratt parser for expressions
3. Add the dependency `parsy`
"""
SECOND = """Replace the hand-written ladder with a **table of precedences**; no new dependency.

1. Split lexing from parsing (`src/lex.py`, `src/parse.py`)
2. A table in place of the ladder:

| operator | binds | side |
| --- | ---: | --- |
| `+ -` | 10 | left |
| `* /` | 20 | left |
| `^` | 30 | right |

3. Keep the 41 tests green after every step

**Doubt:** `2 ^ -1` parses today by accident. I would keep it and write a test that says so.
"""
LONG = "Move every source of the importer to the new reader, one at a time.\n\n" + "\n".join(
    f"{at}. `sources/{name}.py`: read with `Reader`, its tests stay green"
    for at, name in enumerate(("bank", "shop", "post", "tax", "stock", "payroll", "archive", "returns") * 5, 1)
)
ANSWER = """Two gates need your decision: the plan of **product-b** (revision 2, about $3) and a question of product-a.

- product-b is ready to go once you approve
- product-c waits for a slot"""
NAMES = {"U01ANA": "Ana", "U02BEN": "Ben"}
Pictures = dict[str, tuple[str, str]]
"""Title bars and contents by name."""
WIDTHS = {"": 760, "-phone": 390}


async def morning(folder: Path) -> Pictures:
    """Return the pictures by name, each with its title bar and content."""
    model = ScriptedModel([say(ANSWER)])
    async with SlackBed(folder, REGISTRY, model=lambda: model) as bed:
        found: Pictures = {}
        first, second, changes = await _revised_plan(bed, found)
        await _long_plan_and_answer(bed, found)
        await _status(bed, found)
        await _home_and_outcome(bed, found, first, second)
        found["slack-form"] = ("", form(changes))
        await bed.ana.shortcuts(
            "make_task", "#product-b", await bed.ben.says("#product-b", "The quote of order 1042 rounds cents wrong")
        )
        found["slack-task"] = ("", form(await bed.ana.form()))
        assert not bed.slack.refused, bed.slack.refused
    return found


async def _revised_plan(bed: SlackBed, found: Pictures) -> tuple[Json, Json, Json]:
    """Return a plan's card, its second revision, and the form that requested changes."""
    bed.clock.forward(hours=2)
    await bed.ana.commands("#product-b", "spawn product-b rewrite the parser of quotes")
    await bed.answer("#product-b", "w1")
    await bed.slack.until(lambda: bed.work("w1").mail, "its mail")
    thread = bed.work("w1").mail
    bed.coordinator("product-b")
    bed.engine.set_snapshot("product-b", cost_usd_today=0.62, cpu_percent=38.0, memory_mib=2110.0)
    bed.engine.push_mail("product-b", kind=MailKind.PLAN, subject="Plan: rewrite the parser", body=FIRST, thread=thread,
                         task="t-1", revision=1)  # fmt: skip
    first = await bed.card("#product-b", "Needs")
    await bed.ben.presses("Request changes", "#product-b", first)
    changes = await bed.ben.form()
    await bed.ben.submits(changes, {"What should change?": "No new dependency; use a table instead of a ladder."})
    await bed.slack.until(lambda: not labels(first), "the outcome")
    bed.clock.forward(minutes=6)
    bed.engine.push_mail("product-b", kind=MailKind.PLAN, subject="Plan: rewrite the parser", body=SECOND, thread=thread,
                         task="t-1", revision=2)  # fmt: skip
    second = await bed.card("#product-b", "revision 2")
    await bed.answer("#product-b", "```diff")
    found["slack-card"] = ("#product-b", _thread(bed.b, second))
    note = await bed.answer("@fleet", "revision 2", who=bed.ben)
    found["slack-note"] = ("fleet <small>direct message</small>", message(note, NAMES))
    return first, second, changes


async def _long_plan_and_answer(bed: SlackBed, found: Pictures) -> None:
    bed.engine.push_mail(
        "product-a", kind=MailKind.QUESTION, subject="Which currency do invoices use?", body="EUR or USD? Both occur."
    )
    await bed.card("#product-a", "Which currency")
    bed.engine.push_mail("product-a", kind=MailKind.PLAN, subject="Plan: the importer", body=LONG,
                         task="t-2")  # fmt: skip
    long = await bed.card("#product-a", "the importer")
    await bed.slack.until(lambda: any("files" in each for each in bed.a.thread(long["ts"])), "the file")
    found["slack-long"] = ("#product-a", _thread(bed.a, long))
    bed.engine.set_sessions("product-a", Session("coordinator", "coordinator", "working", started_at=bed.clock()),
                            Session("builder-1", "builder", "working", started_at=bed.clock()))  # fmt: skip
    bed.engine.set_snapshot("product-a", cost_usd_today=1.4, cpu_percent=74.0, memory_mib=3480.0)
    await bed.answer("@fleet", "the importer", who=bed.ana)
    ask = await bed.ana.says("@fleet", "what needs my decision?")
    await bed.answer("@fleet", "Two gates need")
    found["slack-answer"] = ("fleet <small>direct message</small>", _since(bed.slack.world.im("U01ANA"), ask))


async def _status(bed: SlackBed, found: Pictures) -> None:
    for text in (
        "spawn product-c a newsletter for spring",
        "spawn product-d sort last week's requests",
        "spawn product-e a page for the price list",
        "status",
    ):
        bed.clock.forward(minutes=4)
        ts = await bed.ana.says("#lobby", f"<@fleet> {text}")
        await bed.answer("#lobby", thread=ts)
    found["slack-status"] = ("#lobby <small>thread</small>", _since(bed.lobby, ts))


async def _home_and_outcome(bed: SlackBed, found: Pictures, first: Json, second: Json) -> None:
    bed.clock.forward(minutes=12)
    await bed.ana.opens_home()
    await bed.slack.until(lambda: "Needs your decision" in str(bed.slack.world.homes.get("U01ANA")), "the Home")
    found["slack-home"] = ("fleet <small>Home · Messages · About</small>", home(bed.slack.world.homes["U01ANA"]))
    await bed.ben.presses("Approve", "#product-b", second)
    await bed.slack.until(lambda: not labels(second), "the outcome")
    mine = await bed.whispered(bed.ben, "Approved by Ben")
    found["slack-outcome"] = (
        "#product-b",
        _thread(bed.b, first)[:0] + message(first, NAMES) + message(second, NAMES) + message(mine, NAMES),
    )


def _thread(channel: Channel, root: Json) -> str:
    first, *rest = channel.thread(root["ts"])
    return message(first, NAMES) + "".join(message(each, NAMES, reply=True) for each in rest)


def _since(channel: Channel, ts: str) -> str:
    return "".join(message(each, NAMES) for each in channel.messages if each["ts"] >= ts)


def photograph(html: str, picture: Path, width: int) -> None:
    """Take a picture of a page in its full height."""
    with tempfile.TemporaryDirectory() as place:
        source = Path(place) / "page.html"
        source.write_text(html)
        command: list[Any] = [
            "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            f"--user-data-dir={place}/chromium",
        ]  # fmt: skip
        dumped = subprocess.run([*command, f"--window-size={width},400", "--virtual-time-budget=500", "--dump-dom",
                                 _measured(source, html)], capture_output=True, text=True, check=True).stdout  # fmt: skip
        height = int(dumped.partition('data-height="')[2].partition('"')[0])
        subprocess.run(
            [*command, f"--window-size={width},{height}", f"--screenshot={picture}", source], check=True, capture_output=True
        )


def _measured(source: Path, html: str) -> Path:
    """Return the page with a script that writes its own height into it."""
    path = source.with_name("measured.html")
    path.write_text(
        html
        + "<script>document.body.dataset.height = Math.ceil(document.documentElement.getBoundingClientRect().height)</script>"
    )
    return path


def main(arguments: list[str]) -> None:
    """Write all pictures, light and dark, for desktop and phone."""
    to = Path(arguments[0] if arguments else "docs/images")
    only = set(arguments[1:])
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(morning(Path(folder)))
    for name, (bar, inside) in found.items():
        if only and name not in only:
            continue
        for device, width in WIDTHS.items():
            for theme in ("", "-dark"):
                photograph(page(inside, dark=bool(theme), bar=bar, width=width), to / f"{name}{device}{theme}.png", width)


if __name__ == "__main__":
    main(sys.argv[1:])
