"""Slack blocks as HTML, close enough to the real look to judge a card by."""

import re
from html import escape, unescape
from pathlib import Path
from typing import Any

from bot.text.markdown import render
from tests.standins.slack_world import BOT_USER, Json

STYLE = Path(__file__).with_suffix(".css").read_text()


def page(inside: str, *, width: int, dark: bool = False, bar: str = "") -> str:
    """Return a full HTML page."""
    theme = "dark" if dark else "light"
    top = f"<div class=bar>{bar}</div>" if bar else ""
    head = f"<!doctype html><meta charset=utf-8><meta name=viewport content='width=device-width'><style>{STYLE}</style>"
    return f"{head}<body class={theme} style='width:{width}px'>{top}{inside}"


def message(said: Json, names: dict[str, str], *, reply: bool = False, at: str = "14:02") -> str:
    """Return one message of a person or the bot. With `user` it is visible to one person."""
    mine = said.get("user") == BOT_USER or "bot_id" in said or "ts" not in said
    who = "fleet" if mine else names.get(str(said.get("user")), "a person")
    badge = " <span class=app>APP</span>" if mine else ""
    only = "" if "ts" in said else "<div class=only>Only visible to you</div>"
    inside = blocks(said["blocks"]) if said.get("blocks") else _mrkdwn(str(said["text"]))
    if said.get("files"):
        inside += "".join(f"<div class=file>{escape(each['title'])}<small>Markdown</small></div>" for each in said["files"])
    face = f"<div class='face{'' if mine else ' you'}'>{escape(who[0].upper())}</div>"
    head = f"<div class=who><b>{escape(who)}</b>{badge}<span>{at}</span></div>"
    return f"<div class='msg{' reply' if reply else ''}'>{face}<div class=body>{only}{head}{inside}</div></div>"


def home(view: Json) -> str:
    """Return an App Home."""
    return f"<div class=home>{blocks(view['blocks'])}</div>"


def form(view: Json) -> str:
    """Return a form."""
    close, send = (escape(view[name]["text"]) for name in ("close", "submit"))
    foot = f"<footer><button>{close}</button><button class=primary>{send}</button></footer>"
    return f"<div class=modal><h2>{escape(view['title']['text'])}</h2><div class=in>{blocks(view['blocks'])}</div>{foot}</div>"


def blocks(given: list[Json]) -> str:
    """Return blocks from top to bottom."""
    return "".join(f"<div class='b {each['type']}'>{_block(each)}</div>" for each in given)


def _block(block: Json) -> str:
    match block["type"]:
        case "header":
            return escape(block["text"]["text"])
        case "section":
            side = f"<span>{_element(block['accessory'])}</span>" if "accessory" in block else ""
            return f"<div>{_text(block['text'])}</div>{side}"
        case "context":
            return " ".join(_text(each) for each in block["elements"])
        case "actions":
            return "".join(_element(each) for each in block["elements"])
        case "markdown":
            return render(block["text"])
        case "divider":
            return "<hr>"
        case "table":
            return _table(block)
        case "input":
            optional = " <span class=opt>(optional)</span>" if block.get("optional") else ""
            return f"<label>{escape(block['label']['text'])}{optional}</label>{_element(block['element'])}"
        case kind:
            raise AssertionError(f"no picture of {kind} yet")


def _table(block: Json) -> str:
    aligned = [each.get("align", "left") for each in block.get("column_settings", ())]
    rows = ""
    for row in block["rows"]:
        cells = "".join(
            f"<td class={aligned[at] if at < len(aligned) else 'left'}>{_cell(cell)}</td>" for at, cell in enumerate(row)
        )
        rows += f"<tr>{cells}</tr>"
    return f"<table>{rows}</table>"


def _cell(cell: Json) -> str:
    if cell["type"] == "raw_text":
        return escape(cell["text"])
    return f"<b>{escape(cell['elements'][0]['elements'][0]['text'])}</b>"


def _element(element: Json) -> str:
    match element["type"]:
        case "button":
            return f"<button class={element.get('style', 'plain')}>{escape(element['text']['text'])}</button>"
        case "plain_text_input":
            return f"<textarea>{escape(element.get('initial_value', ''))}</textarea>"
        case "static_select":
            chosen: Any = element.get("initial_option") or element["options"][0]
            return f"<select><option>{escape(chosen['text']['text'])}</select>"
        case kind:
            raise AssertionError(f"no picture of {kind} yet")


def _text(text: Json) -> str:
    return _mrkdwn(text["text"]) if text["type"] == "mrkdwn" else escape(text["text"])


def _mrkdwn(text: str) -> str:
    """Convert Slack's own markup, whose text is escaped already."""
    text = re.sub(r"<!date\^\d+\^[^|>]*\|([^>]*)>", lambda found: found[1].removesuffix(" UTC"), text)
    text = re.sub(r"<(https?://[^|>]+)\|([^>]+)>", r"<a href='\1'>\2</a>", text)
    text = re.sub(rf"<@{BOT_USER}>", "<a>@fleet</a>", text)
    text = re.sub(r"`([^`\n]+)`", r"<code>\1</code>", text)
    text = re.sub(r"(?<![\w*])\*([^*\n]+)\*", r"<b>\1</b>", text)
    text = re.sub(r"(?<![\w_])_([^_\n]+)_(?!\w)", r"<i>\1</i>", text)
    assert "<script" not in unescape(text).lower() or "&lt;script" in text
    return text.replace("\n", "<br>")
