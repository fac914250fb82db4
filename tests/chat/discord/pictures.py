"""Pictures of the bot's messages on Discord, drawn on a page that imitates Discord's client.

`python -m tests.chat.discord.pictures docs/images [NAME …]` writes discord-*.png. It needs Chromium.
"""

import asyncio
import html
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from simcord.backend.models import Message

from bot.chat.discord.to_commands import TASK
from bot.domain import MailKind
from tests.chat.discord.discordbed import PLAN, DiscordBed
from tests.fakes.model import ScriptedModel, say
from tests.standins.discord_people import find

STYLE = Path(__file__).with_suffix(".css")
MEASURE = "<script>document.body.dataset.height = Math.ceil(document.body.getBoundingClientRect().height)</script>"
"""Script that writes the page's height into the page."""
LOWEST = 170
"""Least height in pixels."""
QUIET = (
    "headless",
    "no-sandbox",
    "disable-gpu",
    "hide-scrollbars",
    "no-first-run",
    "disable-background-networking",
    "disable-component-update",
    "disable-sync",
    "disable-quic",
)
NOW = int(datetime(2026, 3, 1, 12, 13, tzinfo=UTC).timestamp())
PLAN_1 = """Split the report into reading and writing, so that other formats can be added.

1. Move parsing from `hours/report.py` to `hours/sheet.py`
2. Ladder of `if` for each format
3. Add a dependency for CSV
"""
PLAN_2 = """Split the report into reading and writing, so that other formats can be added.

1. Move parsing from `hours/report.py` to `hours/sheet.py`
2. A table of formats, one function each
3. Tests for text and CSV

| file | change |
|---|---|
| hours/sheet.py | +48 |
| hours/report.py | −31 |
| tests/test_sheet.py | +36 |
"""
ANSWER = """Two products want something from you:

- **product-a** needs your decision on its plan, revision 2. It includes your note, and the new dependency is gone.
- **product-b** is working on the parser; its tests have been green for ten minutes.

I would approve product-a first: product-b needs the same files next."""


LONG = "Rewrite the importer in steps, each of them with its test.\n\n" + "\n".join(
    f"{at}. Step {at}: move one more of the sources to the table of formats" for at in range(1, 65)
)
LOOKS = {"light": ("light", 760), "dark": ("dark", 760), "phone": ("light phone", 390), "phone-dark": ("dark phone", 390)}


def main(arguments: Sequence[str]) -> int:
    """Write the pictures, light and dark, for desktop and phone."""
    folder = Path(arguments[0])
    for name, body in asyncio.run(scenes()).items():
        for look, (classes, width) in LOOKS.items():
            if arguments[1:] and name not in arguments[1:]:
                continue
            shoot(page(body, classes, width), folder / f"discord-{name}-{look}.png", width)
            print(f"wrote discord-{name}-{look}.png")
    return 0


async def scenes() -> dict[str, str]:
    """Return each picture's messages."""
    hold = asyncio.Event()
    model = ScriptedModel(
        [
            say(ANSWER, hold=None),
            say("Looking\u00a0at\u00a0what\u00a0product-b\u00a0has\u00a0committed\u00a0today: the parser", hold=hold),
        ]
    )
    with tempfile.TemporaryDirectory() as folder:
        async with DiscordBed(Path(folder), model=lambda: model) as bed:
            shown = await _acted(bed)
            hold.set()
    return shown


