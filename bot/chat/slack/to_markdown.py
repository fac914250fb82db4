"""Markdown as Slack's `markdown` blocks, with the first table as a `table` block. Pure.

Slack allows 12,000 characters of Markdown in a message. A longer text is cut at a line, and the caller sends the full text as a
file.
"""

from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from bot.chat.slack.text import tame

Block = dict[str, Any]
MOST = 11_000
"""Characters of Markdown in one message.

Slack's own limit is higher and leaves space for other blocks.
"""
MOST_ROWS, MOST_COLUMNS, MOST_CELL, MOST_TABLE = 100, 20, 500, 8_000

_TABLES = MarkdownIt("commonmark").enable("table")


def shortened(markdown: str, most: int = MOST, lines: int | None = None) -> str:
    """Return the beginning of a text that fits, cut at a line with its code block closed."""
    kept: list[str] = []
    size = 0
    for line in markdown.split("\n"):
        size += len(line) + 1
        if size > most or (lines is not None and len(kept) >= lines):
            break
        kept.append(line)
    whole = len(kept) == markdown.count("\n") + 1
    while not whole and len(kept) > 1 and kept[-1].lstrip().startswith("|"):
        kept.pop()  # part of a table is not readable
    if not kept:
        kept = [markdown[: most - 1] + "…"]
    if not whole and sum(line.lstrip().startswith("```") for line in kept) % 2:
        kept.append("```")
    return "\n".join(kept)


def to_blocks(markdown: str) -> list[Block]:
    """Return the blocks of a text of at most `MOST` characters. None for an empty text."""
    lines, table = markdown.split("\n"), _first_table(markdown)
    if table is None:
        return _texts(markdown)
    (start, end), block = table
    return [*_texts("\n".join(lines[:start])), block, *_texts("\n".join(lines[end:]))]


def _texts(markdown: str) -> list[Block]:
    text = tame(markdown).strip("\n")
    return [{"type": "markdown", "text": text}] if text.strip() else []


def _first_table(markdown: str) -> tuple[tuple[int, int], Block] | None:
    """Return the lines of the first table and its block. None for a table beyond the limits."""
    if "|" not in markdown:
        return None
    tokens = _TABLES.parse(markdown)
    opening = next((each for each in tokens if each.type == "table_open" and each.level == 0 and each.map), None)
    if opening is None or opening.map is None:
        return None
    start, end = opening.map
    rows, aligns = _cells(tokens[tokens.index(opening) :])
    columns = max(map(len, rows))
    if len(rows) > MOST_ROWS or columns > MOST_COLUMNS or sum(len(cell) for row in rows for cell in row) > MOST_TABLE:
        return None
    block: Block = {
        "type": "table",
        "rows": [[_cell(text, head=number == 0) for text in row] for number, row in enumerate(rows)],
        "column_settings": [{"align": align, "is_wrapped": True} for align in aligns],
    }
    return (start, end), block


def _cells(tokens: list[Token]) -> tuple[list[list[str]], list[str]]:
    rows: list[list[str]] = []
    aligns: list[str] = []
    for location, token in enumerate(tokens):
        if token.type == "table_close":
            break
        if token.type == "tr_open":
            rows.append([])
        elif token.type in {"th_open", "td_open"}:
            rows[-1].append(_words(tokens[location + 1]))
            if token.type == "th_open":
                aligns.append(str(token.attrs.get("style", "text-align:left")).removeprefix("text-align:"))
    return rows, aligns


def _words(inline: Token) -> str:
    text = "".join(each.content for each in inline.children or () if each.type in {"text", "code_inline"})
    text = tame(text.strip())
    return text if len(text) <= MOST_CELL else text[: MOST_CELL - 1] + "…"


def _cell(text: str, *, head: bool) -> Block:
    if not head:
        return {"type": "raw_text", "text": text or " "}
    words = {"type": "text", "text": text or " ", "style": {"bold": True}}
    return {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [words]}]}
