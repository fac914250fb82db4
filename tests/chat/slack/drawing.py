"""Blocks drawn as Slack draws them, closely enough to judge a card by: one HTML page for a few messages, a form, or a Home."""

import re
from html import escape, unescape
from typing import Any

from bot.markdown import render
from tests.standins.slack_world import BOT_USER, Json

STYLE = """
:root { --bg:#fff; --fg:#1d1c1d; --dim:#616061; --line:#dddddd; --soft:#f8f8f8; --link:#1264a3; --code:#c01343; --ok:#007a5a;
  --bad:#e01e5a; --call:#f2f2f2; --rail:#4a154b }
.dark { --bg:#1a1d21; --fg:#d1d2d3; --dim:#9a9b9d; --line:#3f4145; --soft:#222529; --link:#1d9bd1; --code:#e8912d; --ok:#148567;
  --bad:#e01e5a; --call:#2a2d31; --rail:#19171d }
* { box-sizing:border-box } body { margin:0; background:var(--bg); color:var(--fg);
  font:15px/1.46668 Lato,"Noto Sans","DejaVu Sans",sans-serif }
.bar { background:var(--rail); color:#fff; padding:9px 16px; font-weight:700 } .bar small { font-weight:400; opacity:.75; margin-left:8px }
.msg { display:flex; gap:8px; padding:8px 16px } .msg.reply { padding-left:60px }
.face { flex:0 0 36px; height:36px; border-radius:8px; background:#1d3557; color:#fff; display:grid; place-items:center; font-weight:700 }
.face.you { background:#c27ba0 } .body { min-width:0; flex:1; max-width:640px } .who b { font-weight:900 }
.who span { color:var(--dim); font-size:12px; margin-left:6px } .app { background:var(--call); font-size:10px!important;
  padding:1px 4px; border-radius:3px; font-weight:700 }
.b { margin:4px 0 } .header { font-size:18px; font-weight:900; line-height:1.3; margin:6px 0 } .context { color:var(--dim); font-size:13px }
.section { display:flex; gap:12px; justify-content:space-between; align-items:flex-start } .section>div { min-width:0; overflow-wrap:anywhere }
.actions { display:flex; flex-wrap:wrap; gap:8px; margin:8px 0 } button { font:700 13px/1 inherit; font-family:inherit; color:var(--fg);
  background:var(--bg); border:1px solid var(--line); border-radius:8px; padding:8px 12px; min-width:64px; white-space:nowrap }
button.primary { background:var(--ok); border-color:var(--ok); color:#fff } button.danger { border-color:var(--bad); color:var(--bad) }
hr { border:0; border-top:1px solid var(--line); margin:12px 0 } code { color:var(--code); background:var(--soft);
  border:1px solid var(--line); border-radius:3px; padding:1px 3px; font:12px Menlo,Consolas,monospace }
pre { background:var(--soft); border:1px solid var(--line); border-radius:4px; padding:8px; overflow:auto; margin:4px 0 }
pre code { border:0; padding:0; color:inherit } a { color:var(--link); text-decoration:none } p { margin:0 0 6px } ol,ul { margin:2px 0 6px; padding-left:26px }
table { border-collapse:collapse; margin:6px 0; max-width:100% } td,th { border:1px solid var(--line); padding:5px 9px; text-align:left; font-size:14px }
.right { text-align:right } .center { text-align:center } .home { padding:16px 20px; max-width:720px }
.modal { margin:18px auto; width:min(520px,94vw); border:1px solid var(--line); border-radius:8px; background:var(--bg); box-shadow:0 18px 48px #0005 }
.modal h2 { margin:0; padding:16px 20px; font-size:20px } .modal .in { padding:0 20px 8px } .modal footer { padding:14px 20px;
  display:flex; gap:8px; justify-content:flex-end; border-top:1px solid var(--line) } label { font-weight:700; display:block; margin:10px 0 4px }
textarea,select { width:100%; border:1px solid var(--dim); border-radius:4px; background:var(--bg); color:var(--fg); font:inherit; padding:8px; min-height:90px }
select { min-height:38px } .opt { font-weight:400; color:var(--dim) } .only { color:var(--dim); font-size:12px; margin-bottom:2px }
.file { border:1px solid var(--line); border-radius:8px; padding:10px 12px; display:inline-block } .file small { color:var(--dim); display:block }
"""


def page(inside: str, *, width: int, dark: bool = False, bar: str = "") -> str:
    """A whole page."""
    theme = "dark" if dark else "light"
    top = f"<div class=bar>{bar}</div>" if bar else ""
    head = f"<!doctype html><meta charset=utf-8><meta name=viewport content='width=device-width'><style>{STYLE}</style>"
    return f"{head}<body class={theme} style='width:{width}px'>{top}{inside}"


def message(said: Json, names: dict[str, str], *, reply: bool = False, at: str = "14:02") -> str:
    """One message, by a person or by the bot; with `user` only seen by one."""
    mine = said.get("user") == BOT_USER or "bot_id" in said or "ts" not in said
    who = "fleet" if mine else names.get(str(said.get("user")), "somebody")
    badge = " <span class=app>APP</span>" if mine else ""
    only = "" if "ts" in said else "<div class=only>Only visible to you</div>"
    inside = blocks(said["blocks"]) if said.get("blocks") else _mrkdwn(str(said["text"]))
    if said.get("files"):
        inside += "".join(f"<div class=file>{escape(each['title'])}<small>Markdown</small></div>" for each in said["files"])
    face = f"<div class='face{'' if mine else ' you'}'>{escape(who[0].upper())}</div>"
    head = f"<div class=who><b>{escape(who)}</b>{badge}<span>{at}</span></div>"
    return f"<div class='msg{' reply' if reply else ''}'>{face}<div class=body>{only}{head}{inside}</div></div>"


def home(view: Json) -> str:
    """App Home."""
    return f"<div class=home>{blocks(view['blocks'])}</div>"


def form(view: Json) -> str:
    """A form."""
    close, send = (escape(view[name]["text"]) for name in ("close", "submit"))
    foot = f"<footer><button>{close}</button><button class=primary>{send}</button></footer>"
    return f"<div class=modal><h2>{escape(view['title']['text'])}</h2><div class=in>{blocks(view['blocks'])}</div>{foot}</div>"


def blocks(given: list[Json]) -> str:
    """Blocks, one below the other."""
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
        cells = "".join(f"<td class={aligned[at] if at < len(aligned) else 'left'}>{_cell(cell)}</td>" for at, cell in enumerate(row))
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
    """Slack's own markup; the text is escaped already, as it has to be on the wire."""
    text = re.sub(r"<!date\^\d+\^[^|>]*\|([^>]*)>", lambda found: found[1].removesuffix(" UTC"), text)
    text = re.sub(r"<(https?://[^|>]+)\|([^>]+)>", r"<a href='\1'>\2</a>", text)
    text = re.sub(rf"<@{BOT_USER}>", "<a>@fleet</a>", text)
    text = re.sub(r"`([^`\n]+)`", r"<code>\1</code>", text)
    text = re.sub(r"(?<![\w*])\*([^*\n]+)\*", r"<b>\1</b>", text)
    text = re.sub(r"(?<![\w_])_([^_\n]+)_(?!\w)", r"<i>\1</i>", text)
    assert "<script" not in unescape(text).lower() or "&lt;script" in text
    return text.replace("\n", "<br>")