async def _acted(bed: DiscordBed) -> dict[str, str]:
    await bed.commands()
    await (await bed.slash(bed.ana, bed.other, "spawn product-b rewrite the parser")).answer("w1")
    await (await bed.slash(bed.ana, bed.channel, "spawn product-a read other formats")).answer("w2")
    await bed.discord.until(lambda: bed.work("w2").mail, "it has begun")
    for product in ("product-a", "product-b"):
        bed.coordinator(product)
    bed.engine.set_snapshot("product-a", cost_usd_today=0.62)
    _plan(bed, 1, PLAN_1)
    first = await bed.ana.sees(bed.channel, "Plan: Split the report")
    opened = draw([first])
    note = "Use a table instead of a ladder, and no new dependency."
    form = await bed.ben.press(first, "Request changes")
    found = {"form": draw_form(form.record.modal or {}, note=note)}
    await bed.ben.submit(form, note=note)
    bed.clock.forward(minutes=9)
    _plan(bed, 2, PLAN_2)
    second = await bed.ana.sees(bed.channel, "Plan: Split the report", "Changes since revision 1")
    found["card"] = opened + draw([second])
    found["note"] = draw([await bed.ben.sees(bed.ben.direct, "revision 2", "Open the card")])
    found["talk"] = await _talk(bed)
    found["board"] = draw([await bed.ana.sees(bed.channel, "Fleet board", "Waiting for a decision", "Open g2")])
    refused = await (await bed.vic.press(second, "Approve")).answer("can decide")
    await (await bed.ana.press(second, "Approve")).answer("Approved by ana")
    await bed.discord.until(lambda: find([second], ["Approved by ana"]), "it is decided")
    found["outcome"] = draw([refused, first, second])
    wish = bed.vic.say(bed.other, "The report should be sorted by date, newest first.")
    found["task"] = draw_form((await bed.ana.menu(bed.other, TASK, wish)).record.modal or {})
    bed.engine.push_mail("product-b", kind=MailKind.PLAN, subject="The importer", body=LONG, task="t-9")
    found["long"] = draw([await bed.ana.sees(bed.other, "The importer", "plan-g3.md")])
    return found


async def _talk(bed: DiscordBed) -> str:
    said = bed.ana.mention(bed.channel, "what waits for me, and in what order should I take it?")
    thread = await bed.thread(said)
    answer = await bed.ana.sees(thread, "I would approve product-a first")
    await bed.discord.until(lambda: not answer.components, "it is finished")
    again = bed.ana.say(thread, "What has product-b changed since this morning?")
    return draw([said, answer, again, await bed.ana.sees(thread, "Looking")])


def _plan(bed: DiscordBed, revision: int, body: str) -> None:
    payload, thread = {**PLAN, "revision": revision}, bed.work("w2").mail
    bed.engine.push_mail("product-a", kind=MailKind.PLAN, subject="Split the report", body=body, **payload, thread=thread)


# -- drawing ---------------------------------------------------------------------------------------------------------------


def draw(messages: Sequence[Message]) -> str:
    """Return messages as Discord shows them."""
    return "".join(_message(each) for each in messages)


def _message(message: Message) -> str:
    ours = message.webhook_id is None and (message.components or message.flags or message.interaction_metadata)
    bot = bool(ours) or ("<@" not in message.content and message.author_id < 0)
    name, badge, face = ("fleet", '<b class="app">APP</b>', "▲") if bot else ("ana", "", "A")
    only = '<div class="only">Only you can see this · <u>Dismiss message</u></div>' if message.is_ephemeral else ""
    text = f'<div class="text">{markdown(message.content)}</div>' if message.content else ""
    parts = "".join(_component(each, message) for each in message.components)
    kind = "message private" if message.is_ephemeral else "message"
    return (
        f'<div class="{kind}"><div class="face {"bot" if bot else ""}">{face}</div>'
        f'<div class="said"><div class="name">{name} {badge}<time>Today at 14:02</time></div>{text}{parts}{only}</div></div>'
    )


def _component(each: dict[str, Any], message: Message) -> str:
    inner = "".join(_component(child, message) for child in each.get("components") or [])
    match each["type"]:
        case 1:
            return f'<div class="row">{inner}</div>'
        case 2:
            style = {1: "primary", 2: "secondary", 3: "success", 4: "danger", 5: "secondary"}[each["style"]]
            return (
                f'<span class="button {style}">{html.escape(each.get("label", ""))}{" ↗" if each["style"] == 5 else ""}</span>'
            )
        case 3:
            return f'<span class="menu">{html.escape(each.get("placeholder") or "")} ▾</span>'
        case 10:
            return f'<div class="text">{markdown(each["content"])}</div>'
        case 13:
            name = each["file"]["url"].rpartition("/")[2]
            return f'<div class="file"><b></b><span>{html.escape(name)}</span></div>'
        case 14:
            return '<div class="rule"></div>'
        case 17:
            colour = f"#{each['accent_color']:06x}" if each.get("accent_color") is not None else "#888"
            return f'<div class="container" style="border-left-color:{colour}">{inner}</div>'
    return inner


def draw_form(form: dict[str, Any], **filled: str) -> str:
    """Return a form as Discord opens it, with the values in `filled` by field id."""
    fields = "".join(_field(each, filled) for each in form.get("components", []))
    buttons = '<span class="button secondary">Cancel</span><span class="button primary">Submit</span>'
    return f'<div class="form"><h3>{html.escape(form["title"])}</h3>{fields}<div class="row end">{buttons}</div></div>'


def _field(label: dict[str, Any], filled: dict[str, str]) -> str:
    field = label["component"]
    hint = f'<div class="hint">{html.escape(label["description"])}</div>' if label.get("description") else ""
    needed = " <i>*</i>" if field.get("required", True) else ""
    value = filled.get(field["custom_id"], field.get("value") or "")
    inner = f'<div class="input">{html.escape(value)}</div>'
    if field["type"] == 3:
        chosen = next((each["label"] for each in field["options"] if each.get("default")), field.get("placeholder", ""))
        inner = f'<div class="input short">{html.escape(chosen)}<span>▾</span></div>'
    return f"<label>{html.escape(label['label'])}{needed}</label>{hint}{inner}"


def markdown(text: str) -> str:
    """Convert the subset of Discord's Markdown that the bot uses."""
    return "".join(_lines(text.split("\n")))


def _lines(lines: list[str]) -> Iterator[str]:
    at = 0
    while at < len(lines):
        line = lines[at]
        if line.startswith("```"):
            end = next((n for n in range(at + 1, len(lines)) if lines[n].startswith("```")), len(lines))
            yield f"<pre>{''.join(_code(each, line[3:]) for each in lines[at + 1 : end])}</pre>"
            at = end + 1
            continue
        if found := re.match(r"(#{1,3}) (.*)", line):
            yield f"<h{len(found[1])}>{_inline(found[2])}</h{len(found[1])}>"
        elif line.startswith("-# "):
            yield f'<div class="small">{_inline(line[3:])}</div>'
        elif found := re.match(r"\s*[-*] (.*)", line):
            yield f'<div class="item">• {_inline(found[1])}</div>'
        elif found := re.match(r"\s*(\d+\.) (.*)", line):
            yield f'<div class="item">{found[1]} {_inline(found[2])}</div>'
        else:
            yield f"<div>{_inline(line) or '&nbsp;'}</div>"
        at += 1


def _code(line: str, language: str) -> str:
    kind = {"+": "plus", "-": "minus", "@": "at"}.get(line[:1], "") if language == "diff" else ""
    return f'<span class="{kind}">{html.escape(line)}\n</span>'


def _stamp(found: re.Match[str]) -> str:
    """Return a time as Discord shows it, relative to the time of the picture."""
    minutes = round((int(found[1]) - NOW) / 60)
    said = f"in {minutes} minutes" if minutes > 0 else f"{-minutes} minutes ago" if minutes else "a few seconds ago"
    return f"<span class=stamp>{said}</span>"


def _inline(text: str) -> str:
    text = html.escape(text, quote=False)
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", text)
    text = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", text)
    text = re.sub(r"\[([^\]]+)\]\(([^)]+)\)", r"<a>\1</a>", text)
    text = re.sub(r"&lt;t:(\d+):R&gt;", _stamp, text)
    text = re.sub(r"&lt;t:\d+:t&gt;", "<span class=stamp>14:02</span>", text)
    text = re.sub(r"&lt;@\d+&gt;", "<span class=mention>@fleet</span>", text)
    return re.sub(r"\\([*_~`|>])", r"\1", text)


def page(body: str, look: str, width: int) -> str:
    """Return a full HTML page."""
    style = f"<style>{STYLE.read_text()}</style>"
    return f'<!doctype html><meta charset="utf-8">{style}<body class="{look}" style="width:{width}px">{body}</body>'


def shoot(text: str, path: Path, width: int) -> None:
    """Take a picture of a page in its full height. Chromium draws none lower than `LOWEST`."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "page.html"
        source.write_text(text + MEASURE)
        dumped = _chromium(folder, "--window-size=1000,1000", "--virtual-time-budget=500", "--dump-dom", source.as_uri())
        height = max(LOWEST, int(dumped.partition('data-height="')[2].partition('"')[0]))
        _chromium(folder, f"--window-size={width},{height}", f"--screenshot={path}", source.as_uri())


def _chromium(folder: str, *arguments: str) -> str:
    quiet = [f"--{each}" for each in QUIET]
    command = ["chromium", *quiet, f"--user-data-dir={folder}/profile", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
